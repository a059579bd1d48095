//! `cargo xtask sim`: the campaign of `tests/sim`, optimised, on all cores, with its progress shown.
use std::process::Command;

use crate::failure::Outcome;
use crate::project;

/// The profile that it is built with: optimised, with every assertion.
pub(crate) const PROFILE: &str = "sim";

const CAMPAIGN: &str = "campaign::nothing_acknowledged_is_lost_in_a_campaign";

/// How much to run.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask sim                          the figure of each change: 200,000 cuts
  cargo xtask sim --cuts 5000000           the figure of a release
  cargo xtask sim --minutes 60             as many as fit
  cargo xtask sim --seed 17 --cuts 1       the workload of one seed, with an end at every operation
  cargo xtask sim --seed 17 --turns 3,8 --at 40
                                           one failure again, as a run prints it

A workload that fails is made smaller while it still fails, and what is left is printed with the
command that runs it again. PAGI_SIM_TRACE=1 prints every operation of the disk.")]
pub(crate) struct Arguments {
    /// Ends of a process to try: power cuts and kills, also during the recovery from one
    #[arg(long, default_value_t = 200_000)]
    cuts: u64,
    /// The first seed; each one is a workload
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Stop after so many minutes, however many cuts that were
    #[arg(long)]
    minutes: Option<u64>,
    /// Only these turns of the seed's workload
    #[arg(long, value_name = "N,...")]
    turns: Option<String>,
    /// Only an end at this operation
    #[arg(long, value_name = "OPERATION")]
    at: Option<u64>,
}

/// Builds and runs it.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let mut command = test(&["--exact", CAMPAIGN, "--ignored", "--nocapture"]);
    command.env("PAGI_SIM_FIRST", arguments.seed.to_string());
    let cuts = if arguments.minutes.is_some() { u64::MAX } else { arguments.cuts };
    command.env("PAGI_SIM_TOTAL", cuts.to_string());
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let settings = [
        ("PAGI_SIM_MINUTES", number(arguments.minutes)),
        ("PAGI_SIM_TURNS", arguments.turns.clone()),
        ("PAGI_SIM_AT", number(arguments.at)),
    ];
    for (name, value) in settings {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    project::run(&mut command)
}

fn test(arguments: &[&str]) -> Command {
    let build = ["test", "--quiet", "--profile", PROFILE, "--package", "pagi-appliance"];
    let mut command = project::cargo(build.into_iter().chain(["--test", "sim", "--"]));
    command.args(arguments);
    command
}
