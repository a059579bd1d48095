//! The command line.
//!
//! **Invariants.** Flags win over `PAGI_*` variables, those over the TOML file, that over the
//! defaults. What is wrong in any of them ends the process with code 2 before anything is opened.
use std::ffi::OsString;
use std::io::Read as _;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use pagi_protocol::PagiError;
use tracing_subscriber::filter::Targets;

use crate::broker::inspect::commands::LogCommand;
use crate::config::options::{BrokerOptions, GatewayOptions, ProcessOptions, ProxyOptions};
use crate::config::{Config, file};
use crate::limits::CONFIG_FILE_BYTES_MAX;
use crate::operate::{GroupsCommand, TopicsCommand};
use crate::router::commands::{PublishTestEvent, StartConsumer};
use crate::router::dlq::DlqCommand;

const EXIT_CODES: &str = "\
Exit codes:
  0  stopped when asked to, with everything accepted finished
  1  failed while running; the last log line says why
  2  a flag, a PAGI_ variable or the configuration file is not right
  3  could not start: a port in use, a data folder that cannot be used
  4  stopped when asked to, but not everything was finished in time";

const EXAMPLES: &str = "\
Examples:
  pagi-appliance gateway
      HTTP on 127.0.0.1:8080, Kafka on 127.0.0.1:9092, data in ./pagi-data
  pagi-appliance gateway --brokers kafka-1:9092,kafka-2:9092
      the same gateway in front of a cluster
  pagi-appliance broker --data-dir /var/lib/pagi
      the Kafka broker alone
  pagi-appliance router publish-test-event --topic demo --key k1
  pagi-appliance router start-consumer --topics demo
      publish an event to try things; print every event of a topic
  pagi-appliance router start-consumer --topics demo --handler exec --exec ./handle.py
      give every event to a program
  pagi-appliance router start-consumer --topics demo --handler webhook \\
    --webhook-url http://127.0.0.1:3000/events
      post every event to an HTTP endpoint
  pagi-appliance router dlq list --topics demo
  pagi-appliance router dlq redrive --topics demo
      look at the events that could not be handled; send them back
  pagi-appliance topics list
  pagi-appliance topics create demo --partitions 4
      look at the topics of a broker, and change them
  pagi-appliance groups describe my-service
  pagi-appliance groups reset my-service --topics demo --to earliest
      see how far a group is; set where it goes on
  pagi-appliance log verify /var/lib/pagi
      check every checksum of a data folder whose broker does not run

Every flag FOO-BAR may also be given as PAGI_FOO_BAR or as foo_bar in the TOML file of --config;
a flag wins over the environment, the environment over the file.";

/// PAGI's spine in one binary: an HTTP gateway, an event router and a durable Kafka broker
#[derive(Debug, Parser)]
#[command(name = "pagi-appliance", version, propagate_version = true, arg_required_else_help = true,
    after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Debug, Args)]
struct Common {
    /// TOML file with any of the flags; a leading - lets it be missing
    #[arg(
        long,
        global = true,
        env = "PAGI_CONFIG",
        value_name = "FILE",
        allow_hyphen_values = true
    )]
    config: Option<String>,
    /// What to log: error, warn, info, debug or trace, also by module as in info,hyper=debug
    #[arg(
        long,
        global = true,
        env = "PAGI_LOG",
        value_name = "LEVEL",
        default_value = "info,rskafka=off"
    )]
    log_level: Targets,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Run the HTTP gateway, with the embedded broker unless --brokers names others
    #[command(after_help = EXIT_CODES)]
    Gateway(Box<GatewayCommand>),
    /// Run the embedded Kafka broker alone
    #[command(after_help = EXIT_CODES)]
    Broker(BrokerCommand),
    /// Publish to and consume from Kafka brokers, embedded or not
    #[command(subcommand)]
    Router(RouterCommand),
    /// List, create, change and delete topics of a Kafka broker, embedded or not
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// List, describe, reset and delete consumer groups of a Kafka broker, embedded or not
    #[command(subcommand)]
    Groups(GroupsCommand),
    /// Check and print the data folder of a broker that does not run
    #[command(subcommand)]
    Log(LogCommand),
}

#[derive(Debug, Args)]
struct GatewayCommand {
    #[command(flatten)]
    process: ProcessOptions,
    #[command(flatten)]
    gateway: GatewayOptions,
    #[command(flatten)]
    proxy: ProxyOptions,
    #[command(flatten)]
    broker: BrokerOptions,
}

#[derive(Debug, Args)]
struct BrokerCommand {
    #[command(flatten)]
    process: ProcessOptions,
    #[command(flatten)]
    broker: BrokerOptions,
}

#[derive(Debug, Clone, Subcommand)]
enum RouterCommand {
    PublishTestEvent(PublishTestEvent),
    StartConsumer(StartConsumer),
    /// Look at dead letters, and send them back to where they came from
    #[command(subcommand)]
    Dlq(DlqCommand),
}

/// What to do, with everything checked that can be checked without doing it.
#[derive(Debug)]
pub enum Task {
    /// Serve until told to stop.
    Serve(Box<Config>),
    /// Publish one event.
    PublishTestEvent(PublishTestEvent),
    /// Consume topics until told to stop.
    StartConsumer(StartConsumer),
    /// Look at dead letters, or send them back.
    Dlq(DlqCommand),
    /// Look at or change topics.
    Topics(TopicsCommand),
    /// Look at or change consumer groups.
    Groups(GroupsCommand),
    /// Look into a data folder.
    Log(LogCommand),
}

/// A task, and how to log meanwhile.
#[derive(Debug)]
pub struct Invocation {
    /// What to do.
    pub task: Task,
    /// What to log.
    pub log: Targets,
}

/// Reads the command line, the environment and the configuration file.
///
/// # Errors
/// What is wrong, or the help that was asked for; [`clap::Error::exit_code`] is the process's.
pub fn parse(
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
) -> Result<Invocation, clap::Error> {
    let mut arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let mut root = without_env_values(Cli::command());
    root.build();
    let mut matches = root.clone().try_get_matches_from(&arguments)?;
    let (command, deepest) = deepest(&root, &matches);
    if let Some(path) = deepest.get_one::<String>("config") {
        let wrong = |why: String| in_file(&root, path, &why);
        let text = read(path).map_err(wrong)?;
        let more = file::arguments(&text, &root, command, deepest).map_err(wrong)?;
        arguments.extend(more.into_iter().map(OsString::from));
        // The arguments were right without the file.
        matches = root
            .clone()
            .try_get_matches_from(&arguments)
            .map_err(|error| wrong(error.render().to_string()))?;
    }
    let cli = Cli::from_arg_matches(&matches)?;
    let task = task(&cli.command)
        .map_err(|error| root.error(ErrorKind::ValueValidation, error.detail()))?;
    Ok(Invocation { task, log: cli.common.log_level })
}

fn task(command: &Subcommands) -> Result<Task, PagiError> {
    let config = match command {
        Subcommands::Gateway(command) => {
            Config::for_gateway(&command.process, &command.gateway, &command.proxy, &command.broker)
        }
        Subcommands::Broker(command) => Config::for_broker(&command.process, &command.broker),
        Subcommands::Router(RouterCommand::PublishTestEvent(arguments)) => {
            return Ok(Task::PublishTestEvent(arguments.clone()));
        }
        Subcommands::Router(RouterCommand::StartConsumer(arguments)) => {
            arguments.validate()?;
            return Ok(Task::StartConsumer(arguments.clone()));
        }
        Subcommands::Router(RouterCommand::Dlq(command)) => {
            return Ok(Task::Dlq(command.clone()));
        }
        Subcommands::Topics(command) => return Ok(Task::Topics(command.clone())),
        Subcommands::Groups(command) => return Ok(Task::Groups(command.clone())),
        Subcommands::Log(command) => return Ok(Task::Log(command.clone())),
    };
    Ok(Task::Serve(Box::new(config?)))
}

/// The help names the variables, and does not show what they hold.
fn without_env_values(command: Command) -> Command {
    command.mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(without_env_values)
}

fn deepest<'a>(
    mut command: &'a Command,
    mut matches: &'a ArgMatches,
) -> (&'a Command, &'a ArgMatches) {
    while let Some((name, inner)) = matches.subcommand()
        && let Some(subcommand) = command.find_subcommand(name)
    {
        (command, matches) = (subcommand, inner);
    }
    (command, matches)
}

fn read(path: &str) -> Result<String, String> {
    let optional = path.strip_prefix('-');
    let open = std::fs::File::open(Path::new(optional.unwrap_or(path)));
    let file = match open {
        Ok(file) => file,
        Err(error) if optional.is_some() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(String::new());
        }
        Err(error) => return Err(format!("it cannot be read: {error}")),
    };
    let mut text = String::new();
    match file.take(CONFIG_FILE_BYTES_MAX + 1).read_to_string(&mut text) {
        Err(error) => Err(format!("it cannot be read: {error}")),
        Ok(bytes) if u64::try_from(bytes).is_ok_and(|bytes| bytes > CONFIG_FILE_BYTES_MAX) => {
            Err(format!("it has more than {CONFIG_FILE_BYTES_MAX} bytes"))
        }
        Ok(_) => Ok(text),
    }
}

fn in_file(root: &Command, path: &str, why: &str) -> clap::Error {
    let why = why.trim_start_matches("error: ");
    root.clone().error(ErrorKind::ValueValidation, format!("in {path}: {why}"))
}
