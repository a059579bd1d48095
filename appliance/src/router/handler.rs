//! What is done with each event that was read.
use std::time::Duration;

use super::event::Event;

/// Works on events. An event counts as done, and its offset may be committed, only when the
/// handler said so or when it is stored as a dead letter; what it was working on when the process
/// ends comes again.
pub trait Handler: Send + 'static {
    /// Works on some events of one partition, in their order, and gives an answer for each. Fewer
    /// answers than events mean that the others were not tried, and come again at once; there is at
    /// least one. An [`Answer::Retry`] is the last: what follows in the partition, or under the
    /// key, waits with it.
    ///
    /// # Errors
    /// None of the events counts as done, and the consumer stops.
    fn handle(
        &mut self,
        events: &[Event],
    ) -> impl Future<Output = Result<Vec<Answer>, HandlerError>> + Send;

    /// How many events it can take at a time.
    fn events_max(&self) -> usize {
        usize::MAX
    }
}

/// What a handler says about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done, for as long as the handler's own promise goes.
    Done,
    /// It may succeed later: it is tried again, and is a dead letter after so many tries.
    Retry {
        /// What went wrong this time.
        why: String,
        /// How long to wait; without it, longer from try to try.
        after: Option<Duration>,
    },
    /// It will never succeed: it becomes a dead letter at once.
    Reject {
        /// What is wrong with it.
        reason: String,
    },
}

/// Why a handler cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandlerError {
    /// Nobody takes what it makes any more: a reason to stop, not a failure.
    #[error("the output was closed")]
    Closed,
    /// It failed, and not because of an event.
    #[error("{0}")]
    Failed(String),
}
