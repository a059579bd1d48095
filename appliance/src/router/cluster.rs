//! The `rskafka` client of one purpose, made when first needed and made anew when it fails.
//!
//! **Invariants.** No call waits without end: each has a timeout. `rskafka` itself repeats
//! nothing (its backoff has no time left from the start), since it would repeat a produce whose
//! answer got lost: who repeats what is decided by its caller here. A failed client is asked for
//! the cluster again before a partition is opened again, and after several failures in a row it
//! is given up for one that starts from the bootstrap addresses.
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rskafka::BackoffConfig;
use rskafka::client::error::{Error as KafkaError, ProtocolError};
use rskafka::client::partition::{PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};

use super::connection::LinkError;
use super::leader::Leader;
use super::nodelay::NoDelay;
use super::sync::lock;
use super::topic_partition::TopicPartition;
use super::verdict::CallError;
use crate::core::assign::group::Counts;
use crate::limits::{BROKER_CALL_TIMEOUT, CLIENT_FAILURES_MAX, TOPICS_REFRESH_PAUSE};

/// A client of a cluster, with what is known of its topics.
pub(super) struct Cluster {
    brokers: Vec<String>,
    client_id: Arc<str>,
    message_bytes_max: usize,
    no_delay: NoDelay,
    link: tokio::sync::Mutex<Link>,
    refreshed_at: tokio::sync::Mutex<Option<Instant>>,
    partitions: Mutex<HashMap<String, NonZeroU32>>,
}

#[derive(Default)]
struct Link {
    client: Option<Arc<Client>>,
    failures: u32,
    failing: bool,
    last_failure: Option<(Instant, String)>,
}

impl Cluster {
    /// Does not connect yet.
    pub(super) fn new(brokers: Vec<String>, client_id: &str, message_bytes_max: usize) -> Self {
        Self {
            brokers,
            client_id: Arc::from(client_id),
            message_bytes_max,
            no_delay: NoDelay::default(),
            link: tokio::sync::Mutex::default(),
            refreshed_at: tokio::sync::Mutex::default(),
            partitions: Mutex::default(),
        }
    }

    /// How many partitions the topic has, as last seen; nothing if it was not there.
    pub(super) fn partition_count(&self, topic: &str) -> Option<NonZeroU32> {
        lock(&self.partitions).get(topic).copied()
    }

    /// How many partitions each topic has, as last seen.
    pub(super) fn counts(&self) -> Counts {
        let partitions = lock(&self.partitions);
        let count = |count: &NonZeroU32| i32::try_from(count.get()).unwrap_or(i32::MAX);
        partitions.iter().map(|(topic, partitions)| (topic.clone(), count(partitions))).collect()
    }

    /// The bootstrap addresses, for messages.
    pub(super) fn address(&self) -> String {
        self.brokers.join(",")
    }

    /// Connects to the leader of a partition. On a broker that creates topics, asking creates.
    pub(super) async fn open(
        &self,
        topic: &str,
        partition: i32,
        timeout: Duration,
    ) -> Result<PartitionClient, CallError> {
        let timeout = timeout.min(BROKER_CALL_TIMEOUT);
        let opening = async {
            let client = self.client().await?;
            Ok(client.partition_client(topic, partition, UnknownTopicHandling::Error).await?)
        };
        let result = bounded(timeout, Box::pin(opening)).await;
        self.note(result.as_ref().err()).await;
        self.no_delay.switch_on().await;
        result
    }

    /// Makes a topic with one partition, and as many replicas as the broker gives by itself. One
    /// that is there already is as good.
    pub(super) async fn create(&self, topic: &str, timeout: Duration) -> Result<(), CallError> {
        const BY_DEFAULT: i16 = -1;
        let timeout = timeout.min(BROKER_CALL_TIMEOUT);
        let patience_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        let creating = async {
            let controller = self.client().await?.controller_client()?;
            Ok(controller.create_topic(topic, 1, BY_DEFAULT, patience_ms).await?)
        };
        let result = match bounded(timeout, Box::pin(creating)).await {
            Err(error) if error.code() == Some(ProtocolError::TopicAlreadyExists) => Ok(()),
            result => result,
        };
        self.note(result.as_ref().err()).await;
        result
    }

    /// Connects to the leader of a partition, to read it. Does not create its topic.
    pub(super) async fn lead(&self, id: &TopicPartition) -> Result<Leader, LinkError> {
        Leader::open(&self.brokers, &self.client_id, id, self.message_bytes_max).await
    }

    /// Looks at the cluster's topics, unless someone did a moment ago.
    pub(super) async fn refresh(&self, timeout: Duration) -> Result<(), CallError> {
        let look = async {
            let mut refreshed_at = self.refreshed_at.lock().await;
            if refreshed_at.is_some_and(|at| at.elapsed() < TOPICS_REFRESH_PAUSE) {
                return Ok(());
            }
            let topics = self.client().await?.list_topics().await?;
            *refreshed_at = Some(Instant::now());
            let counted = topics.into_iter().filter_map(|topic| {
                let count = u32::try_from(topic.partitions.len()).ok().and_then(NonZeroU32::new)?;
                Some((topic.name, count))
            });
            *lock(&self.partitions) = counted.collect();
            Ok(())
        };
        let result = bounded(timeout.min(BROKER_CALL_TIMEOUT), Box::pin(look)).await;
        self.note(result.as_ref().err()).await;
        result
    }

    /// The client; connects if there is none. Who waited while another one failed to connect
    /// gets that failure, instead of queueing for one of its own.
    async fn client(&self) -> Result<Arc<Client>, CallError> {
        let asked_at = Instant::now();
        let mut link = self.link.lock().await;
        if let Some(client) = &link.client {
            return Ok(Arc::clone(client));
        }
        if let Some((at, message)) = &link.last_failure
            && *at >= asked_at
        {
            return Err(CallError::Told(message.clone()));
        }
        let builder = ClientBuilder::new(self.brokers.clone())
            .client_id(Arc::clone(&self.client_id))
            .max_message_size(self.message_bytes_max)
            .backoff_config(no_repeats());
        // A little less than what the callers wait, so that it is this one that tells why.
        match bounded_kafka(BROKER_CALL_TIMEOUT.mul_f32(0.8), builder.build()).await {
            Ok(client) => {
                let client = Arc::new(client);
                link.client = Some(Arc::clone(&client));
                Ok(client)
            }
            Err(error) => {
                link.last_failure = Some((Instant::now(), error.to_string()));
                Err(error)
            }
        }
    }

    /// Counts failures in a row; a broker's own answer is none. Logs when they begin and end.
    async fn note(&self, error: Option<&CallError>) {
        let mut link = self.link.lock().await;
        let error = error.filter(|error| error.code().is_none());
        let failed_before = std::mem::replace(&mut link.failing, error.is_some());
        match error {
            None => {
                link.failures = 0;
                if failed_before {
                    tracing::info!(brokers = self.address(), "a broker answers again");
                }
            }
            Some(error) => {
                link.failures += 1;
                if !failed_before {
                    tracing::warn!(brokers = self.address(), %error, "no broker answers");
                }
            }
        }
        if link.failures >= CLIENT_FAILURES_MAX {
            link.failures = 0;
            link.client = None;
        }
    }
}

/// Runs a call for no longer than `timeout`. Boxed, because the futures of `rskafka` are deep.
async fn bounded<T>(
    timeout: Duration,
    call: Pin<Box<dyn Future<Output = Result<T, CallError>> + Send + '_>>,
) -> Result<T, CallError> {
    tokio::time::timeout(timeout, call).await.unwrap_or(Err(CallError::Timeout(timeout)))
}

/// Runs a call of `rskafka` for no longer than `timeout`.
pub(super) async fn bounded_kafka<T: Send>(
    timeout: Duration,
    call: impl Future<Output = Result<T, KafkaError>> + Send,
) -> Result<T, CallError> {
    bounded(timeout, Box::pin(async { Ok(call.await?) })).await
}

/// A backoff that gives up at the first failure. The other figures must only keep `rskafka` from
/// panicking (base > 1, initial > 0).
fn no_repeats() -> BackoffConfig {
    BackoffConfig {
        init_backoff: Duration::from_millis(50),
        max_backoff: Duration::from_secs(1),
        base: 2.0,
        deadline: Some(Duration::ZERO),
    }
}
