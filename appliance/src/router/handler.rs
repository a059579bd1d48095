//! What is done with each event that was read.
use super::event::Event;

/// Works on events. An event counts as done, and its offset may be committed, only when the
/// handler said so; what it was working on when the process ends comes again.
pub trait Handler: Send + 'static {
    /// Works on some events of one partition, in their order. `Ok` means that all are done, for
    /// as long as the handler's own promise goes.
    ///
    /// # Errors
    /// None of the events counts as done, and the consumer stops.
    fn handle(&mut self, events: &[Event])
    -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// Why a handler cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandlerError {
    /// Nobody takes what it makes any more: a reason to stop, not a failure.
    #[error("the output was closed")]
    Closed,
    /// It failed.
    #[error("{0}")]
    Failed(String),
}
