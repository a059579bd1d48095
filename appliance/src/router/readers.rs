//! The tasks that read partitions, one for each.
//!
//! **Invariants.** What a task has read counts only as long as its partition was not given up
//! since: each task has a number of its own, and a partition at most one task.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::cluster::Cluster;
use super::consumer_config::OutOfRange;
use super::fetcher::{Fetched, Fetcher, Read, Start};
use super::topic_partition::TopicPartition;
use crate::limits::{FETCH_BYTES_MAX, FETCH_BYTES_MIN, FETCH_QUEUE_BYTES_MAX, FETCH_QUEUE_MAX};

/// See the module.
pub(super) struct Readers {
    cluster: Arc<Cluster>,
    out_of_range: OutOfRange,
    tasks: JoinSet<()>,
    running: BTreeMap<TopicPartition, (u64, AbortHandle)>,
    last: u64,
    out: mpsc::Sender<Read>,
    read: mpsc::Receiver<Read>,
}

impl Readers {
    pub(super) fn new(cluster: Arc<Cluster>, out_of_range: OutOfRange) -> Self {
        let (out, read) = mpsc::channel(FETCH_QUEUE_MAX);
        let tasks = JoinSet::new();
        Self { cluster, out_of_range, tasks, running: BTreeMap::new(), last: 0, out, read }
    }

    /// Starts reading these.
    pub(super) fn start(&mut self, partitions: Vec<(TopicPartition, Start)>) {
        let readers = self.running.len() + partitions.len();
        let share = FETCH_QUEUE_BYTES_MAX / i32::try_from(readers).unwrap_or(i32::MAX).max(1);
        for (id, start) in partitions {
            self.last += 1;
            let fetcher = Fetcher {
                id: id.clone(),
                number: self.last,
                cluster: Arc::clone(&self.cluster),
                start,
                out_of_range: self.out_of_range,
                bytes_max: share.clamp(FETCH_BYTES_MIN, FETCH_BYTES_MAX),
                out: self.out.clone(),
            };
            let task = self.tasks.spawn(fetcher.run());
            self.running.insert(id, (self.last, task));
        }
    }

    /// Stops reading these; what was read and not asked for yet is lost.
    pub(super) fn stop(&mut self, partitions: &BTreeSet<TopicPartition>) {
        for (_, task) in partitions.iter().filter_map(|id| self.running.remove(id)) {
            task.abort();
        }
        while self.tasks.try_join_next().is_some() {}
    }

    /// What was read next of what is still to be read.
    pub(super) async fn next(&mut self) -> Option<(TopicPartition, Fetched)> {
        loop {
            let (id, number, fetched) = self.read.recv().await?;
            if self.running.get(&id).is_some_and(|(running, _)| *running == number) {
                return Some((id, fetched));
            }
        }
    }

    /// Ends all tasks.
    pub(super) async fn shutdown(&mut self) {
        self.running.clear();
        self.tasks.shutdown().await;
    }
}
