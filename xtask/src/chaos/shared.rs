//! What everyone who takes part in a load knows.
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::findings::Findings;
use super::lanes::Lanes;
use super::ledger::Ledger;
use crate::failure::{Failure, Outcome};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);

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
    /// No producer may connect.
    pub(super) closed: AtomicBool,
    /// Producers that are connected, or about to be.
    pub(super) sessions: AtomicU32,
}

/// A producer's session; dropping it ends it.
#[derive(Debug)]
pub(super) struct Session<'a>(&'a Shared);

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    pub(super) fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Runs `work` when no producer is connected, so that each has read every answer that there
    /// was, and lets none connect meanwhile.
    ///
    /// # Errors
    /// One stays connected, or the work failed.
    pub(super) fn without_sessions(&self, work: impl FnOnce() -> Outcome) -> Outcome {
        const PATIENCE: Duration = Duration::from_secs(20);
        self.closed.store(true, Ordering::SeqCst);
        let begin = Instant::now();
        let result = loop {
            if self.sessions.load(Ordering::SeqCst) == 0 {
                break work();
            }
            if begin.elapsed() > PATIENCE {
                break Err(Failure::new("a producer is still connected to what has ended"));
            }
            std::thread::sleep(PAUSE);
        };
        self.closed.store(false, Ordering::SeqCst);
        result
    }

    /// Begins a session, as soon as there may be any. It counts before anything is connected: who
    /// finds no sessions may rely on it.
    pub(super) fn enter(&self) -> Session<'_> {
        loop {
            self.sessions.fetch_add(1, Ordering::SeqCst);
            let session = Session(self);
            if !self.closed.load(Ordering::SeqCst) {
                return session;
            }
            drop(session);
            std::thread::sleep(PAUSE);
        }
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
        while self.rest.load(Ordering::Relaxed) && !self.stops() {
            std::thread::sleep(PAUSE);
        }
    }
}
