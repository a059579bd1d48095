//! Lets records go that their topics' settings no longer keep.
//!
//! What goes is decided by whole segments. It goes as `DeleteRecords` does: the log start moves
//! durably, and the files follow with the next checkpoint.
use std::time::Duration;

use tracing::{info, warn};

use super::store::Store;
use super::store::clock::now_ms;
use super::store::writer::Command;
use crate::core::log::retention::log_start;
use crate::shutdown::Shutdown;

/// Looks once in each `interval`, until the process stops.
pub async fn run(store: Store, interval: Duration, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = shutdown.requested() => return,
        }
        for command in due(&store) {
            let Command::MoveLogStart { partition, offset } = command else { continue };
            match store.execute(command).await {
                Ok(Ok(_)) => info!(%partition, log_start = offset, "old records were let go"),
                Ok(Err(refusal)) => warn!(%partition, %refusal, "old records could not be let go"),
                Err(_ended) => return,
            }
        }
    }
}

fn due(store: &Store) -> Vec<Command> {
    let now_ms = now_ms();
    let mut due = Vec::new();
    for topic in store.view().topics() {
        let retention = topic.made.settings.retention();
        for partition in &topic.partitions {
            let log = partition.log.lock();
            let start = log_start(log.segments(), retention, now_ms);
            if let Some(offset) = start.filter(|offset| *offset > log.log_start()) {
                due.push(Command::MoveLogStart { partition: partition.id, offset });
            }
        }
    }
    due
}
