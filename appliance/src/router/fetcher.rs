//! The task of one partition that is read: fetches, in order and without end.
//!
//! **Invariants.** Events are sent in the order of their offsets, each once. No offset is passed
//! over unless there is no event at it: a gap is told ([`Fetched::SkippedTo`]), a jump is told and
//! logged ([`Fetched::Restarted`]), and what cannot be read is an error, never a skip. A topic is
//! not created by reading it.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pagi_protocol::kafka::record::Record as RawRecord;
use pagi_protocol::{ErrorCode, PagiError};
use rskafka::client::error::ProtocolError;
use rskafka::client::partition::{OffsetAt, PartitionClient};
use rskafka::record::RecordAndOffset;
use tokio::sync::mpsc;

use super::cluster::{Cluster, bounded_kafka};
use super::consumer_config::OutOfRange;
use super::event::Event;
use super::raw_fetch::Found;
use super::sync::random;
use super::topic_partition::TopicPartition;
use super::verdict::CallError;
use crate::core::retry::Backoff;
use crate::limits::{BROKER_CALL_TIMEOUT, FETCH_WAIT, FETCH_WAIT_MS, RETRY_FIRST, RETRY_MAX};

/// Where a partition is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// From what the group has committed.
    Committed(i64),
    /// From the oldest event.
    Earliest,
    /// From the next event to come.
    Latest,
}

/// What was fetched.
#[derive(Debug)]
pub(super) enum Fetched {
    /// Reading starts at `start`, which the group has `committed` or not. `end` is where the partition ended then.
    Started { start: i64, committed: bool, end: i64 },
    /// Events, in the order of their offsets; never empty.
    Events(Vec<Event>),
    /// There is no event before this offset that was not sent.
    SkippedTo(i64),
    /// There was nothing at the old place: reading goes on here.
    Restarted(i64),
    /// Reading cannot go on.
    Failed(PagiError),
}

/// Of which partition something was read, by which of all fetchers, and what.
pub(super) type Read = (TopicPartition, u64, Fetched);

/// What the task of one partition works with.
pub(super) struct Fetcher {
    pub(super) id: TopicPartition,
    /// Which of all the fetchers there were.
    pub(super) number: u64,
    pub(super) cluster: Arc<Cluster>,
    pub(super) start: Start,
    pub(super) out_of_range: OutOfRange,
    pub(super) bytes_max: i32,
    pub(super) out: mpsc::Sender<Read>,
}

/// Where reading goes on.
struct Position {
    next: i64,
    /// For so many fetches, only one batch each.
    narrow: u32,
}

/// The bytes to ask for to get one batch: a broker gives the first one whole.
const FIRST_BATCH_ONLY: i32 = 2;
/// Fetches of one batch each after a fetch that could not be read.
const NARROW_FETCHES: u32 = 16;

/// Why a fetch did not succeed.
enum Trouble {
    /// The broker could not be asked; it will be tried again.
    Call(CallError),
    /// Nobody listens any more.
    Unheard,
    /// It cannot go on.
    Failed(PagiError),
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl Fetcher {
    /// Fetches until nobody listens any more, or until it cannot go on.
    pub(super) async fn run(self) {
        let mut health = Health::new();
        let mut position = None;
        loop {
            match self.session(&mut position, &mut health).await {
                Trouble::Unheard => return,
                Trouble::Failed(error) => {
                    let _ = self.send(Fetched::Failed(error)).await;
                    return;
                }
                Trouble::Call(error) => {
                    let wait = health.failed(&self.id, &error);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Opens a connection and fetches over it until there is trouble.
    async fn session(&self, position: &mut Option<Position>, health: &mut Health) -> Trouble {
        let client = match self.open().await {
            Ok(client) => client,
            Err(error) => return error.into(),
        };
        loop {
            let stepped = match position {
                None => self.begin(&client).await.map(|start| *position = Some(start)),
                Some(position) => self.step(&client, position).await,
            };
            match stepped {
                Ok(()) => health.succeeded(&self.id),
                Err(trouble) => return trouble,
            }
        }
    }

    /// Connects to the partition's leader, but only if the partition is there: asking for one
    /// that is not would make some brokers create its topic.
    async fn open(&self) -> Result<PartitionClient, CallError> {
        let TopicPartition { topic, partition } = &self.id;
        self.cluster.refresh(BROKER_CALL_TIMEOUT).await?;
        let count = self.cluster.partition_count(topic.as_str()).map_or(0, u32::from);
        if u32::try_from(*partition).map_or(true, |index| index >= count) {
            return Err(CallError::Told("the partition does not exist".to_owned()));
        }
        self.cluster.open(topic.as_str(), *partition, BROKER_CALL_TIMEOUT).await
    }

    /// Finds out where to start, and tells it.
    async fn begin(&self, client: &PartitionClient) -> Result<Position, Trouble> {
        let end = offset(client, OffsetAt::Latest).await?;
        let (start, committed) = match self.start {
            // Nothing would ever be fetched from behind the end, nor be said about it.
            Start::Committed(next) if next > end => match self.elsewhere(client, next).await? {
                Some(start) => (start, false),
                None => (next, true),
            },
            Start::Committed(next) => (next, true),
            Start::Earliest => (offset(client, OffsetAt::Earliest).await?, false),
            Start::Latest => (end, false),
        };
        self.send(Fetched::Started { start, committed, end }).await?;
        Ok(Position { next: start, narrow: 0 })
    }

    /// One fetch.
    async fn step(&self, client: &PartitionClient, at: &mut Position) -> Result<(), Trouble> {
        let bytes_max = if at.narrow > 0 { FIRST_BATCH_ONLY } else { self.bytes_max };
        let fetch = client.fetch_records(at.next, 1..bytes_max, FETCH_WAIT_MS);
        match bounded_kafka(FETCH_WAIT + BROKER_CALL_TIMEOUT, fetch).await {
            Ok((records, high_watermark)) => {
                let events: Vec<_> = records.into_iter().map(|r| self.event(r)).collect();
                match events.last() {
                    Some(last) => at.next = last.offset + 1,
                    None if high_watermark > at.next => return self.look(client, at, None).await,
                    None => return Ok(()),
                }
                at.narrow = at.narrow.saturating_sub(1);
                self.send(Fetched::Events(events)).await
            }
            Err(error) if error.code() == Some(ProtocolError::OffsetOutOfRange) => {
                let to = self.elsewhere(client, at.next).await?.ok_or(Trouble::Call(error))?;
                at.next = to;
                self.send(Fetched::Restarted(to)).await
            }
            Err(error) if error.is_undecodable() && at.narrow == 0 => {
                // One batch spoils a whole fetch for `rskafka`: go batch by batch to find it.
                at.narrow = NARROW_FETCHES;
                Ok(())
            }
            Err(error) if error.is_undecodable() => self.look(client, at, Some(error)).await,
            Err(error) => Err(error.into()),
        }
    }

    /// `rskafka` shows nothing at an offset below the high watermark, or cannot read what is
    /// there: finds out what it is, and steps over it if it is no event.
    async fn look(
        &self,
        client: &PartitionClient,
        at: &mut Position,
        error: Option<CallError>,
    ) -> Result<(), Trouble> {
        if error.is_none() && offset(client, OffsetAt::Latest).await? <= at.next {
            // An open transaction: its end has to be waited for.
            tokio::time::sleep(FETCH_WAIT).await;
            return Ok(());
        }
        let next = at.next;
        let found = self.cluster.look(&self.id, next).await;
        match found.map_err(|error| CallError::Told(error.to_string()))? {
            Found::Nothing => Ok(()),
            Found::Records { records, next } => {
                let events: Vec<_> = records.into_iter().map(|r| self.raw_event(r)).collect();
                tracing::debug!(partition = %self.id, from = at.next, to = next,
                    events = events.len(), "read around rskafka");
                if !events.is_empty() {
                    self.send(Fetched::Events(events)).await?;
                }
                at.next = next;
                self.send(Fetched::SkippedTo(next)).await
            }
            Found::Unreadable(what) => {
                let why = error.map_or_else(String::new, |error| format!(" ({error})"));
                let detail = format!("{}: cannot read on at offset {next}: {what}{why}", self.id);
                Err(Trouble::Failed(PagiError::new(ErrorCode::Rejected, detail)))
            }
        }
    }

    /// Where the policy wants to go on, since `next` is not there; logged, as events may be lost.
    /// `None` when it is there after all.
    async fn elsewhere(&self, client: &PartitionClient, next: i64) -> Result<Option<i64>, Trouble> {
        let earliest = offset(client, OffsetAt::Earliest).await?;
        let latest = offset(client, OffsetAt::Latest).await?;
        if (earliest..=latest).contains(&next) {
            return Ok(None);
        }
        let to = match self.out_of_range {
            OutOfRange::Earliest => earliest,
            OutOfRange::Latest => latest,
            OutOfRange::Fail => {
                let detail = format!(
                    "{}: offset {next} is not there, the partition has {earliest} to {latest}; \
                     choose with --out-of-range where to go on",
                    self.id
                );
                return Err(Trouble::Failed(PagiError::new(ErrorCode::Rejected, detail)));
            }
        };
        tracing::warn!(partition = %self.id, wanted = next, earliest, latest, going_on_at = to,
            deleted_unread = (earliest - next).max(0), "the offset is not there; going on elsewhere");
        Ok(Some(to))
    }

    fn event(&self, record: RecordAndOffset) -> Event {
        let RecordAndOffset { record, offset } = record;
        Event {
            topic: self.id.topic.clone(),
            partition: self.id.partition,
            offset,
            timestamp_ms: record.timestamp.timestamp_millis(),
            key: record.key.map(Bytes::from),
            headers: record
                .headers
                .into_iter()
                .map(|(name, value)| (name, Some(Bytes::from(value))))
                .collect(),
            value: record.value.map(Bytes::from),
        }
    }

    fn raw_event(&self, (offset, record): (i64, RawRecord)) -> Event {
        Event {
            topic: self.id.topic.clone(),
            partition: self.id.partition,
            offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key,
            headers: record.headers.into_iter().map(|h| (h.key, h.value)).collect(),
            value: record.value,
        }
    }

    async fn send(&self, fetched: Fetched) -> Result<(), Trouble> {
        let read = (self.id.clone(), self.number, fetched);
        self.out.send(read).await.map_err(|_| Trouble::Unheard)
    }
}

async fn offset(client: &PartitionClient, at: OffsetAt) -> Result<i64, CallError> {
    bounded_kafka(BROKER_CALL_TIMEOUT, client.get_offset(at)).await
}

/// Whether it goes well, so that only a change is logged.
struct Health {
    backoff: Backoff,
    failing: bool,
}

impl Health {
    const fn new() -> Self {
        Self { backoff: Backoff::new(RETRY_FIRST, RETRY_MAX), failing: false }
    }

    fn succeeded(&mut self, id: &TopicPartition) {
        if std::mem::take(&mut self.failing) {
            tracing::info!(partition = %id, "reading again");
            self.backoff.reset();
        }
    }

    fn failed(&mut self, id: &TopicPartition, error: &CallError) -> Duration {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(partition = %id, %error, "cannot read, trying again");
        }
        self.backoff.next(random())
    }
}
