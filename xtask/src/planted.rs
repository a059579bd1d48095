//! `cargo xtask planted`: realistic bugs, put one by one into a copy of the source, must each be
//! caught by the tests that are there to catch them.
//!
//! **Invariants.** The project's own source and its built files are never touched: the copy and what
//! is built from it are below `target/planted`.
mod bug;
mod copy;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bug::{Bug, Suite};
use copy::Copy;

use crate::failure::{Failure, Outcome, While};
use crate::project;

/// The folder of the bugs, one file each.
const FOLDER: &str = "tests/planted";
/// Optimised a little: built often, and run for some seconds.
const PROFILE: &str = "planted";
/// The longest that the tests of one bug may take; one that hangs is noticed as well.
const TESTS_MAX: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(20);

/// Which bugs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each file in tests/planted tells what is done wrong, where, and which tests have to notice. A bug
that no test notices, and one whose place in the source is gone, fails the command.

Examples:
  cargo xtask planted                all of them
  cargo xtask planted sync           those with 'sync' in their names
  cargo xtask planted --list")]
pub(crate) struct Arguments {
    /// Only bugs with this in their names
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Tell what there is, and build nothing
    #[arg(long)]
    list: bool,
}

/// What became of one bug.
enum Verdict {
    Caught(Vec<String>),
    Unseen,
    /// The tests did not end, or ended without a word.
    Broke(String),
}

/// Plants each bug, and prints a table.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let mut bugs = bug::all(&project::root().join(FOLDER))?;
    bugs.retain(|bug| {
        arguments.names.is_empty() || arguments.names.iter().any(|name| bug.name.contains(name))
    });
    if bugs.is_empty() {
        return Err(Failure::new("no bug has such a name: `cargo xtask planted --list`"));
    }
    if arguments.list {
        bugs.iter().for_each(|bug| println!("{:32} {}", bug.name, bug.title));
        return Ok(());
    }
    let folder = project::target().join("planted");
    let copy = Copy::new(&project::root(), folder.join("source"))?;
    let mut unseen = Vec::new();
    for (bug, number) in bugs.iter().zip(1..) {
        let begin = Instant::now();
        copy.plant(bug)?;
        let verdict = try_bug(bug, &copy, &folder);
        copy.weed(bug)?;
        let seconds = begin.elapsed().as_secs();
        let said = match verdict? {
            Verdict::Caught(tests) => format!("caught by {}", tests.join(", ")),
            Verdict::Broke(how) => format!("caught: {how}"),
            Verdict::Unseen => {
                unseen.push(bug.name.clone());
                "NOT SEEN".to_owned()
            }
        };
        println!("{number:2}/{} {:32} {said} ({seconds} s)", bugs.len(), bug.name);
    }
    if unseen.is_empty() {
        println!("all {} planted bugs were caught", bugs.len());
        return Ok(());
    }
    Err(Failure::new(format!("no test saw {}", unseen.join(", "))))
}

/// Builds the copy and runs the tests that should notice, until one does.
fn try_bug(bug: &Bug, copy: &Copy, folder: &Path) -> Outcome<Verdict> {
    for (suite, test) in &bug.caught_by {
        let binary = build(*suite, copy, folder).on(format_args!("build {}", bug.name))?;
        match run_test(&binary, test, copy, folder)? {
            Verdict::Unseen => {}
            verdict => return Ok(verdict),
        }
    }
    Ok(Verdict::Unseen)
}

/// Builds a suite; gives its program.
fn build(suite: Suite, copy: &Copy, folder: &Path) -> Outcome<PathBuf> {
    let what: &[&str] = match suite {
        Suite::Sim => &["--test", "sim"],
        Suite::Unit => &["--lib"],
    };
    let fixed = ["test", "--no-run", "--profile", PROFILE, "--package", "pagi-appliance"];
    let mut command = project::cargo(fixed.into_iter().chain(what.iter().copied()));
    command.current_dir(copy.folder()).env("CARGO_TARGET_DIR", folder.join("target"));
    let output = command.output().on("start cargo")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(Failure::new(format!("it does not compile:\n{said}")));
    }
    let program = said.lines().rev().find_map(|line| {
        line.trim_start().strip_prefix("Executable")?.rsplit_once('(')?.1.strip_suffix(')')
    });
    let program = program.ok_or_else(|| Failure::new("cargo named no program"))?;
    Ok(copy.folder().join(program))
}

fn run_test(binary: &Path, test: &str, copy: &Copy, folder: &Path) -> Outcome<Verdict> {
    let log = folder.join("output.txt");
    let file = std::fs::File::create(&log).on("make a file for the output")?;
    let errors = file.try_clone().on("make a file for the output")?;
    let mut child = Command::new(binary)
        .arg(test)
        .current_dir(copy.folder().join("appliance"))
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .spawn()
        .on("start the tests")?;
    let deadline = Instant::now() + TESTS_MAX;
    let status = loop {
        if let Some(status) = child.try_wait().on("wait for the tests")? {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().on("end the tests")?;
            child.wait().on("end the tests")?;
            return Ok(Verdict::Broke(format!("{test} did not end")));
        }
        std::thread::sleep(POLL);
    };
    let mut said = String::new();
    std::fs::File::open(&log)
        .and_then(|mut file| file.read_to_string(&mut said))
        .on("read the output")?;
    if said.contains("running 0 tests") {
        return Err(Failure::new(format!("there is no test {test}")));
    }
    if status.success() {
        return Ok(Verdict::Unseen);
    }
    let failed =
        |line: &str| Some(line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?.to_owned());
    let failed: Vec<String> = said.lines().filter_map(failed).collect();
    Ok(match failed.is_empty() {
        true => Verdict::Broke(format!("{test} ended with {status}")),
        false => Verdict::Caught(failed),
    })
}
