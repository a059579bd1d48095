//! What everyone who takes part in a load knows.
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::findings::Findings;
use super::lanes::Lanes;
use super::ledger::Ledger;
use crate::failure::{Failure, Outcome};

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) address: SocketAddr,
    pub(super) lanes: Lanes,
    pub(super) ledger: Ledger,
    pub(super) findings: Findings,
    /// No new requests; those under way are brought to their end.
    pub(super) stop: AtomicBool,
    /// There is nothing to wait for any more.
    pub(super) abandoned: AtomicBool,
    /// Producers keep still: what there is to compare would grow while it is compared.
    pub(super) rest: AtomicBool,
    /// Connected producers.
    pub(super) sessions: AtomicU32,
}

impl Shared {
    pub(super) fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits until no producer is connected: each has read every answer that there was.
    ///
    /// # Errors
    /// One stays.
    pub(super) fn wait_disconnected(&self) -> Outcome {
        const PATIENCE: Duration = Duration::from_secs(20);
        const PAUSE: Duration = Duration::from_millis(1);
        let begin = Instant::now();
        while self.sessions.load(Ordering::SeqCst) > 0 {
            if begin.elapsed() > PATIENCE {
                return Err(Failure::new("a producer is still connected to what has ended"));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Keeps the producers still while `work` runs.
    pub(super) fn resting<T>(&self, work: impl FnOnce() -> T) -> T {
        self.rest.store(true, Ordering::Relaxed);
        let result = work();
        self.rest.store(false, Ordering::Relaxed);
        result
    }

    /// Waits while producers are to keep still.
    pub(super) fn wait_rest(&self) {
        const PAUSE: Duration = Duration::from_millis(1);
        while self.rest.load(Ordering::Relaxed) && !self.stops() {
            std::thread::sleep(PAUSE);
        }
    }
}
