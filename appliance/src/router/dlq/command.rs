//! The commands about dead letters.
use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::ops::ControlFlow;

use clap::{Args, Subcommand};
use pagi_protocol::{ErrorCode, PagiError};
use prometheus_client::registry::Registry;

use super::places::{CLIENT_ID, GROUP, Places};
use super::redrive::Redrive;
use super::{reader, table};
use crate::limits::{
    COMMAND_CONNECT_TIMEOUT, COMMAND_DELIVERY_TIMEOUT, PUBLISH_QUEUE_BYTES_MAX,
    REDRIVE_COMMIT_INTERVAL,
};
use crate::router::config::Config;
use crate::router::consumer;
use crate::router::consumer_config::{ConsumerConfig, Summary};
use crate::router::event::Event;
use crate::router::event_router::PagiEventRouter;
use crate::router::group_client::GroupClient;
use crate::router::json_line;
use crate::shutdown::Shutdown;

/// Look at dead letters, and send them back to where they came from.
#[derive(Debug, Clone, Subcommand)]
pub enum DlqCommand {
    /// List the dead letters that were not sent back yet, one a line
    #[command(after_help = "\
Examples:
  pagi-appliance router dlq list --topics twin.events
  pagi-appliance router dlq list --topics twin.events --all
  pagi-appliance router dlq list --dlq-topic my-dead-letters --brokers kafka-1:9092")]
    List(List),
    /// Print dead letters whole, each as a line of JSON
    #[command(after_help = "\
Examples:
  pagi-appliance router dlq show --topics twin.events
  pagi-appliance router dlq show --topics twin.events --at 0:42 | jq -r .payload

The lines are those of start-consumer; the headers pagi_dlq_* tell the story of each.")]
    Show(Show),
    /// Send dead letters back to the topics they came from, each once
    #[command(after_help = "\
Examples:
  pagi-appliance router dlq redrive --topics twin.events --max-events 1
  pagi-appliance router dlq redrive --topics twin.events

Each dead letter that was there at the start is published to the topic it came from, with its key,
payload and headers, without the headers pagi_dlq_*, and behind what is there. It stays among the
dead letters. How far it got is committed under the group pagi-dlq-redrive, so that the next time goes
on behind that, and two at a time share the work; a crash in between sends the last few again.")]
    Redrive(RedriveArgs),
}

/// Which dead letters to list.
#[derive(Debug, Clone, Args)]
pub struct List {
    #[command(flatten)]
    pub places: Places,

    /// Also those that were sent back
    #[arg(long)]
    pub all: bool,
}

/// Which dead letters to show.
#[derive(Debug, Clone, Args)]
pub struct Show {
    #[command(flatten)]
    pub places: Places,

    /// Only the one at this partition and offset of the topic with dead letters
    #[arg(long, value_name = "PARTITION:OFFSET", value_parser = place)]
    pub at: Option<(i32, i64)>,
}

/// Which dead letters to send back.
#[derive(Debug, Clone, Args)]
pub struct RedriveArgs {
    #[command(flatten)]
    pub places: Places,

    /// Stop after so many
    #[arg(long, value_name = "N")]
    pub max_events: Option<u64>,
}

impl DlqCommand {
    /// Does it.
    ///
    /// # Errors
    /// As [`consumer::run`]; [`ErrorCode::Rejected`] when `show` finds nothing at the place.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), PagiError> {
        match self {
            Self::List(list) => list.run().await,
            Self::Show(show) => show.run().await,
            Self::Redrive(redrive) => redrive.run(shutdown).await,
        }
    }
}

impl List {
    async fn run(self) -> Result<(), PagiError> {
        let (cluster, graves) = self.places.open().await?;
        let ids: Vec<_> = graves.iter().flat_map(|t| reader::partitions(&cluster, t)).collect();
        let mut sent_back = BTreeMap::new();
        if !ids.is_empty() {
            let brokers = &self.places.brokers.brokers;
            let mut group = GroupClient::new(brokers, CLIENT_ID, GROUP);
            sent_back = group.committed(&ids).await?;
        }
        let mut out = Output::new();
        let _ = out.line(table::head().as_bytes());
        let (mut listed, mut hidden) = (0_u64, 0_u64);
        for id in ids {
            let waits_from = sent_back.get(&id).map_or(0, |position| position.offset);
            reader::read(&cluster, id, |letter| {
                if letter.offset < waits_from && !self.all {
                    hidden += 1;
                    return ControlFlow::Continue(());
                }
                listed += 1;
                out.line(table::line(&letter).as_bytes())
            })
            .await?;
        }
        out.end()?;
        tracing::info!(listed, sent_back_and_not_listed = hidden, "dead letters");
        Ok(())
    }
}

impl Show {
    async fn run(self) -> Result<(), PagiError> {
        let (cluster, graves) = self.places.open().await?;
        let mut out = Output::new();
        let wanted =
            |letter: &Event| self.at.is_none_or(|at| at == (letter.partition, letter.offset));
        let mut shown = 0_u64;
        for id in graves.iter().flat_map(|topic| reader::partitions(&cluster, topic)) {
            if self.at.is_some_and(|(partition, _)| partition != id.partition) {
                continue;
            }
            reader::read(&cluster, id, |letter| {
                if !wanted(&letter) {
                    return ControlFlow::Continue(());
                }
                shown += 1;
                let mut line = Vec::new();
                json_line::append(&mut line, &letter);
                out.line(line.trim_ascii_end())
            })
            .await?;
        }
        out.end()?;
        match (self.at, shown) {
            (Some((partition, offset)), 0) => {
                let detail = format!("there is no dead letter at {partition}:{offset}");
                Err(PagiError::new(ErrorCode::Rejected, detail))
            }
            _ => Ok(()),
        }
    }
}

impl RedriveArgs {
    async fn run(self, shutdown: Shutdown) -> Result<(), PagiError> {
        let (_, graves) = self.places.open().await?;
        if graves.is_empty() {
            return Ok(());
        }
        let brokers = self.places.brokers.brokers.clone();
        let config = Config {
            brokers: brokers.clone(),
            client_id: CLIENT_ID.to_owned(),
            delivery_timeout: COMMAND_DELIVERY_TIMEOUT,
            // It was stored once: whether it fits is for the broker to say.
            record_bytes_max: PUBLISH_QUEUE_BYTES_MAX,
            ..Config::default()
        };
        let router = PagiEventRouter::new(config, &mut Registry::default());
        let config = ConsumerConfig {
            client_id: CLIENT_ID.to_owned(),
            events_max: self.max_events,
            exit_at_end: true,
            commit_interval: REDRIVE_COMMIT_INTERVAL,
            connect_timeout: Some(COMMAND_CONNECT_TIMEOUT),
            ..ConsumerConfig::new(brokers, GROUP.to_owned(), graves)
        };
        let summary = consumer::run(config, Redrive { router }, shutdown).await;
        let Summary { events, .. } = summary.map_err(|e| self.places.brokers.explain(e))?;
        tracing::info!(events, "dead letters were sent back");
        Ok(())
    }
}

/// Standard output, whose reader may go away early.
struct Output {
    to: BufWriter<std::io::Stdout>,
    result: std::io::Result<()>,
}

impl Output {
    fn new() -> Self {
        Self { to: BufWriter::new(std::io::stdout()), result: Ok(()) }
    }

    fn line(&mut self, line: &[u8]) -> ControlFlow<()> {
        if self.result.is_ok() {
            self.result = self.to.write_all(line).and_then(|()| self.to.write_all(b"\n"));
        }
        if self.result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn end(mut self) -> Result<(), PagiError> {
        match self.result.and_then(|()| self.to.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(PagiError::new(ErrorCode::Internal, format!("cannot print: {error}")))
            }
            _ => Ok(()),
        }
    }
}

fn place(text: &str) -> Result<(i32, i64), String> {
    let place = text
        .split_once(':')
        .and_then(|(partition, offset)| Some((partition.parse().ok()?, offset.parse().ok()?)));
    place.ok_or_else(|| "it must be PARTITION:OFFSET, as in 0:42".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        command: DlqCommand,
    }

    fn graves(arguments: &[&str]) -> Option<Vec<String>> {
        let arguments = [&["dlq", "list"], arguments].concat();
        let DlqCommand::List(list) = Cli::try_parse_from(arguments).ok()?.command else {
            panic!("another command")
        };
        Some(list.places.graves().unwrap().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn dead_letters_are_in_topics_of_their_own() {
        assert_eq!(graves(&["--topics", "a,b"]).unwrap(), ["a.dlq", "b.dlq"]);
        assert_eq!(graves(&["--dlq-topic", "graves"]).unwrap(), ["graves"]);
        assert_eq!(graves(&[]), None);
        assert_eq!(graves(&["--topics", "a", "--dlq-topic", "b"]), None);
    }

    #[test]
    fn a_place_is_a_partition_and_an_offset() {
        assert_eq!(place("3:42"), Ok((3, 42)));
        for wrong in ["3", "3:", ":1", "a:1", "3:x"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}
