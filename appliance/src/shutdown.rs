//! Telling every task to stop, once, and letting it know.
//!
//! **Invariants.** A request to stop is never taken back. Dropping the [`Trigger`] is a request.
use tokio::sync::watch;

/// The side that asks for the stop. Dropping it asks too.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

impl Trigger {
    /// Asks every [`Shutdown`] made from the same pair to stop. May be called more than once.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

/// The side that is asked. Cheap to clone; every clone sees the request.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Waits until a stop is requested; returns at once if it already was. Cancel-safe.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        // An error means that the trigger is gone, which is a request too.
        let _ = receiver.wait_for(|stop| *stop).await;
    }

    /// Whether a stop was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

/// A connected pair.
#[must_use]
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_sees_the_request() {
        let (trigger, shutdown) = channel();
        let clone = shutdown.clone();
        assert!(!clone.is_requested());
        trigger.request();
        shutdown.requested().await;
        clone.requested().await;
        assert!(clone.is_requested());
    }

    #[tokio::test]
    async fn dropping_the_trigger_is_a_request() {
        let (trigger, shutdown) = channel();
        drop(trigger);
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }
}
