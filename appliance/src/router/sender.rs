//! The task of one partition: takes batches from its queue and sees each to its outcome.
//!
//! **Invariants.** One request is in flight at a time, over one connection. A produce request is
//! only sent on a connection that answered a moment ago, so that a broken one is not mistaken for
//! a lost answer. A batch is sent again only when it is surely not written. A connection is used
//! again only after an answer, and one that does not send the request elsewhere.
use std::sync::Arc;
use std::time::{Duration, Instant};

use pagi_protocol::{ErrorCode, PagiError, TopicName};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient};

use super::cluster::{Cluster, bounded_kafka};
use super::metrics::Metrics;
use super::queue::{Pending, Queue};
use super::sync::random;
use super::verdict::{CallError, Next, Verdict, after_sending, before_sending};
use crate::core::batcher::Waiting;
use crate::core::retry::{Backoff, Patience};
use crate::limits::{
    BROKER_CALL_TIMEOUT, CONNECTION_TRUST, RETRY_FIRST, RETRY_MAX, TOPIC_CREATION_TIMEOUT,
};

type Batch = Vec<Waiting<Pending>>;

/// What the task of one partition works with.
pub(super) struct Sender {
    pub(super) topic: TopicName,
    pub(super) partition: i32,
    pub(super) queue: Arc<Queue>,
    pub(super) cluster: Arc<Cluster>,
    pub(super) patience: Patience,
    pub(super) idle_timeout: Duration,
    pub(super) metrics: Metrics,
}

/// The connection, if there is one, and whether sending goes well, so that only a change is logged.
#[derive(Default)]
struct Line {
    connection: Option<Connection>,
    failing: bool,
}

struct Connection {
    client: PartitionClient,
    proven_at: Instant,
}

impl Sender {
    /// Sends until the queue is closed. `started` is told of each batch, before it is sent.
    pub(super) async fn run(self, started: impl Fn() + Send) {
        let _abandon = AbandonOnDrop(Arc::clone(&self.queue));
        let mut line = Line::default();
        while let Some(batch) = self.queue.next(self.idle_timeout).await {
            started();
            self.see_through(&mut line, batch).await;
            self.queue.complete();
        }
    }

    /// Brings every record of the batch to its outcome. A batch that is refused for what is in
    /// it is halved until the record at fault is alone, so that it takes no other with it.
    async fn see_through(&self, line: &mut Line, batch: Batch) {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            match self.deliver(line, &mut part).await {
                Ok(offsets) => {
                    for (waiting, offset) in part.into_iter().zip(offsets) {
                        reply(waiting, Ok(offset));
                    }
                }
                Err(verdict) if verdict.next == Next::Split && part.len() > 1 => {
                    if verdict.error.code() == ErrorCode::PayloadTooLarge {
                        // Larger batches would go the same way.
                        let bytes: usize = part.iter().map(|waiting| waiting.bytes).sum();
                        self.queue.limit_batches(bytes / 2);
                    }
                    let second = part.split_off(part.len() / 2);
                    parts.push(second);
                    parts.push(part);
                }
                Err(verdict) => reply_all(part, &verdict.error),
            }
        }
    }

    /// Tries until there is a verdict other than "again", or until the patience of every record
    /// is at its end; `part` loses those whose patience ends earlier.
    async fn deliver(&self, line: &mut Line, part: &mut Batch) -> Result<Vec<i64>, Verdict> {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        let mut topic_missing_since = None;
        loop {
            let verdict = match self.attempt(&mut line.connection, part).await {
                Ok(offsets) => {
                    self.note(line, None);
                    return Ok(offsets);
                }
                Err(verdict) => verdict,
            };
            if matches!(verdict.next, Next::Again | Next::Unknown) {
                line.connection = None;
                self.note(line, Some(&verdict.error));
            }
            let now = Instant::now();
            if verdict.error.code() == ErrorCode::UnknownTopic {
                let since = *topic_missing_since.get_or_insert(now);
                if now.duration_since(since) >= TOPIC_CREATION_TIMEOUT {
                    return Err(verdict);
                }
            }
            if verdict.next != Next::Again {
                return Err(verdict);
            }
            self.metrics.retries.inc();
            // A stale picture of the cluster would lead to the same wrong leader again.
            let _ = self.cluster.refresh(patience_left(part)).await;
            tokio::time::sleep(backoff.next(random())).await;
            self.give_up(part, &verdict.error);
            if part.is_empty() {
                return Err(verdict);
            }
        }
    }

    /// Logs when it begins to fail, and when it works again.
    fn note(&self, line: &mut Line, error: Option<&PagiError>) {
        let (topic, partition) = (&self.topic, self.partition);
        let failed_before = std::mem::replace(&mut line.failing, error.is_some());
        match error {
            Some(error) if !failed_before => {
                tracing::warn!(%topic, partition, %error, "cannot publish");
            }
            Some(error) => tracing::debug!(%topic, partition, %error, "still cannot publish"),
            None if failed_before => tracing::info!(%topic, partition, "publishing again"),
            None => {}
        }
    }

    /// Tells those whose patience is at its end, in the batch and behind it.
    fn give_up(&self, part: &mut Batch, error: &PagiError) {
        let now = Instant::now();
        let (late, rest) = std::mem::take(part).into_iter().partition(|w| w.give_up_at <= now);
        *part = rest;
        reply_all(late, error);
        reply_all(self.queue.give_up(now), error);
    }

    /// One try: a connection that works, then the request.
    async fn attempt(
        &self,
        connection: &mut Option<Connection>,
        part: &[Waiting<Pending>],
    ) -> Result<Vec<i64>, Verdict> {
        let proven = self.prove(connection.take(), part).await;
        let open = proven.map_err(|error| before_sending(&error, &self.what("cannot reach")))?;
        let open = connection.insert(open);
        let records = part.iter().map(|w| w.item.record.to_wire(w.item.timestamp)).collect();
        let produce = open.client.produce(records, Compression::NoCompression);
        let answer = bounded_kafka(self.patience.answer, produce).await;
        open.proven_at = Instant::now();
        let offsets =
            answer.map_err(|error| after_sending(&error, &self.what("no acknowledgement from")))?;
        #[expect(clippy::cast_precision_loss, reason = "at most some thousand records")]
        self.metrics.batch_records.observe(part.len() as f64);
        if offsets.len() == part.len() {
            return Ok(offsets);
        }
        let detail = format!("{} offsets for {} records", offsets.len(), part.len());
        Err(Verdict::new(Next::Unknown, ErrorCode::DeliveryUnknown, detail))
    }

    /// A connection that answered a moment ago: the one there is, or a new one.
    async fn prove(
        &self,
        connection: Option<Connection>,
        part: &[Waiting<Pending>],
    ) -> Result<Connection, CallError> {
        if let Some(open) = connection {
            if open.proven_at.elapsed() < CONNECTION_TRUST {
                return Ok(open);
            }
            let probe = open.client.get_offset(OffsetAt::Latest);
            if bounded_kafka(BROKER_CALL_TIMEOUT, probe).await.is_ok() {
                return Ok(Connection { client: open.client, proven_at: Instant::now() });
            }
        }
        let (topic, left) = (self.topic.as_str(), patience_left(part));
        let client = self.cluster.open(topic, self.partition, left).await?;
        Ok(Connection { client, proven_at: Instant::now() })
    }

    fn what(&self, problem: &str) -> String {
        let (topic, partition) = (&self.topic, self.partition);
        format!("{problem} {} for {topic}/{partition}", self.cluster.address())
    }
}

/// For how long there is still someone who waits for the request to be sent.
fn patience_left(part: &[Waiting<Pending>]) -> Duration {
    let end = part.iter().map(|waiting| waiting.give_up_at).max();
    end.map_or(Duration::ZERO, |end| end.saturating_duration_since(Instant::now()))
}

/// Leaves no caller waiting, however the task ends.
struct AbandonOnDrop(Arc<Queue>);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

fn reply(waiting: Waiting<Pending>, outcome: Result<i64, PagiError>) {
    let Pending { reply, charge, .. } = waiting.item;
    drop(charge);
    // The caller may be gone; the outcome stands all the same.
    let _ = reply.send(outcome);
}

fn reply_all(batch: Batch, error: &PagiError) {
    for waiting in batch {
        reply(waiting, Err(error.clone()));
    }
}
