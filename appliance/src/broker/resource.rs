//! What settings belong to, as clients name it, and how settings are shown.
//!
//! **References.** KIP-133 (describing and altering), KIP-226 (where a value comes from).
use std::sync::Arc;

use pagi_protocol::kafka::error_code::KafkaCode;

use super::config::Config;
use super::context::{Context, NODE_ID};
use super::store::view::Topic;
use crate::core::log::settings::{Kind, SETTINGS, SettingError, TopicSettings};
use crate::limits::{
    FRAME_BYTES_MAX, GROUP_OFFSETS_KEPT_MS, KAFKA_CONNECTIONS_MAX, KAFKA_IDLE_MAX,
};

/// Kafka's number for a topic.
pub const TOPIC: i8 = 2;
/// Kafka's number for a broker.
pub const BROKER: i8 = 4;

/// A refusal, in a code and in words.
pub type Refused = (KafkaCode, String);

/// Where a value comes from, with Kafka's number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It was set for the topic.
    Topic = 1,
    /// It was set when the broker was started.
    StaticBroker = 4,
    /// Nobody has set it.
    Default = 5,
}

/// A setting as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its name.
    pub name: &'static str,
    /// What holds.
    pub value: String,
    /// Where that comes from.
    pub source: Source,
    /// Its type.
    pub kind: i8,
    /// What it does.
    pub documentation: &'static str,
    /// What would hold if nobody had set it here, and the name of that setting, where it has one.
    pub default: String,
    /// See `default`.
    pub default_name: Option<&'static str>,
    /// Whether it cannot be changed through Kafka.
    pub read_only: bool,
}

/// What a topic's settings are.
#[must_use]
pub fn of_topic(settings: &TopicSettings, config: &Config) -> Vec<Shown> {
    let shown = SETTINGS.iter().map(|setting| {
        let default = match setting.name {
            "max.message.bytes" => config.message_bytes_max.to_string(),
            _ => setting.default_text(),
        };
        let explicit = settings.explicit(setting.name);
        Shown {
            name: setting.name,
            value: explicit.map_or_else(|| default.clone(), str::to_owned),
            source: explicit.map_or(Source::Default, |_| Source::Topic),
            kind: setting.kind as i8,
            documentation: setting.documentation,
            default,
            default_name: setting.broker_name,
            read_only: false,
        }
    });
    shown.collect()
}

/// What the broker's settings are: those of Kafka's names that hold here.
#[must_use]
pub fn of_broker(config: &Config) -> Vec<Shown> {
    const BOOLEAN: i8 = 1;
    let (int, long, string) = (Kind::Int as i8, Kind::Long as i8, Kind::String as i8);
    let kept_minutes = GROUP_OFFSETS_KEPT_MS / 60_000;
    let data_dir = config.data_dir.display().to_string();
    let rows = [
        (
            "auto.create.topics.enable",
            config.auto_create_topics.to_string(),
            BOOLEAN,
            "Whether a topic is made when a client first asks for it.",
        ),
        ("broker.id", NODE_ID.to_string(), int, "The number of this broker."),
        (
            "connections.max.idle.ms",
            KAFKA_IDLE_MAX.as_millis().to_string(),
            long,
            "How long a connection may be silent, in milliseconds.",
        ),
        ("default.replication.factor", "1".to_owned(), int, "There is one broker."),
        ("log.dirs", data_dir, string, "The data folder."),
        ("max.connections", KAFKA_CONNECTIONS_MAX.to_string(), int, "Connections at a time."),
        (
            "message.max.bytes",
            config.message_bytes_max.to_string(),
            int,
            "The largest record batch of topics that do not say, in bytes.",
        ),
        ("node.id", NODE_ID.to_string(), int, "The number of this broker."),
        (
            "num.partitions",
            config.default_partitions.to_string(),
            int,
            "Partitions of topics whose makers do not say.",
        ),
        (
            "offsets.retention.minutes",
            kept_minutes.to_string(),
            int,
            "How long a group's progress is kept when it has no members.",
        ),
        (
            "socket.request.max.bytes",
            FRAME_BYTES_MAX.to_string(),
            int,
            "The largest request, in bytes.",
        ),
    ];
    let shown = rows.into_iter().map(|(name, value, kind, documentation)| Shown {
        name,
        default: value.clone(),
        value,
        default_name: None,
        source: Source::StaticBroker,
        kind,
        documentation,
        read_only: true,
    });
    shown.collect()
}

/// The topic whose settings are to be changed.
///
/// # Errors
/// For a topic that is not there, and for anything but a topic.
pub fn alterable(context: &Context, kind: i8, name: &str) -> Result<Arc<Topic>, Refused> {
    match kind {
        TOPIC => topic(context, name),
        BROKER => Err((
            KafkaCode::InvalidRequest,
            "The broker's settings are those it was started with: change them there".to_owned(),
        )),
        kind => Err(unknown(kind)),
    }
}

/// The topic of this name.
///
/// # Errors
/// When it is not there.
pub fn topic(context: &Context, name: &str) -> Result<Arc<Topic>, Refused> {
    let missing =
        || (KafkaCode::UnknownTopicOrPartition, format!("The topic '{name}' does not exist."));
    context.topic(name).ok_or_else(missing)
}

/// For a kind of resource that has no settings here.
#[must_use]
pub fn unknown(kind: i8) -> Refused {
    (KafkaCode::InvalidRequest, format!("Resources of type {kind} have no settings here."))
}

/// For a setting that cannot be.
#[must_use]
pub fn invalid(error: &SettingError) -> Refused {
    (KafkaCode::InvalidConfig, error.to_string())
}

/// A result as it goes on the wire: no error has no words.
#[must_use]
pub fn told(result: Result<(), Refused>) -> (i16, Option<String>) {
    match result {
        Ok(()) => (KafkaCode::None.number(), None),
        Err((code, words)) => (code.number(), Some(words)),
    }
}
