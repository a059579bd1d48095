//! `cargo xtask ci`: what every change must pass.
//!
//! **Invariants.** Needs a Rust toolchain and nothing else: no Docker, Java, root or network
//! beyond cargo's. Stops at the first failure and says what to do.
use std::time::Instant;

use crate::failure::{Failure, Outcome};
use crate::{project, tidy};

/// Which steps to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only these steps, in their usual order (all of them when none is named).
    #[arg(value_name = "STEP")]
    steps: Vec<String>,
}

struct Step {
    name: &'static str,
    run: fn() -> Outcome,
    remedy: &'static str,
}

const STEPS: [Step; 6] = [
    Step { name: "fmt", run: fmt, remedy: "run `cargo fmt --all`" },
    Step { name: "clippy", run: clippy, remedy: "mend what clippy names above" },
    Step { name: "tidy", run: tidy::run, remedy: "mend the lines named above" },
    Step {
        name: "test",
        run: test,
        remedy: "run the failed test alone: `cargo test --workspace NAME -- --nocapture`",
    },
    Step { name: "doctest", run: doctest, remedy: "mend the example named above" },
    Step { name: "doc", run: doc, remedy: "mend the doc comment named above" },
];

/// Runs the steps, naming and timing each.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    if let Some(unknown) = arguments.steps.iter().find(|s| STEPS.iter().all(|k| k.name != **s)) {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        return Err(Failure::new(format!(
            "there is no step {unknown:?}; there are {}",
            names.join(", ")
        )));
    }
    let wanted = |step: &&Step| {
        arguments.steps.is_empty() || arguments.steps.iter().any(|name| name == step.name)
    };
    let begin = Instant::now();
    let mut summary = Vec::new();
    for step in STEPS.iter().filter(wanted) {
        println!("==> {}", step.name);
        let begin = Instant::now();
        let outcome = (step.run)();
        let seconds = begin.elapsed().as_secs_f64();
        if let Err(failure) = outcome {
            return Err(Failure::new(format!(
                "{failure}\nci: {} failed after {seconds:.1} s; {}, then `cargo xtask ci {}`",
                step.name, step.remedy, step.name
            )));
        }
        println!("<== {} ok, {seconds:.1} s", step.name);
        summary.push(format!("{} {seconds:.1} s", step.name));
    }
    println!("ci: ok, {:.1} s ({})", begin.elapsed().as_secs_f64(), summary.join(", "));
    Ok(())
}

fn fmt() -> Outcome {
    project::run(&mut project::cargo(["fmt", "--all", "--check"]))
}

fn clippy() -> Outcome {
    let arguments = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    project::run(&mut project::cargo(arguments))
}

fn test() -> Outcome {
    let arguments = ["test", "--workspace", "--lib", "--bins", "--tests", "--quiet"];
    project::run(&mut project::cargo(arguments))
}

fn doctest() -> Outcome {
    project::run(&mut project::cargo(["test", "--workspace", "--doc", "--quiet"]))
}

fn doc() -> Outcome {
    let mut command = project::cargo(["doc", "--workspace", "--no-deps", "--quiet"]);
    project::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}
