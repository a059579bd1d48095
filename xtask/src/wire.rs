//! `cargo xtask wire`: what Kafka clients and a broker say to each other.
mod bypass;
pub(crate) mod flaky;
mod names;
pub(crate) mod proxy;
mod record;
pub(crate) mod recorder;
mod replay;
mod show;

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
    /// Who spoke in a recording, in which versions, and which errors came back.
    Show(show::Arguments),
    /// Say a recording again to another broker, and tell where its answers differ.
    Replay(replay::Arguments),
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    match &arguments.command {
        Command::Record(arguments) => record::run(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
    }
}
