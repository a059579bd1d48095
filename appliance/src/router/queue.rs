//! The queue between publishers and the task of one partition.
//!
//! **Invariants.** Every record that was accepted gets exactly one reply, also when the task
//! ends early: a reply that is dropped reaches its caller as "unknown". A closed queue accepts
//! nothing more. Its bytes stay charged to the budget until the reply.
use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use pagi_protocol::PagiError;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};

use super::record::OutgoingRecord;
use super::sync::lock;
use crate::core::batcher::{Batcher, Caps, Waiting};

/// A record that waits for its outcome.
pub(super) struct Pending {
    pub(super) record: OutgoingRecord,
    pub(super) timestamp: DateTime<Utc>,
    pub(super) reply: oneshot::Sender<Result<i64, PagiError>>,
    /// Given back when the outcome is known.
    pub(super) charge: Charge,
}

/// Bytes taken from the budget, given back when dropped.
pub(super) struct Charge {
    _permit: OwnedSemaphorePermit,
    open_bytes: Gauge,
    bytes: i64,
}

impl Charge {
    /// Shows what the permit stands for in the gauge, as long as it is held.
    pub(super) fn new(permit: OwnedSemaphorePermit, open_bytes: &Gauge) -> Self {
        let bytes = i64::try_from(permit.num_permits()).unwrap_or(i64::MAX);
        open_bytes.inc_by(bytes);
        Self { _permit: permit, open_bytes: open_bytes.clone(), bytes }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.open_bytes.dec_by(self.bytes);
    }
}

/// Why a record was not accepted.
pub(super) enum Refused {
    /// Too much waits for this partition.
    Full,
    /// The partition's task has ended or is about to; a new queue must be made.
    Closed(Box<Waiting<Pending>>),
}

/// The queue of one partition.
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Notify,
}

struct State {
    batcher: Batcher<Pending>,
    closed: bool,
}

impl Queue {
    pub(super) fn new(caps: Caps) -> Self {
        let state = State { batcher: Batcher::new(caps), closed: false };
        Self { state: Mutex::new(state), wake: Notify::new() }
    }

    /// Takes a record in, and wakes the partition's task.
    pub(super) fn push(&self, waiting: Waiting<Pending>) -> Result<(), Refused> {
        {
            let mut state = lock(&self.state);
            if state.closed {
                return Err(Refused::Closed(Box::new(waiting)));
            }
            state.batcher.accept(waiting).map_err(|_| Refused::Full)?;
        }
        self.wake.notify_one();
        Ok(())
    }

    /// The next batch; nothing when the queue is closed, or idle for so long, which closes it.
    pub(super) async fn next(&self, idle_timeout: Duration) -> Option<Vec<Waiting<Pending>>> {
        loop {
            if let Some(batch) = lock(&self.state).batcher.take() {
                return Some(batch);
            }
            if self.is_closed() {
                return None;
            }
            if tokio::time::timeout(idle_timeout, self.wake.notified()).await.is_err() {
                let mut state = lock(&self.state);
                if state.batcher.is_idle() {
                    state.closed = true;
                    return None;
                }
            }
        }
    }

    /// The batch in flight has its outcome.
    pub(super) fn complete(&self) {
        lock(&self.state).batcher.complete();
    }

    /// From now on no batch has more than so many bytes.
    pub(super) fn limit_batches(&self, bytes_max: usize) {
        lock(&self.state).batcher.limit_batches(bytes_max);
    }

    /// Takes out what has waited too long.
    pub(super) fn give_up(&self, now: Instant) -> Vec<Waiting<Pending>> {
        lock(&self.state).batcher.give_up(now)
    }

    /// Accepts nothing more; the task ends when it has sent what is here.
    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.wake.notify_one();
    }

    /// Closes, and drops what still waits. For a task that ends before its time.
    pub(super) fn abandon(&self) {
        let dropped = {
            let mut state = lock(&self.state);
            state.closed = true;
            state.batcher.complete();
            std::iter::from_fn(|| {
                let batch = state.batcher.take();
                state.batcher.complete();
                batch
            })
            .collect::<Vec<_>>()
        };
        drop(dropped);
    }

    /// Whether it accepts nothing more.
    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }
}
