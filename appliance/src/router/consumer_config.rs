//! What a consumer can be told, and what it tells at its end.
use std::time::Duration;

use pagi_protocol::{ErrorCode, PagiError, TopicName};

use crate::core::assign::group::{self, Counts, Member};
use crate::core::assign::{cooperative, range};
use crate::limits;

/// A consumer's configuration.
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    /// Where to ask for the cluster, as `host:port`; any that answers will do.
    pub brokers: Vec<String>,
    /// How the client names itself to the broker.
    pub client_id: String,
    /// The group under whose name offsets are committed.
    pub group_id: String,
    /// What to read.
    pub topics: Vec<TopicName>,
    /// Which partitions of these.
    pub assignment: Assignment,
    /// How the group's members share partitions.
    pub assignor: Assignor,
    /// The name of a static member (KIP-345), which keeps its partitions while it restarts.
    pub group_instance_id: Option<String>,
    /// After how long without a sign of life the group takes a member for dead.
    pub session_timeout: Duration,
    /// How long a member may take to give partitions up.
    pub rebalance_timeout: Duration,
    /// Where to start a partition for which the group has no offset.
    pub from: StartFrom,
    /// Where to go on when the group's offset is not there (any more).
    pub out_of_range: OutOfRange,
    /// Stop after so many events.
    pub events_max: Option<u64>,
    /// Stop when every partition was read to the end that it had at the start.
    pub exit_at_end: bool,
    /// How often offsets are committed.
    pub commit_interval: Duration,
    /// How often an event is tried before it becomes a dead letter.
    pub tries_max: u32,
    /// Where dead letters go; without it, to the topic of the event with `.dlq` behind its name.
    pub dead_letter_topic: Option<TopicName>,
    /// How long the first contact with a broker may take; without it, it is tried for ever.
    pub connect_timeout: Option<Duration>,
    /// The largest message accepted from a broker, in bytes.
    pub message_bytes_max: usize,
}

/// Which partitions a consumer reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Assignment {
    /// Those that its group gives it: the members of a group share the partitions.
    #[default]
    Group,
    /// All; it is alone in its group.
    All,
    /// These, by topic and partition; nobody else of its group reads them.
    Partitions(Vec<(TopicName, i32)>),
}

/// How members share partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Assignor {
    /// A share of each topic; all members stop while they share anew. Every client knows it.
    #[default]
    Range,
    /// Members keep what they have as far as that is fair, and go on reading it meanwhile.
    CooperativeSticky,
}

impl Assignor {
    /// What clients call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Range => range::NAME,
            Self::CooperativeSticky => cooperative::NAME,
        }
    }

    /// Whether members give up everything before partitions are shared anew.
    pub(super) const fn is_eager(self) -> bool {
        matches!(self, Self::Range)
    }

    /// Everybody's partitions.
    pub(super) fn assign(self, members: &[Member], counts: &Counts) -> group::Assignment {
        match self {
            Self::Range => range::assign(members, counts),
            Self::CooperativeSticky => cooperative::assign(members, counts),
        }
    }
}

/// Where to start a partition for which the group has no offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum StartFrom {
    /// With the oldest event there is.
    #[default]
    Earliest,
    /// With the next event to come.
    Latest,
}

/// Where to go on when the group's offset is not there (any more): the events were deleted, or
/// the topic was made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum OutOfRange {
    /// With the oldest event there is.
    #[default]
    Earliest,
    /// With the next event to come.
    Latest,
    /// Nowhere: stop with an error.
    Fail,
}

impl ConsumerConfig {
    /// A configuration with defaults for all but these.
    #[must_use]
    pub fn new(brokers: Vec<String>, group_id: String, topics: Vec<TopicName>) -> Self {
        Self {
            brokers,
            client_id: "pagi-router".to_owned(),
            group_id,
            topics,
            assignment: Assignment::default(),
            assignor: Assignor::default(),
            group_instance_id: None,
            session_timeout: limits::SESSION_TIMEOUT,
            rebalance_timeout: limits::REBALANCE_TIMEOUT,
            from: StartFrom::default(),
            out_of_range: OutOfRange::default(),
            events_max: None,
            exit_at_end: false,
            commit_interval: limits::COMMIT_INTERVAL,
            tries_max: limits::HANDLER_TRIES_MAX,
            dead_letter_topic: None,
            connect_timeout: None,
            message_bytes_max: limits::BROKER_MESSAGE_BYTES_MAX,
        }
    }

    /// Whether a consumer can run with it.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidConfig`], saying what is wrong.
    pub fn validate(&self) -> Result<(), PagiError> {
        let wrong = if self.brokers.is_empty() {
            "no broker is given; say where one is, as host:port"
        } else if self.topics.is_empty() {
            "no topic is given; name at least one"
        } else if self.group_id.is_empty() {
            "the group has no name; offsets are committed under it"
        } else if self.dead_letter_topic.as_ref().is_some_and(|topic| self.topics.contains(topic)) {
            "dead letters would come back at once; name another topic for them than those to read"
        } else {
            return Ok(());
        };
        Err(PagiError::new(ErrorCode::InvalidConfig, wrong))
    }
}

/// What a consumer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Events that are done, and committed.
    pub events: u64,
    /// How many of them became dead letters.
    pub dead_letters: u64,
    /// Why it ended.
    pub ended: Ended,
}

/// Why a consumer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Requested,
    /// It has handled as many events as it should.
    EventsMax,
    /// It has read everything that was there at the start.
    AtEnd,
    /// Nobody reads its output any more.
    OutputClosed,
}
