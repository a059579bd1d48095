//! `cargo xtask chaos`: the real binary through crashes, power cuts, sick and full disks.
//!
//! Each kind prints one line of figures. A run repeats the choices of its seed; when exactly a
//! crash hits, the machine decides.
mod clerk;
mod consumer;
mod copy;
mod corrupt;
mod cycles;
mod damage;
mod drain;
mod eio;
mod fault;
mod findings;
mod full;
mod kill9;
mod lanes;
mod ledger;
mod load;
mod loop_fs;
mod node;
mod observer;
mod power;
mod producer;
mod random;
mod record;
mod shared;
mod site;
mod topics;
mod verify;

use std::path::PathBuf;

use crate::failure::{Failure, Outcome, While};
use crate::{appliance, project};
use random::Random;
use site::{Ending, Site};

const EXAMPLES: &str = "\
Examples:
  cargo xtask chaos kill9 --cycles 100
  cargo xtask chaos all
      every kind with the figures of each change
  cargo xtask chaos all --times 10
      ten times those figures
  cargo xtask chaos kill9 --binary target/release/pagi-appliance --seed 7";

/// What to do to it, and how often.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The kind of crash, or `all`.
    #[arg(default_value = "all", value_parser = kind_names())]
    kind: String,
    /// How often, instead of the figure of each change.
    #[arg(long)]
    cycles: Option<u32>,
    /// So many times the figure of each change.
    #[arg(long, default_value_t = 1, conflicts_with = "cycles")]
    times: u32,
    /// The binary to crash, instead of one built now.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Repeats the choices of a run.
    #[arg(long)]
    seed: Option<u64>,
    /// Where data, images and ledgers are kept (below target/ unless told).
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// A kind of crash.
struct Kind {
    name: &'static str,
    about: &'static str,
    /// For each change.
    cycles: u32,
    run: fn(&Site) -> Outcome<Ending>,
}

const KINDS: [Kind; 7] = [
    Kind {
        name: "kill9",
        about: "kill -9 under 32 idempotent producers that stay connected",
        cycles: 30,
        run: kill9::run,
    },
    Kind {
        name: "power",
        about: "power cuts on ext4 and XFS, in loop devices of their own (needs root)",
        cycles: 10,
        run: power::run,
    },
    Kind {
        name: "eio",
        about: "system calls that fail, and writes that are cut short (needs strace)",
        cycles: 60,
        run: eio::run,
    },
    Kind {
        name: "full",
        about: "a disk of 16 to 32 MiB that is full, and has room again (needs root)",
        cycles: 5,
        run: full::run,
    },
    Kind {
        name: "corrupt",
        about: "bit flips, blanked blocks, cut and missing files in a stopped data folder",
        cycles: 300,
        run: corrupt::run,
    },
    Kind {
        name: "consumer",
        about: "kill -9 of `pagi-appliance router start-consumer` at each of its steps",
        cycles: 60,
        run: consumer::run,
    },
    Kind {
        name: "drain",
        about: "SIGTERM under Kafka and HTTP load: what was accepted is answered, and kept",
        cycles: 20,
        run: drain::run,
    },
];

fn kind_names() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.name).chain(["all"]).collect()
}

/// Runs the kinds, prints their lines, and fails if anything was found.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let folder = arguments.folder.clone().unwrap_or_else(|| project::target().join("chaos"));
    std::fs::create_dir_all(&folder).on(format!("make {}", folder.display()))?;
    let binary = match &arguments.binary {
        Some(binary) => binary.clone(),
        None => appliance::build("bench-fast")?,
    };
    let binary = binary.canonicalize().on(format!("find {}", binary.display()))?;
    let seed = arguments.seed.unwrap_or_else(fresh_seed);
    println!("seed {seed}, binary {}", binary.display());
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    let wanted = |kind: &&Kind| arguments.kind == "all" || arguments.kind == kind.name;
    for (number, kind) in (0..).zip(&KINDS).filter(|(_, kind)| wanted(kind)) {
        println!("==> {}: {}", kind.name, kind.about);
        let cycles = arguments.cycles.unwrap_or(kind.cycles.saturating_mul(arguments.times));
        let random = Random::new(seed).part(number);
        let site = Site { binary: binary.clone(), folder: folder.clone(), cycles, random };
        let line = match (kind.run)(&site) {
            Ok(Ending::Skipped(why)) => format!("{}: SKIPPED: {why}", kind.name),
            Ok(Ending::Ran(mut report)) => {
                if !report.findings.is_empty() {
                    failed.push(kind.name);
                    print!("{}", report.findings);
                }
                report.line(kind.name)
            }
            Err(failure) => {
                failed.push(kind.name);
                format!("{}: FAILED: {failure}", kind.name)
            }
        };
        println!("{line}");
        lines.push(line);
    }
    println!("\n{}", lines.join("\n"));
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("chaos: {} failed (seed {seed})", failed.join(", "))))
}

/// Another one for each run.
fn fresh_seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(1, |since| u64::from(since.subsec_nanos()) ^ since.as_secs())
}
