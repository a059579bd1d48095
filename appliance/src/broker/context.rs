//! What every request can reach.
use std::sync::Arc;

use pagi_protocol::TopicName;
use pagi_protocol::kafka::error_code::KafkaCode;
use parking_lot::Mutex;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::config::{Config, Endpoint};
use super::group::coordinator::Coordinator;
use super::metrics::Metrics;
use super::store::view::Topic;
use super::store::writer::{Command, Done};
use super::store::{Ended, Store};
use crate::core::log::settings::TopicSettings;
use crate::core::log::state::Refusal;
use crate::limits::{
    FRAME_BYTES_IN_FLIGHT_MAX, FRAME_BYTES_LARGE, OFFSET_SEARCHES_MAX, PERMIT_BYTES,
};
use crate::shutdown::Shutdown;

/// The one broker's node id: positive, Java's admin client insists on it.
pub const NODE_ID: i32 = 1;

/// See the module.
#[derive(Debug)]
pub struct Context {
    /// The log.
    pub store: Store,
    /// The consumer groups.
    pub groups: Arc<Coordinator>,
    /// The settings.
    pub config: Config,
    /// The configured advertised address.
    pub advertised: Option<Endpoint>,
    /// The bytes of all requests in memory that are not large, in units of [`PERMIT_BYTES`].
    frame_permits: Arc<Semaphore>,
    /// The one large request that may be in memory.
    large_frame: Arc<Semaphore>,
    /// Searches for an offset by its timestamp: each may hold decompressed records.
    pub search_permits: Semaphore,
    /// What is counted.
    pub metrics: Metrics,
    /// Waiting requests are answered when this asks.
    pub shutdown: Shutdown,
    /// Held while settings of a topic are read and changed.
    pub changing_settings: tokio::sync::Mutex<()>,
    producer_ids: Mutex<std::ops::Range<i64>>,
}

impl Context {
    /// A context with nothing under way.
    #[must_use]
    pub fn new(
        store: Store,
        config: Config,
        advertised: Option<Endpoint>,
        metrics: Metrics,
        shutdown: Shutdown,
    ) -> Self {
        let frame_permits = Arc::new(Semaphore::new(FRAME_BYTES_IN_FLIGHT_MAX / PERMIT_BYTES));
        Self {
            groups: Arc::new(Coordinator::new(store.clone(), metrics.clone())),
            store,
            config,
            advertised,
            frame_permits,
            large_frame: Arc::new(Semaphore::new(1)),
            search_permits: Semaphore::new(OFFSET_SEARCHES_MAX),
            metrics,
            shutdown,
            changing_settings: tokio::sync::Mutex::default(),
            producer_ids: Mutex::new(0..0),
        }
    }

    /// Waits for room for a request of so many bytes; it is taken until the permit is dropped. A
    /// client that is slow with a large request keeps nobody waiting but other large ones.
    ///
    /// # Errors
    /// Never: the room is not closed.
    pub async fn room_for_frame(&self, bytes: usize) -> Result<OwnedSemaphorePermit, AcquireError> {
        if bytes > FRAME_BYTES_LARGE {
            return Arc::clone(&self.large_frame).acquire_owned().await;
        }
        let permits = u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        Arc::clone(&self.frame_permits).acquire_many_owned(permits).await
    }

    /// The topic of this name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.store.view().topic(name)
    }

    /// The topic with this id on the wire.
    #[must_use]
    pub fn topic_by_uuid(&self, uuid: [u8; 16]) -> Option<Arc<Topic>> {
        self.store.view().topic_by_uuid(uuid)
    }

    /// Makes a topic; one that exists already is as good. It is durable when this returns.
    ///
    /// # Errors
    /// The code to answer with.
    pub async fn auto_create(&self, name: &TopicName) -> Result<Arc<Topic>, KafkaCode> {
        let settings = TopicSettings::default();
        match self.create_topic(name, self.config.default_partitions, settings).await {
            Ok(()) | Err(KafkaCode::TopicAlreadyExists) => {}
            Err(code) => return Err(code),
        }
        self.topic(name.as_str()).ok_or(KafkaCode::UnknownTopicOrPartition)
    }

    /// Makes a topic. It is durable when this returns.
    ///
    /// # Errors
    /// The code to answer with.
    pub async fn create_topic(
        &self,
        name: &TopicName,
        partitions: u32,
        settings: TopicSettings,
    ) -> Result<(), KafkaCode> {
        let uuid = Uuid::new_v4().into_bytes();
        let command = Command::CreateTopic { name: name.clone(), partitions, uuid, settings };
        self.execute(command).await
    }

    /// Has the log do something. It is durable when this returns.
    ///
    /// # Errors
    /// The code to answer with.
    pub async fn execute(&self, command: Command) -> Result<(), KafkaCode> {
        match self.store.execute(command).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(refusal)) => Err(code_of(refusal)),
            Err(Ended) => Err(KafkaCode::KafkaStorageError),
        }
    }

    /// A producer id that was never given before.
    ///
    /// # Errors
    /// The code to answer with.
    pub async fn next_producer_id(&self) -> Result<i64, KafkaCode> {
        loop {
            if let Some(id) = self.producer_ids.lock().next() {
                return Ok(id);
            }
            match self.store.execute(Command::ReserveProducerIds).await {
                Ok(Ok(Done::ProducerIds { first, end })) => {
                    let mut ids = self.producer_ids.lock();
                    // Another request may have reserved at the same time: its rest is passed over.
                    *ids = first..end;
                }
                Ok(Err(refusal)) => return Err(code_of(refusal)),
                _ => return Err(KafkaCode::KafkaStorageError),
            }
        }
    }
}

/// How a refusal is told to a client.
#[must_use]
pub const fn code_of(refusal: Refusal) -> KafkaCode {
    match refusal {
        Refusal::UnknownPartition => KafkaCode::UnknownTopicOrPartition,
        Refusal::TopicExists => KafkaCode::TopicAlreadyExists,
        Refusal::PartitionCount => KafkaCode::InvalidPartitions,
        Refusal::TooMany => KafkaCode::PolicyViolation,
        Refusal::BatchTooLarge => KafkaCode::MessageTooLarge,
        Refusal::OutOfOrderSequence => KafkaCode::OutOfOrderSequenceNumber,
        Refusal::DuplicateSequence => KafkaCode::DuplicateSequenceNumber,
        Refusal::ProducerFenced => KafkaCode::InvalidProducerEpoch,
        Refusal::StorageFull => KafkaCode::KafkaStorageError,
        Refusal::OffsetOutOfRange => KafkaCode::OffsetOutOfRange,
    }
}
