//! The project's own commands: `cargo xtask <command>`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what these commands do")]
mod apache_kafka;
mod appliance;
mod bench;
mod chaos;
mod ci;
mod clients;
mod dist;
mod failure;
mod http;
mod integration;
mod kafka;
mod latency;
mod member;
mod offsets;
mod plain;
mod planted;
mod project;
mod publisher;
mod sim;
mod tidy;
mod wire;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Outcome;

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything a change must pass; needs nothing but a Rust toolchain.
    Ci(ci::Arguments),
    /// Checks of the source that compilers do not make: import directions, sizes, words, links.
    Tidy,
    /// The main job against the embedded broker, Redpanda, Kafka, or a broker that runs already.
    Integration(integration::Arguments),
    /// Other people's Kafka clients against the embedded broker and Apache Kafka, compared.
    Clients(clients::Arguments),
    /// What Kafka clients and a broker say to each other: recorded, shown, and said again.
    Wire(wire::Arguments),
    /// Realistic bugs, planted in a copy of the source: each must be caught by a test.
    Planted(planted::Arguments),
    /// The log on a simulated disk: power cuts and failing operations at every place, by the million.
    Sim(sim::Arguments),
    /// How fast it is, what it costs, and what the disk itself could do.
    Bench(bench::Arguments),
    /// The real binary through crashes, power cuts, sick and full disks: nothing acknowledged is lost.
    Chaos(chaos::Arguments),
    /// The static binary, its unit and its archive under target/dist, tried before it is done.
    Dist,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Outcome {
    match command {
        Command::Ci(arguments) => ci::run(&arguments),
        Command::Tidy => tidy::run(),
        Command::Integration(arguments) => integration::run(&arguments),
        Command::Clients(arguments) => clients::run(&arguments),
        Command::Wire(arguments) => wire::run(&arguments),
        Command::Planted(arguments) => planted::run(&arguments),
        Command::Sim(arguments) => sim::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Chaos(arguments) => chaos::run(&arguments),
        Command::Dist => dist::run(),
    }
}
