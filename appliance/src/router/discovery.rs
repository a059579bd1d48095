//! The task that finds partitions to read, now and as they appear, and where to start each.
//!
//! **Invariants.** A partition is found once. One that appears after the start is read from its
//! beginning whatever the policy, since everything in it is new. A topic that does not exist is
//! waited for, not created.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pagi_protocol::{ErrorCode, PagiError, TopicName};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::cluster::Cluster;
use super::consumer_config::{Assignment, ConsumerConfig};
use super::fetcher::Start;
use super::group_client::GroupClient;
use super::starts::starts;
use super::sync::random;
use super::topic_partition::TopicPartition;
use super::verdict::before_sending;
use crate::core::retry::Backoff;
use crate::limits::{
    BROKER_CALL_TIMEOUT, PARTITIONS_CONSUMED_MAX, RETRY_FIRST, RETRY_MAX, TOPIC_WAIT_INTERVAL,
    TOPICS_REFRESH_INTERVAL,
};

/// What was found.
#[derive(Debug)]
pub(super) enum Found {
    /// Partitions to read from now on, and where to start each.
    Partitions(Vec<(TopicPartition, Start)>),
    /// Others get these: finish what was begun, commit it, and say so.
    Revoked {
        /// The partitions.
        partitions: BTreeSet<TopicPartition>,
        /// Told when that is done.
        drained: oneshot::Sender<()>,
    },
    /// Others have these already: nothing of them may be committed any more.
    Lost {
        /// The partitions.
        partitions: BTreeSet<TopicPartition>,
        /// Told when no commit of them is under way.
        dropped: oneshot::Sender<()>,
    },
    /// Every partition that was there at the start has been told.
    AllAtStart,
    /// It cannot go on.
    Failed(PagiError),
}

/// What the task works with.
pub(super) struct Discovery {
    pub(super) config: ConsumerConfig,
    pub(super) cluster: Arc<Cluster>,
    pub(super) group: Arc<Mutex<GroupClient>>,
    pub(super) out: mpsc::Sender<Found>,
}

impl Discovery {
    /// Looks until nobody listens any more, or until it cannot go on.
    pub(super) async fn run(self) {
        if let Err(error) = self.look().await {
            // Nobody listens if the consumer has stopped meanwhile.
            let _ = self.out.send(Found::Failed(error)).await;
        }
    }

    async fn look(&self) -> Result<(), PagiError> {
        let mut known = BTreeSet::new();
        let missing = self.look_first(&mut known).await?;
        if self.config.exit_at_end && !missing.is_empty() {
            let detail = format!("there is nothing to read: {} does not exist", names(&missing));
            return Err(PagiError::new(ErrorCode::UnknownTopic, detail));
        }
        if self.out.send(Found::AllAtStart).await.is_err() {
            return Ok(());
        }
        let mut interval = wait_for(&missing);
        while !self.out.is_closed() {
            tokio::time::sleep(interval).await;
            match self.look_once(&mut known, false).await {
                Ok(missing) => interval = wait_for(&missing),
                Err(error) if error.code() == ErrorCode::BrokerUnavailable => {
                    tracing::debug!(%error, "cannot look for new partitions");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The first look, repeated until there is a broker to ask or patience ends.
    async fn look_first(
        &self,
        known: &mut BTreeSet<TopicPartition>,
    ) -> Result<Vec<TopicName>, PagiError> {
        let started = Instant::now();
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        loop {
            let error = match self.look_once(known, true).await {
                Ok(missing) => {
                    if !missing.is_empty() && !self.config.exit_at_end {
                        tracing::info!(
                            topics = names(&missing),
                            "waiting for topics that do not exist yet"
                        );
                    }
                    return Ok(missing);
                }
                Err(error) if error.code() == ErrorCode::BrokerUnavailable => error,
                Err(error) => return Err(error),
            };
            if self.config.connect_timeout.is_some_and(|timeout| started.elapsed() >= timeout) {
                return Err(error);
            }
            tracing::debug!(%error, "no broker yet, trying again");
            tokio::time::sleep(backoff.next(random())).await;
        }
    }

    /// Tells the partitions that are not known yet, and gives back the topics that are missing.
    async fn look_once(
        &self,
        known: &mut BTreeSet<TopicPartition>,
        at_start: bool,
    ) -> Result<Vec<TopicName>, PagiError> {
        let what = format!("cannot ask {} for topics", self.cluster.address());
        self.cluster
            .refresh(BROKER_CALL_TIMEOUT)
            .await
            .map_err(|error| before_sending(&error, &what).error)?;
        let (mut missing, mut new) = (Vec::new(), Vec::new());
        for topic in &self.config.topics {
            match self.cluster.partition_count(topic.as_str()) {
                None => missing.push(topic.clone()),
                Some(count) => new.extend(
                    (0..count.get())
                        .filter_map(|index| i32::try_from(index).ok())
                        .map(|partition| TopicPartition { topic: topic.clone(), partition })
                        .filter(|id| !known.contains(id) && self.is_wanted(id)),
                ),
            }
        }
        if known.len() + new.len() > PARTITIONS_CONSUMED_MAX {
            let detail = format!("the topics have more than {PARTITIONS_CONSUMED_MAX} partitions");
            return Err(PagiError::new(ErrorCode::InvalidConfig, detail));
        }
        if !new.is_empty() {
            let starts = starts(&self.group, new, self.config.from, |_| !at_start).await?;
            known.extend(starts.iter().map(|(id, _)| id.clone()));
            // Nobody listens if the consumer has stopped meanwhile.
            let _ = self.out.send(Found::Partitions(starts)).await;
        }
        Ok(missing)
    }
}

impl Discovery {
    fn is_wanted(&self, id: &TopicPartition) -> bool {
        match &self.config.assignment {
            Assignment::Group | Assignment::All => true,
            Assignment::Partitions(wanted) => {
                wanted.iter().any(|(topic, number)| *topic == id.topic && *number == id.partition)
            }
        }
    }
}

fn wait_for(missing: &[TopicName]) -> Duration {
    if missing.is_empty() { TOPICS_REFRESH_INTERVAL } else { TOPIC_WAIT_INTERVAL }
}

fn names(topics: &[TopicName]) -> String {
    topics.iter().map(TopicName::as_str).collect::<Vec<_>>().join(", ")
}
