//! `cargo xtask wire`: what Kafka clients and a broker say to each other.
pub(crate) mod flaky;
pub(crate) mod proxy;
mod record;
pub(crate) mod recorder;

use crate::failure::Outcome;

/// Which command.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Stand between clients and a broker, and write down what they say.
    Record(record::Arguments),
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    match &arguments.command {
        Command::Record(arguments) => record::run(arguments),
    }
}
