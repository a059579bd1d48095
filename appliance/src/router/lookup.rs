//! Finding out how many partitions a topic has, which on most brokers also creates it.
//!
//! **Invariants.** Callers who ask for the same topic at the same time share one lookup. A topic
//! that is missing is waited for a bounded time, since creating it takes the broker a moment.
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use pagi_protocol::{ErrorCode, PagiError, TopicName};

use super::cluster::Cluster;
use super::sync::{lock, random};
use super::verdict::{Next, Verdict, before_sending};
use crate::core::retry::Backoff;
use crate::limits::{RETRY_FIRST, RETRY_MAX, TOPIC_CREATION_TIMEOUT, TOPIC_LOOKUPS_MAX};

/// The topic that a health check writes to.
pub const HEALTH_TOPIC: &str = "pagi.health";
/// The topic of the gateway's audit events.
pub const AUDIT_TOPIC: &str = "pagi.audit";

const OWN_TOPICS: [&str; 2] = [HEALTH_TOPIC, AUDIT_TOPIC];

/// A lookup that is going on. Who holds the lock asks; the failure is for those who wait.
type Shared = Arc<tokio::sync::Mutex<Option<PagiError>>>;

/// The lookups that are going on.
pub(super) struct Lookups {
    cluster: Arc<Cluster>,
    going_on: Mutex<HashMap<TopicName, Shared>>,
}

impl Lookups {
    pub(super) fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster, going_on: Mutex::default() }
    }

    /// The topic's partition count, from memory or from the cluster.
    pub(super) async fn partitions(
        &self,
        topic: &TopicName,
        give_up_at: Instant,
    ) -> Result<NonZeroU32, PagiError> {
        if let Some(count) = self.cluster.partition_count(topic.as_str()) {
            return Ok(count);
        }
        let shared = self.join(topic)?;
        let mut failure = shared.lock().await;
        if let Some(count) = self.cluster.partition_count(topic.as_str()) {
            return Ok(count);
        }
        if let Some(error) = &*failure {
            return Err(error.clone());
        }
        let _leave = Leave { lookups: self, topic };
        let result = self.ask(topic, give_up_at).await;
        *failure = result.as_ref().err().cloned();
        result
    }

    fn join(&self, topic: &TopicName) -> Result<Shared, PagiError> {
        let mut going_on = lock(&self.going_on);
        if going_on.len() >= TOPIC_LOOKUPS_MAX && !going_on.contains_key(topic) {
            let detail = format!("{TOPIC_LOOKUPS_MAX} topics are being looked up; retry");
            return Err(PagiError::new(ErrorCode::Overloaded, detail));
        }
        Ok(Arc::clone(going_on.entry(topic.clone()).or_default()))
    }

    async fn ask(&self, topic: &TopicName, give_up_at: Instant) -> Result<NonZeroU32, PagiError> {
        let missing_until = (Instant::now() + TOPIC_CREATION_TIMEOUT).min(give_up_at);
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        let mut seen_missing = None;
        loop {
            let verdict = match self.ask_once(topic, give_up_at).await {
                Ok(Some(count)) => return Ok(count),
                Ok(None) => missing(topic),
                Err(verdict) => verdict,
            };
            if verdict.next != Next::Again {
                return Err(verdict.error);
            }
            let is_missing = verdict.error.code() == ErrorCode::UnknownTopic;
            if is_missing {
                seen_missing = Some(verdict.error.clone());
            }
            if Instant::now() >= if is_missing { missing_until } else { give_up_at } {
                // A broker that said so tells more than one that was too slow to say it again.
                return Err(seen_missing.unwrap_or(verdict.error));
            }
            tokio::time::sleep(backoff.next(random())).await;
        }
    }

    async fn ask_once(
        &self,
        topic: &TopicName,
        give_up_at: Instant,
    ) -> Result<Option<NonZeroU32>, Verdict> {
        let what = format!("cannot look up topic {topic} at {}", self.cluster.address());
        let left = || give_up_at.saturating_duration_since(Instant::now());
        self.cluster.refresh(left()).await.map_err(|error| before_sending(&error, &what))?;
        if let Some(count) = self.cluster.partition_count(topic.as_str()) {
            return Ok(Some(count));
        }
        // Asking for the topic by its name makes a broker that creates topics create it. Those of
        // the product itself must be there also on a broker that does not.
        let made = match OWN_TOPICS.contains(&topic.as_str()) {
            true => self.cluster.create(topic.as_str(), left()).await,
            false => self.cluster.open(topic.as_str(), 0, left()).await.map(drop),
        };
        made.map_err(|error| before_sending(&error, &what))?;
        self.cluster.refresh(left()).await.map_err(|error| before_sending(&error, &what))?;
        Ok(self.cluster.partition_count(topic.as_str()))
    }
}

/// Ends a lookup, also when who asked has stopped waiting: the next one then starts anew.
struct Leave<'a> {
    lookups: &'a Lookups,
    topic: &'a TopicName,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        lock(&self.lookups.going_on).remove(self.topic);
    }
}

fn missing(topic: &TopicName) -> Verdict {
    let detail = format!(
        "topic {topic} does not exist, and the broker did not create it (or it is the broker's own)"
    );
    Verdict::new(Next::Again, ErrorCode::UnknownTopic, detail)
}
