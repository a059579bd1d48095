//! What everyone who takes part in a load knows.
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::findings::Findings;
use super::lanes::Lanes;
use super::ledger::Ledger;

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
}

impl Shared {
    pub(super) fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
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
