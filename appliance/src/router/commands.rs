//! The router's commands: publish one event to try things, and consume topics.
use std::io::{Read, Write};

use bytes::Bytes;
use clap::Args;
use pagi_protocol::http::PublishReceipt;
use pagi_protocol::{ErrorCode, PagiBaseEvent, PagiError, TopicName};
use prometheus_client::registry::Registry;

use super::config::Config;
use super::consumer;
use super::consumer_config::{ConsumerConfig, Ended, OutOfRange, StartFrom, Summary};
use super::event_router::PagiEventRouter;
use super::exec_handler::ExecHandler;
use super::log_handler::LogHandler;
use super::record::OutgoingRecord;
use super::sharing::Sharing;
use super::sync::now_ms;
use super::webhook_args::WebhookArgs;
use crate::limits::{
    COMMAND_CONNECT_TIMEOUT, COMMAND_DELIVERY_TIMEOUT, HANDLER_TRIES_MAX, RECORD_BYTES_MAX,
};
use crate::shutdown::Shutdown;

/// Publish one event, and print its receipt as a line of JSON.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  pagi-appliance router publish-test-event --topic twin.events --key twin-1
  pagi-appliance router publish-test-event --topic twin.events --key twin-1 --data '{\"n\":1}'
  pagi-appliance router publish-test-event --topic twin.events --data @event.json
  date | jq -R . | pagi-appliance router publish-test-event --topic twin.events --data -

The event travels in binary mode: the payload is the record's value, the attributes are its
ce_* headers. Exit code 0 means that the broker has acknowledged it.")]
pub struct PublishTestEvent {
    /// The topic to publish to; most brokers create it if it is not there
    #[arg(long)]
    pub topic: String,

    /// The key: events with one key keep their order. Without one, any partition will do
    #[arg(long)]
    pub key: Option<String>,

    /// The payload as JSON: itself, @FILE, or - for standard input. Default: a sample
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    pub data: Option<String>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the words would become help text")]
    pub brokers: Brokers,
}

/// Read topics, print each event or give it to a program or a webhook, and commit what was handled.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  pagi-appliance router start-consumer --topics twin.events
  pagi-appliance router start-consumer --topics a,b --group my-group --from latest
  pagi-appliance router start-consumer --topics a --exit-at-end | jq -r .payload
  pagi-appliance router start-consumer --topics a --handler exec --exec ./handle.py
  pagi-appliance router start-consumer --topics a --handler exec \\
    --exec 'while read -r line; do echo \"$line\" >> events; echo \"$line\"; done'
  pagi-appliance router start-consumer --topics a --handler webhook \\
    --webhook-url http://127.0.0.1:3000/events --concurrency 8

Each line has topic, partition, offset, timestamp, key, headers and payload. Key and payload are
strings with exactly the bytes of the record; what is not UTF-8 stands under key_base64 and
payload_base64. The next start with the same group goes on where this one was committed: every
event is printed at least once, and the last few again after a crash. A group is for one consumer
at a time in this version.

With --handler exec the lines go to a program's standard input, and an event counts as handled when
the program gives its line back, unchanged, on standard output; anything else there is an error.
Standard error is free for messages. A program that dies, or takes more than 60 s for an event, is
started again and goes on with the first event that it did not give back. A program that cannot be
run at all (exit code 126 or 127) stops the consumer with exit code 1. When its standard input ends
there are no more events, and it should end.

With --handler webhook each event is posted as a CloudEvent. Any status 2xx means that it is
handled; 408, 425, 429, 5xx, redirections, no answer within 30 s and no connection mean that it is
tried again, with growing waits and no sooner than Retry-After says; any other 4xx makes it a dead
letter at once. Events with one key are posted in order, one after the other; those without a key
have no order. With --webhook-secret-file requests carry the headers of standardwebhooks.com.

An event at which the handler fails --max-tries times becomes a dead letter: it is published to
TOPIC.dlq, or to --dlq-topic, with its key, payload and headers, and with headers that tell why
(pagi_dlq_reason), when, after how many tries, and from which topic, partition and offset. Its own
offset is committed only after that is durable, and the events behind it are handled.")]
pub struct StartConsumer {
    /// The topics to read, all partitions of each; those that do not exist yet are waited for
    #[arg(long, value_delimiter = ',', required = true, value_name = "TOPIC,...")]
    pub topics: Vec<String>,

    /// The group under whose name the offsets are committed
    #[arg(long, default_value = "pagi-router")]
    pub group: String,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the words would become help text")]
    pub sharing: Sharing,

    /// Where to start a partition for which the group has no offset
    #[arg(long, value_enum, default_value_t)]
    pub from: StartFrom,

    /// Where to go on when the group's offset is not there (any more)
    #[arg(long, value_enum, default_value_t)]
    pub out_of_range: OutOfRange,

    /// What to do with each event
    #[arg(long, value_enum, default_value_t)]
    pub handler: HandlerKind,

    /// The program of --handler exec, as a command line for /bin/sh
    #[arg(long, value_name = "COMMAND", required_if_eq("handler", "exec"))]
    pub exec: Option<String>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the words would become help text")]
    pub webhook: WebhookArgs,

    /// How often an event is tried before it becomes a dead letter
    #[arg(long, value_name = "N", default_value_t = HANDLER_TRIES_MAX,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tries: u32,

    /// The topic for dead letters. Default: the event's topic with .dlq behind its name
    #[arg(long, value_name = "TOPIC")]
    pub dlq_topic: Option<String>,

    /// Stop after so many events
    #[arg(long, value_name = "N")]
    pub max_events: Option<u64>,

    /// Stop when everything has been read that was there at the start
    #[arg(long)]
    pub exit_at_end: bool,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the words would become help text")]
    pub brokers: Brokers,
}

/// What to do with each event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum HandlerKind {
    /// Print it as a line of JSON.
    #[default]
    Log,
    /// Give it to a program, which gives it back when it is done.
    Exec,
    /// Post it to an HTTP endpoint.
    Webhook,
}

impl StartConsumer {
    /// Whether the arguments go together.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidConfig`], saying what would have no effect or cannot work.
    pub fn validate(&self) -> Result<(), PagiError> {
        self.sharing.assignment()?;
        let detail = if self.exec.is_some() && self.handler != HandlerKind::Exec {
            "--exec has no effect without --handler exec"
        } else if !self.webhook.are_absent() && self.handler != HandlerKind::Webhook {
            "--webhook-… and --concurrency have no effect without --handler webhook"
        } else {
            return self.webhook.url().map(drop);
        };
        Err(PagiError::new(ErrorCode::InvalidConfig, detail))
    }
}

/// Where the cluster is.
#[derive(Debug, Clone, Args)]
pub struct Brokers {
    /// Where to find a broker; of several, any that answers will do
    #[arg(
        long,
        env = "PAGI_BROKERS",
        value_delimiter = ',',
        default_value = "127.0.0.1:9092",
        value_name = "HOST:PORT,..."
    )]
    pub brokers: Vec<String>,
}

/// Publishes one event, and prints its receipt on standard output.
///
/// # Errors
/// As [`PagiEventRouter::publish`], and [`ErrorCode::InvalidEvent`] when the data is not JSON.
pub async fn publish_test_event(args: PublishTestEvent) -> Result<(), PagiError> {
    let topic = TopicName::parse(&args.topic)?;
    let mut event = PagiBaseEvent::sample();
    if let Some(data) = &args.data {
        event = event.with_data(json(data)?);
    }
    let message = event.to_kafka();
    let record = OutgoingRecord {
        key: args.key.map(Bytes::from),
        value: message.value,
        headers: message.headers,
        timestamp_ms: now_ms(),
    };
    let config = Config {
        brokers: args.brokers.brokers.clone(),
        delivery_timeout: COMMAND_DELIVERY_TIMEOUT,
        ..Config::default()
    };
    let router = PagiEventRouter::new(config, &mut Registry::default());
    let receipt = router.publish(&topic, record).await.map_err(|e| args.brokers.explain(e))?;
    let receipt = PublishReceipt {
        id: event.id().to_owned(),
        topic: receipt.topic.as_str().to_owned(),
        partition: receipt.partition,
        offset: receipt.offset,
    };
    let line = serde_json::to_string(&receipt).map_err(|error| io("print the receipt", &error))?;
    writeln!(std::io::stdout(), "{line}").map_err(|error| io("print the receipt", &error))
}

/// Consumes until it is asked to stop, or until the end that was asked for.
///
/// # Errors
/// As [`consumer::run`].
pub async fn start_consumer(args: StartConsumer, shutdown: Shutdown) -> Result<(), PagiError> {
    let topics = args.topics.iter().map(|topic| TopicName::parse(topic));
    let topics = topics.collect::<Result<Vec<_>, _>>()?;
    let dead_letter_topic = args.dlq_topic.map(|topic| TopicName::parse(&topic)).transpose()?;
    let config = ConsumerConfig {
        assignment: args.sharing.assignment()?,
        assignor: args.sharing.assignor,
        group_instance_id: args.sharing.group_instance_id,
        session_timeout: args.sharing.session_timeout.0,
        from: args.from,
        out_of_range: args.out_of_range,
        events_max: args.max_events,
        exit_at_end: args.exit_at_end,
        tries_max: args.max_tries,
        dead_letter_topic,
        connect_timeout: Some(COMMAND_CONNECT_TIMEOUT),
        ..ConsumerConfig::new(args.brokers.brokers.clone(), args.group, topics)
    };
    let summary = match args.handler {
        HandlerKind::Log => {
            let handler = LogHandler::stdout().map_err(|error| io("start", &error))?;
            consumer::run(config, handler, shutdown).await
        }
        HandlerKind::Exec => {
            let handler = ExecHandler::new(args.exec.unwrap_or_default());
            consumer::run(config, handler, shutdown).await
        }
        HandlerKind::Webhook => {
            consumer::run_by_key(config, args.webhook.handlers()?, shutdown).await
        }
    };
    let summary = summary.map_err(|error| args.brokers.explain(error))?;
    let why = match summary.ended {
        Ended::Requested => "asked to stop",
        Ended::EventsMax => "read as many events as asked for",
        Ended::AtEnd => "read to the end",
        Ended::OutputClosed => "the output was closed",
    };
    let Summary { events, dead_letters, .. } = summary;
    tracing::info!(events, dead_letters, why, "consumer ended, its offsets are committed");
    Ok(())
}

impl Brokers {
    /// Adds what to try, where a broker could not be reached.
    pub(super) fn explain(&self, error: PagiError) -> PagiError {
        if error.code() != ErrorCode::BrokerUnavailable {
            return error;
        }
        let detail = format!(
            "{}. Is a broker running at {}? Start one with `pagi-appliance broker`, or say where \
             one is with --brokers HOST:PORT",
            error.detail(),
            self.brokers.join(",")
        );
        PagiError::new(error.code(), detail)
    }
}

/// The payload that `--data` means, which must be JSON.
fn json(data: &str) -> Result<Bytes, PagiError> {
    let bytes = match (data, data.strip_prefix('@')) {
        ("-", _) => read(std::io::stdin(), "standard input")?,
        (_, Some(path)) => {
            let file = std::fs::File::open(path).map_err(|error| {
                PagiError::new(ErrorCode::InvalidParameter, format!("cannot open {path}: {error}"))
            })?;
            read(file, path)?
        }
        (text, None) => text.as_bytes().to_vec(),
    };
    match serde_json::from_slice::<serde::de::IgnoredAny>(&bytes) {
        Ok(_) => Ok(Bytes::from(bytes)),
        Err(error) => {
            let detail = format!("--data is not JSON: {error}");
            Err(PagiError::new(ErrorCode::InvalidEvent, detail))
        }
    }
}

/// Reads no more than a byte above what a record may have.
fn read(source: impl Read, name: &str) -> Result<Vec<u8>, PagiError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(RECORD_BYTES_MAX).unwrap_or(u64::MAX);
    let read = source.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|error| {
        PagiError::new(ErrorCode::InvalidParameter, format!("cannot read {name}: {error}"))
    })?;
    if bytes.len() > RECORD_BYTES_MAX {
        let detail = format!("{name} has more than {RECORD_BYTES_MAX} bytes");
        return Err(PagiError::new(ErrorCode::PayloadTooLarge, detail));
    }
    Ok(bytes)
}

fn io(what: &str, error: &dyn std::fmt::Display) -> PagiError {
    PagiError::new(ErrorCode::Internal, format!("cannot {what}: {error}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    enum Cli {
        PublishTestEvent(PublishTestEvent),
        StartConsumer(StartConsumer),
    }

    #[test]
    fn data_is_json_from_an_argument_or_a_file() {
        assert_eq!(json("{\"a\":1}").unwrap(), "{\"a\":1}");
        assert_eq!(json("{a}").unwrap_err().code(), ErrorCode::InvalidEvent);
        assert_eq!(json("@/does/not/exist").unwrap_err().code(), ErrorCode::InvalidParameter);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[1, 2]").unwrap();
        assert_eq!(json(&format!("@{}", file.path().display())).unwrap(), "[1, 2]");
    }

    #[test]
    fn too_much_data_is_refused_while_reading() {
        let endless = std::io::repeat(b'1');
        assert_eq!(read(endless, "it").unwrap_err().code(), ErrorCode::PayloadTooLarge);
    }

    #[test]
    fn arguments_have_the_defaults_that_the_help_tells() {
        let Cli::StartConsumer(args) =
            Cli::try_parse_from(["x", "start-consumer", "--topics", "a,b"]).unwrap()
        else {
            panic!("another command")
        };
        assert_eq!(args.topics, ["a", "b"]);
        assert_eq!((args.group.as_str(), args.from), ("pagi-router", StartFrom::Earliest));
        assert!(Cli::try_parse_from(["x", "start-consumer"]).is_err(), "no topics");
        let Cli::PublishTestEvent(args) =
            Cli::try_parse_from(["x", "publish-test-event", "--topic", "t", "--data", "-1"])
                .unwrap()
        else {
            panic!("another command")
        };
        assert_eq!(args.data.as_deref(), Some("-1"));
    }
}
