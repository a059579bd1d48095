//! Reads a topic from its oldest event to the end that it has now, without a group.
use std::ops::ControlFlow;
use std::sync::Arc;

use pagi_protocol::{PagiError, TopicName};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::limits::FETCH_BYTES_MAX;
use crate::router::cluster::Cluster;
use crate::router::consumer_config::OutOfRange;
use crate::router::event::Event;
use crate::router::fetcher::{Fetched, Fetcher, Start};
use crate::router::topic_partition::TopicPartition;

/// The partitions of a topic, as last seen.
pub(super) fn partitions(cluster: &Cluster, topic: &TopicName) -> Vec<TopicPartition> {
    let count = cluster.partition_count(topic.as_str()).map_or(0, u32::from);
    let partitions = (0..count).filter_map(|index| i32::try_from(index).ok());
    partitions.map(|partition| TopicPartition { topic: topic.clone(), partition }).collect()
}

/// Reads a partition, from its oldest event to the end that it has now or until `each` breaks.
///
/// # Errors
/// When it cannot be read on.
pub(super) async fn read(
    cluster: &Arc<Cluster>,
    id: TopicPartition,
    mut each: impl FnMut(Event) -> ControlFlow<()>,
) -> Result<(), PagiError> {
    let (out, mut fetched) = mpsc::channel(1);
    let fetcher = Fetcher {
        id,
        number: 0,
        cluster: Arc::clone(cluster),
        start: Start::Earliest,
        out_of_range: OutOfRange::Earliest,
        bytes_max: FETCH_BYTES_MAX,
        out,
    };
    // Ends with this function.
    let mut task = JoinSet::new();
    task.spawn(fetcher.run());
    let (mut next, mut end) = (0, i64::MAX);
    while next < end {
        match fetched.recv().await.map(|(_, _, fetched)| fetched) {
            Some(Fetched::Started { start, end: now, .. }) => (next, end) = (start, now),
            Some(Fetched::Read { events, next: behind, .. }) => {
                next = behind;
                for event in events {
                    if event.offset < end && each(event).is_break() {
                        return Ok(());
                    }
                }
            }
            Some(Fetched::Restarted(at)) => next = at,
            Some(Fetched::Failed(error)) => return Err(error),
            None => return Ok(()),
        }
    }
    Ok(())
}
