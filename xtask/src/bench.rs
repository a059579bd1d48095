//! `cargo xtask bench`: how fast it is, what it costs, and what the disk itself could do.
//!
//! CPU per operation repeats on a shared machine, wall-clock time does not: read it first. Each case
//! runs on a process and a folder of its own; the disk is measured right before and after it.
mod cases;
mod crowd;
mod disk;
mod franz_go;
mod http;
mod kafka;
mod load;
mod process;
mod report;
mod target;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use crate::failure::{Failure, Outcome, While};
use crate::{apache_kafka, appliance, project};
use cases::{CASES, Place};

/// What to measure, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only these cases, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "CASE")]
    only: Vec<String>,
    /// How long each load runs.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// The binary to measure, instead of one built now.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// How to build it: `release` as users get it, or `bench-fast` while working.
    #[arg(long, default_value = "release", conflicts_with = "binary")]
    profile: String,
    /// Where data is kept: the disk that is measured (below target/ unless told).
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Leave Apache Kafka out; else it is measured too where PAGI_MACHINE_DIR has a script for it.
    #[arg(long)]
    alone: bool,
}

/// Runs the cases and prints the table.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    if let Some(unknown) = arguments.only.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(Failure::new(format!("no case {unknown:?}; there are {}", names.join(", "))));
    }
    let folder = arguments.folder.clone().unwrap_or_else(|| project::target().join("bench"));
    std::fs::create_dir_all(&folder).on(format!("make {}", folder.display()))?;
    let binary = match &arguments.binary {
        Some(binary) => binary.clone(),
        None => appliance::build(&arguments.profile)?,
    };
    let kafka = !arguments.alone && apache_kafka::script().is_some();
    if !kafka {
        println!("SKIPPED: Apache Kafka beside it (--alone, or PAGI_MACHINE_DIR has no `kafka`)");
    }
    let how_long = Duration::try_from_secs_f64(arguments.seconds).on("take --seconds")?;
    let place = Place { binary, folder, how_long, kafka };
    let mut rows = Vec::new();
    for case in &CASES {
        if arguments.only.is_empty() || arguments.only.iter().any(|name| name == case.name) {
            println!("==> {}: {}", case.name, case.what);
            for row in (case.run)(&place)? {
                println!("{}", report::line(&row));
                rows.push(row);
            }
        }
    }
    println!("\n{}", report::markdown(&rows));
    Ok(())
}
