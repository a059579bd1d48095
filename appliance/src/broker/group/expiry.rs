//! Groups that were left long ago: their progress is forgotten.
//!
//! **References.** KIP-211: what counts is when the group lost its last member, or, where it never
//! had one, when it committed last.
use std::sync::Arc;

use pagi_protocol::kafka::error_code::KafkaCode;
use tracing::{info, warn};

use super::coordinator::Coordinator;
use crate::broker::store::Store;
use crate::broker::store::clock::now_ms;
use crate::limits::{GROUP_EXPIRY_INTERVAL, GROUP_OFFSETS_KEPT_MS};
use crate::shutdown::Shutdown;

/// Looks now and then, until the process stops.
pub async fn run(coordinator: Arc<Coordinator>, store: Store, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(GROUP_EXPIRY_INTERVAL) => {}
            () = shutdown.requested() => return,
        }
        for group in store.view().groups.names() {
            if last_used_ms(&store, &group) < now_ms().saturating_sub(GROUP_OFFSETS_KEPT_MS) {
                match coordinator.delete(&group).await {
                    Ok(()) => info!(%group, "a group that was left long ago is forgotten"),
                    Err(KafkaCode::NonEmptyGroup) => {}
                    Err(code) => warn!(%group, ?code, "an old group could not be forgotten"),
                }
            }
        }
    }
}

fn last_used_ms(store: &Store, group: &str) -> i64 {
    let kept = &store.view().groups;
    let stored_ms = kept.metadata(group).map(|metadata| metadata.stored_ms);
    let committed = kept.committed_by(group);
    let committed_ms = committed.iter().map(|(_, committed)| committed.committed_ms).max();
    stored_ms.max(committed_ms).unwrap_or(i64::MAX)
}
