//! The task of one partition that is read: fetches, in order and without end.
//!
//! **Invariants.** Events are sent in the order of their offsets, each once. No offset is passed
//! over unless there is no event at it: a gap is told ([`Fetched::Read`]), a jump is told and
//! logged ([`Fetched::Restarted`]), and what cannot be read is an error, never a skip. A topic is
//! not created by reading it.
use std::sync::Arc;
use std::time::{Duration, Instant};

use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::fetch::FetchPartitionResponse;
use pagi_protocol::kafka::record::Record;
use pagi_protocol::{ErrorCode, PagiError};
use tokio::sync::mpsc;

use super::batches;
use super::cluster::Cluster;
use super::connection::LinkError;
use super::consumer_config::OutOfRange;
use super::event::Event;
use super::leader::{End, Leader};
use super::sync::random;
use super::topic_partition::TopicPartition;
use crate::core::commit::Position;
use crate::core::retry::Backoff;
use crate::limits::{FETCH_WAIT, RETRY_FIRST, RETRY_MAX, SENSELESS_ANSWERS_MAX};

/// Where a partition is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// From what the group has committed.
    Committed(Position),
    /// From the oldest event.
    Earliest,
    /// From the next event to come.
    Latest,
}

/// What was fetched.
#[derive(Debug)]
pub(super) enum Fetched {
    /// Reading starts.
    Started {
        /// Here.
        start: i64,
        /// If the group has committed that: with this leader epoch.
        committed: Option<i32>,
        /// Where the partition ended then.
        end: i64,
    },
    /// Some of the partition.
    Read {
        /// In the order of their offsets; none for a gap.
        events: Vec<Event>,
        /// The offset behind them; there is no other event before it.
        next: i64,
        /// Where leader epochs begin: from this offset on, this one.
        epochs: Vec<(i64, i32)>,
    },
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

/// Why a fetch did not succeed.
enum Trouble {
    /// The broker could not be asked; it will be tried again.
    Call(LinkError),
    /// Nobody listens any more.
    Unheard,
    /// It cannot go on.
    Failed(PagiError),
}

impl From<LinkError> for Trouble {
    fn from(error: LinkError) -> Self {
        Self::Call(error)
    }
}

impl Fetcher {
    /// Fetches until nobody listens any more, or until it cannot go on.
    pub(super) async fn run(self) {
        let mut health = Health::new();
        let mut next = None;
        loop {
            let failed = match self.session(&mut next, &mut health).await {
                Trouble::Unheard => return,
                Trouble::Failed(error) => error,
                Trouble::Call(error) => match health.failed(&self.id, &error) {
                    Some(wait) => {
                        tokio::time::sleep(wait).await;
                        continue;
                    }
                    None => self.unreadable(next, &error),
                },
            };
            let _ = self.send(Fetched::Failed(failed)).await;
            return;
        }
    }

    /// Opens a connection and fetches over it until there is trouble.
    async fn session(&self, next: &mut Option<i64>, health: &mut Health) -> Trouble {
        let mut leader = match self.cluster.lead(&self.id).await {
            Ok(leader) => leader,
            Err(error) => return error.into(),
        };
        loop {
            let stepped = match next {
                None => self.begin(&mut leader).await.map(|start| *next = Some(start)),
                Some(next) => self.step(&mut leader, next).await,
            };
            match stepped {
                Ok(()) => health.succeeded(&self.id),
                Err(trouble) => return trouble,
            }
        }
    }

    /// Finds out where to start, and tells it.
    async fn begin(&self, leader: &mut Leader) -> Result<i64, Trouble> {
        let end = leader.offset(End::Latest).await?;
        let (start, committed) = match self.start {
            Start::Committed(Position { offset, epoch }) => {
                // Nothing would ever be fetched from behind the end, nor be said about it.
                let is_behind = offset > end;
                let elsewhere =
                    if is_behind { self.elsewhere(leader, offset).await? } else { None };
                elsewhere.map_or((offset, Some(epoch)), |start| (start, None))
            }
            Start::Earliest => (leader.offset(End::Earliest).await?, None),
            Start::Latest => (end, None),
        };
        self.send(Fetched::Started { start, committed, end }).await?;
        Ok(start)
    }

    /// One fetch.
    async fn step(&self, leader: &mut Leader, next: &mut i64) -> Result<(), Trouble> {
        let asked_at = Instant::now();
        match leader.fetch(*next, self.bytes_max).await {
            Ok(mut answer) => {
                // What was decoded is one piece, or none.
                let bytes = answer.records.0.pop().unwrap_or_default();
                let aborted = answer.aborted_transactions.take().unwrap_or_default();
                let read = batches::read(bytes, aborted, *next)
                    .map_err(|error| Trouble::Failed(self.unreadable(Some(*next), &error)))?;
                if read.next == *next {
                    return wait(*next, &answer, asked_at).await;
                }
                *next = read.next;
                let events = read.records.into_iter().map(|record| self.event(record)).collect();
                self.send(Fetched::Read { events, next: *next, epochs: read.epochs }).await
            }
            Err(error) if error.is(KafkaCode::OffsetOutOfRange) => {
                let to = self.elsewhere(leader, *next).await?.ok_or(Trouble::Call(error))?;
                *next = to;
                self.send(Fetched::Restarted(to)).await
            }
            Err(error) => Err(error.into()),
        }
    }

    fn unreadable(&self, next: Option<i64>, error: &impl std::fmt::Display) -> PagiError {
        let at = next.map_or_else(String::new, |next| format!(" on at offset {next}"));
        let detail = format!("{}: cannot read{at}: {error}", self.id);
        PagiError::new(ErrorCode::Rejected, detail)
    }

    /// Where the policy wants to go on, since `next` is not there; logged, as events may be lost.
    /// `None` when it is there after all.
    async fn elsewhere(&self, leader: &mut Leader, next: i64) -> Result<Option<i64>, Trouble> {
        let earliest = leader.offset(End::Earliest).await?;
        let latest = leader.offset(End::Latest).await?;
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

    fn event(&self, (offset, record): (i64, Record)) -> Event {
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

/// After an answer with nothing in it that was not read before.
async fn wait(
    next: i64,
    answer: &FetchPartitionResponse,
    asked_at: Instant,
) -> Result<(), Trouble> {
    if answer.last_stable_offset > next {
        return Err(LinkError::LeftOut.into());
    }
    // The broker should have waited; behind an open transaction not every one does.
    let pause = if answer.high_watermark > next { FETCH_WAIT } else { RETRY_FIRST };
    tokio::time::sleep_until((asked_at + pause).into()).await;
    Ok(())
}

/// Whether it goes well, so that only a change is logged.
struct Health {
    backoff: Backoff,
    failing: bool,
    /// Answers in a row that cannot be read.
    senseless: u32,
}

impl Health {
    const fn new() -> Self {
        Self { backoff: Backoff::new(RETRY_FIRST, RETRY_MAX), failing: false, senseless: 0 }
    }

    fn succeeded(&mut self, id: &TopicPartition) {
        self.senseless = 0;
        if std::mem::take(&mut self.failing) {
            tracing::info!(partition = %id, "reading again");
            self.backoff.reset();
        }
    }

    /// How long to wait before the next try; nothing if another try makes no sense.
    fn failed(&mut self, id: &TopicPartition, error: &LinkError) -> Option<Duration> {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(partition = %id, %error, "cannot read, trying again");
        }
        self.senseless = if error.is_senseless() { self.senseless + 1 } else { 0 };
        (self.senseless < SENSELESS_ANSWERS_MAX).then(|| self.backoff.next(random()))
    }
}
