//! Looks at how much room the disk has, and tells before it is full.
use std::time::Duration;

use tracing::{info, warn};

use super::metrics::Metrics;
use super::store::Store;
use crate::core::disk_space::DiskLevel;
use crate::limits::DISK_CHECK_INTERVAL;
use crate::shutdown::Shutdown;

/// Looks now and then, until the process stops.
pub async fn run(store: Store, metrics: Metrics, shutdown: Shutdown) {
    let mut level = DiskLevel::Fine;
    let mut pause = Duration::ZERO;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.requested() => return,
        }
        pause = DISK_CHECK_INTERVAL;
        let space = match store.space().await {
            Ok(space) => space,
            Err(error) => {
                warn!(%error, "how much room the disk has cannot be found out");
                continue;
            }
        };
        metrics.disk(space);
        let next = level.next(space.free_bytes, space.total_bytes, store.bytes_to_spare());
        if next != level {
            tell(next, space.free_bytes >> 20, space.total_bytes >> 20);
        }
        level = next;
    }
}

fn tell(level: DiskLevel, free_mib: u64, total_mib: u64) {
    match level {
        DiskLevel::Fine => info!(free_mib, total_mib, "the disk has room again"),
        DiskLevel::Low => warn!(
            free_mib,
            total_mib,
            "the disk is filling up: when it is full, producers are refused until there is room; \
             delete topics or records, lower their retention, or give it more room"
        ),
        DiskLevel::Full => warn!(
            free_mib,
            total_mib,
            "the disk is full: producers are refused, consuming and deleting go on; delete topics \
             or records, lower their retention, or give it more room"
        ),
    }
}
