//! Where events go that cannot be handled.
//!
//! **Invariants.** A dead letter is stored when [`DeadLetters::bury`] returns, as durably as the
//! broker stores anything; until then it is tried again, for as long as it takes. A crash, or an
//! answer that got lost, may make a second one of the same event; none is ever left out.
use std::sync::atomic::{AtomicU64, Ordering};

use pagi_protocol::TopicName;
use prometheus_client::registry::Registry;

use super::config::Config;
use super::consumer_config::ConsumerConfig;
use super::dead_letter::{self, Story};
use super::event::Event;
use super::event_router::PagiEventRouter;
use super::handler::HandlerError;
use super::sync::{now_ms, random};
use crate::core::retry::Backoff;
use crate::limits::{PUBLISH_QUEUE_BYTES_MAX, RETRY_FIRST, RETRY_MAX};

/// Publishes dead letters.
pub(super) struct DeadLetters {
    router: PagiEventRouter,
    topic: Option<TopicName>,
    group: String,
    count: AtomicU64,
}

impl DeadLetters {
    /// Does not connect before there is a dead letter.
    pub(super) fn new(config: &ConsumerConfig) -> Self {
        let publishing = Config {
            brokers: config.brokers.clone(),
            client_id: config.client_id.clone(),
            // What was read is under the broker's limit, or nearly so: the broker is to say.
            record_bytes_max: PUBLISH_QUEUE_BYTES_MAX,
            ..Config::default()
        };
        Self {
            router: PagiEventRouter::new(publishing, &mut Registry::default()),
            topic: config.dead_letter_topic.clone(),
            group: config.group_id.clone(),
            count: AtomicU64::new(0),
        }
    }

    /// How many were stored.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Stores an event as a dead letter.
    ///
    /// # Errors
    /// When there can be no topic for it.
    pub(super) async fn bury(
        &self,
        event: &Event,
        reason: &str,
        tries: u32,
    ) -> Result<(), HandlerError> {
        let topic = self.topic_for(event)?;
        let Event { topic: from, partition, offset, .. } = event;
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        let mut failures = 0_u64;
        loop {
            let story = Story { reason, tries, group: &self.group, now_ms: now_ms() };
            match self.router.publish(&topic, dead_letter::of(event, story)).await {
                Ok(at) => {
                    self.count.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(%from, partition, offset, tries, reason, dead_letters = %topic,
                        dead_letter_partition = at.partition, dead_letter_offset = at.offset,
                        "an event became a dead letter");
                    return Ok(());
                }
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(%from, partition, offset, dead_letters = %topic, %error,
                            "a dead letter is not stored; trying until it is");
                    }
                    failures += 1;
                    tokio::time::sleep(backoff.next(random())).await;
                }
            }
        }
    }

    fn topic_for(&self, event: &Event) -> Result<TopicName, HandlerError> {
        match &self.topic {
            Some(topic) => Ok(topic.clone()),
            None => topic_of(&event.topic).map_err(|error| {
                let why = error.detail();
                HandlerError::Failed(format!("{why}; name one with --dlq-topic"))
            }),
        }
    }
}

/// The topic for the dead letters of a topic, unless another one was named.
pub(super) fn topic_of(topic: &TopicName) -> Result<TopicName, pagi_protocol::PagiError> {
    TopicName::parse(&format!("{topic}.dlq"))
}
