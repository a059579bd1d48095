//! `cargo xtask integration`: the main job against one broker or several.
pub(crate) mod cases;
mod cluster;
mod engine;
mod failover;
mod table;

use std::ffi::OsStr;

use crate::failure::{Failure, Outcome};
use crate::project;
use cases::Case;
use engine::Engine;

/// Which brokers to test against.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A broker to start; may be given more than once. In a container: redpanda (the default), kafka.
    /// By the script `kafka` in the folder PAGI_MACHINE_DIR: kafka-local, and cluster, three brokers
    /// one of which dies. Or embedded.
    #[arg(long = "engine", value_name = "ENGINE", conflicts_with = "brokers")]
    engines: Vec<Engine>,
    /// A broker that runs already, instead of one to start.
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// Leave a started container running, and say where it is.
    #[arg(long)]
    keep: bool,
}

/// Runs the cases on each engine, prints a table, and fails if a case did.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let engines = match &arguments.brokers {
        Some(brokers) => vec![Engine::Running(brokers.clone())],
        None if arguments.engines.is_empty() => vec![Engine::Redpanda],
        None => arguments.engines.clone(),
    };
    if !cfg!(feature = "containers") && engines.iter().any(Engine::needs_containers) {
        engine::docker_answers()?;
        return with_containers();
    }
    let mut results = Vec::new();
    for engine in &engines {
        println!("==> {engine}");
        let running = engine::start(engine, arguments.keep)?;
        let brokers: Vec<(&str, &OsStr)> =
            running.brokers.iter().map(|b| ("PAGI_TEST_BROKERS", OsStr::new(b))).collect();
        let mut cases = cases::run(&brokers)?;
        if let Some(cluster) = &running.cluster {
            // Built with the cases.
            let binary = project::target().join("debug/pagi-appliance");
            let outcome = failover::run(cluster, &binary);
            let passed = outcome.is_ok();
            println!("a broker dies: {}", outcome.unwrap_or_else(|failure| failure.to_string()));
            cases.push(Case { name: "a_broker_dies".to_owned(), passed });
        }
        if let Some(note) = &running.note {
            println!("NOTE: {note}");
        }
        results.push((running.name.clone(), cases));
    }
    println!("\n{}", table::markdown(&results));
    results.iter().try_for_each(|(name, cases)| {
        cases::all_passed(cases).map_err(|failure| Failure::new(format!("{name}: {failure}")))
    })
}

/// Runs the same command again with what starts containers built in, which nothing else needs.
fn with_containers() -> Outcome {
    let mut command = project::cargo(["run", "--quiet", "--package", "xtask"]);
    command.args(["--features", "containers", "--"]).args(std::env::args_os().skip(1));
    project::run(&mut command)
}
