//! From a topic and a key to the queue of a partition, whose task is started when first needed.
//!
//! **Invariants.** At most one open queue per partition. No more partitions are open than
//! [`PARTITIONS_PUBLISHING_MAX`]; idle ones close and make room.
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use pagi_protocol::kafka::partitioner::{Sticky, partition_for_key};
use pagi_protocol::{ErrorCode, PagiError, TopicName};
use tokio::sync::Semaphore;

use super::cluster::Cluster;
use super::config::Config;
use super::metrics::Metrics;
use super::queue::Queue;
use super::sender::Sender;
use super::sync::{lock, random};
use crate::core::batcher::Caps;
use crate::core::retry::Patience;
use crate::limits::PARTITIONS_PUBLISHING_MAX;

/// The open queues of all topics.
pub(super) struct Routes {
    cluster: Arc<Cluster>,
    config: Config,
    metrics: Metrics,
    topics: Mutex<HashMap<TopicName, Route>>,
    slots: Arc<Semaphore>,
}

struct Route {
    sticky: Arc<Mutex<Sticky>>,
    queues: HashMap<u32, Arc<Queue>>,
}

impl Routes {
    pub(super) fn new(cluster: Arc<Cluster>, config: Config, metrics: Metrics) -> Self {
        Self {
            cluster,
            config,
            metrics,
            topics: Mutex::default(),
            slots: Arc::new(Semaphore::new(PARTITIONS_PUBLISHING_MAX)),
        }
    }

    /// The partition and the queue for a record with this key. Must run inside a runtime.
    pub(super) fn queue_for(
        &self,
        topic: &TopicName,
        key: Option<&Bytes>,
        partitions: NonZeroU32,
    ) -> Result<(i32, Arc<Queue>), PagiError> {
        let mut topics = lock(&self.topics);
        let route = topics.entry(topic.clone()).or_insert_with(|| Route {
            sticky: Arc::new(Mutex::new(Sticky::new(random()))),
            queues: HashMap::new(),
        });
        let index = match key {
            Some(key) => partition_for_key(key, partitions),
            None => lock(&route.sticky).current(partitions),
        };
        let partition = i32::try_from(index).map_err(|_| too_many_partitions())?;
        if let Some(queue) = route.queues.get(&index)
            && !queue.is_closed()
        {
            return Ok((partition, Arc::clone(queue)));
        }
        let queue = self.start(topic, partition, Arc::clone(&route.sticky))?;
        route.queues.insert(index, Arc::clone(&queue));
        Ok((partition, queue))
    }

    /// Forgets the queues that have closed.
    pub(super) fn prune(&self) {
        lock(&self.topics).retain(|_, route| {
            route.queues.retain(|_, queue| !queue.is_closed());
            !route.queues.is_empty()
        });
    }

    /// Closes every queue: each task sends what it has and ends.
    pub(super) fn close(&self) {
        for route in lock(&self.topics).values() {
            route.queues.values().for_each(|queue| queue.close());
        }
    }

    fn start(
        &self,
        topic: &TopicName,
        partition: i32,
        sticky: Arc<Mutex<Sticky>>,
    ) -> Result<Arc<Queue>, PagiError> {
        let slot =
            Arc::clone(&self.slots).try_acquire_owned().map_err(|_| too_many_partitions())?;
        let config = &self.config;
        let queue = Arc::new(Queue::new(Caps {
            batch_items_max: config.batch_records_max,
            batch_bytes_max: config.batch_bytes_max,
            // One stuck partition must not take the whole budget from the others.
            queue_bytes_max: config.queue_bytes_max / 2,
        }));
        let sender = Sender {
            topic: topic.clone(),
            partition,
            queue: Arc::clone(&queue),
            cluster: Arc::clone(&self.cluster),
            patience: Patience::from_delivery_timeout(config.delivery_timeout),
            idle_timeout: config.idle_timeout,
            metrics: self.metrics.clone(),
        };
        let (cluster, topic) = (Arc::clone(&self.cluster), topic.clone());
        let started = move || {
            let count = cluster.partition_count(topic.as_str());
            if let (Some(count), Ok(index)) = (count, u32::try_from(partition)) {
                lock(&sticky).batch_started(index, count);
            }
        };
        tokio::spawn(async move {
            sender.run(started).await;
            drop(slot);
        });
        Ok(queue)
    }
}

fn too_many_partitions() -> PagiError {
    PagiError::new(
        ErrorCode::Overloaded,
        format!("more than {PARTITIONS_PUBLISHING_MAX} partitions are being published to; retry"),
    )
}
