//! The task that keeps a consumer's place in its group, and gives it the partitions that are its.
//!
//! **Invariants.** Partitions are read only while the group says that they are this member's:
//! before others can get them they are given up, which means that what is with the handler is done
//! and committed, or that nobody answered for a session and they are dropped. With `range` all are
//! given up before each generation; with `cooperative-sticky` only those that move. A member that
//! is asked to join again goes on with its signs of life while it gives partitions up.
//!
//! **References.** Kafka protocol guide: `JoinGroup`, `SyncGroup`, `Heartbeat`; KIP-345 (static
//! members), KIP-394 (member ids), KIP-429 (cooperative).
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pagi_protocol::{ErrorCode, PagiError, TopicName};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

use super::cluster::Cluster;
use super::consumer_config::ConsumerConfig;
use super::discovery::Found;
use super::group_client::{GroupClient, Identity};
use super::member::{Joined, Member, Setback};
use super::starts::starts;
use super::sync::random;
use super::topic_partition::TopicPartition;
use super::verdict::before_sending;
use crate::core::assign::group::Counts;
use crate::core::retry::Backoff;
use crate::limits::{
    BROKER_CALL_TIMEOUT, HEARTBEAT_INTERVAL, PARTITIONS_CONSUMED_MAX, RETRY_FIRST, RETRY_MAX,
    TOPIC_WAIT_INTERVAL, TOPICS_REFRESH_INTERVAL,
};

/// See the module.
pub(super) struct Membership {
    config: ConsumerConfig,
    cluster: Arc<Cluster>,
    group: Arc<Mutex<GroupClient>>,
    out: mpsc::Sender<Found>,
    member: Member,
    owned: BTreeSet<TopicPartition>,
    /// The topics when it first looked: what is more than that is new.
    at_start: Option<Counts>,
    /// When the coordinator last said that all is well.
    heard_at: Instant,
    backoff: Backoff,
}

/// Why a member is to join again.
enum Again {
    /// The group asks for it, or there are other partitions.
    Rebalance,
    /// It is not a member any more.
    Lost,
}

impl Membership {
    pub(super) fn new(
        config: ConsumerConfig,
        cluster: Arc<Cluster>,
        group: Arc<Mutex<GroupClient>>,
        out: mpsc::Sender<Found>,
    ) -> Self {
        Self {
            member: Member::new(&config),
            config,
            cluster,
            group,
            out,
            owned: BTreeSet::new(),
            at_start: None,
            heard_at: Instant::now(),
            backoff: Backoff::new(RETRY_FIRST, RETRY_MAX),
        }
    }

    /// Runs until the consumer goes, or until there is no way on, which is said.
    pub(super) async fn run(mut self) {
        if let Err(error) = self.live().await {
            // Nobody listens if the consumer has stopped meanwhile.
            let _ = self.out.send(Found::Failed(error)).await;
        }
    }

    async fn live(&mut self) -> Result<(), PagiError> {
        let began = Instant::now();
        let mut was_in = false;
        while !self.out.is_closed() {
            match self.enter().await {
                Ok(joined) => {
                    was_in = true;
                    self.backoff.reset();
                    if self.take_over(joined).await? {
                        continue;
                    }
                    match self.stay().await? {
                        Again::Rebalance if self.config.assignor.is_eager() => {
                            self.give_up(self.owned.clone()).await?;
                        }
                        Again::Rebalance => {}
                        Again::Lost => self.lose().await,
                    }
                }
                Err(Setback::Again) => {}
                Err(Setback::Lost) => self.lose().await,
                Err(Setback::Later(error)) => {
                    let patience = self.config.connect_timeout.filter(|_| !was_in);
                    if patience.is_some_and(|patience| began.elapsed() >= patience) {
                        return Err(error);
                    }
                    if self.is_forgotten() {
                        self.lose().await;
                    }
                    tracing::debug!(%error, "cannot join the group, trying again");
                    tokio::time::sleep(self.backoff.next(random())).await;
                }
                Err(Setback::Never(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Joins, and brings the assignment when it is this member's turn to make it.
    async fn enter(&mut self) -> Result<Joined, Setback> {
        let counts = self.counts().await?;
        self.look_at_start(&counts).map_err(Setback::Never)?;
        let joined = self.member.enter(&self.owned, &counts, &self.group).await?;
        self.heard_at = Instant::now();
        Ok(joined)
    }

    fn look_at_start(&mut self, counts: &Counts) -> Result<(), PagiError> {
        if self.at_start.is_some() {
            return Ok(());
        }
        let missing = missing(&self.config.topics, counts);
        if !missing.is_empty() && self.config.exit_at_end {
            let detail = format!("there is nothing to read: {missing} does not exist");
            return Err(PagiError::new(ErrorCode::UnknownTopic, detail));
        }
        if !missing.is_empty() {
            tracing::info!(topics = missing, "waiting for topics that do not exist yet");
        }
        self.at_start = Some(counts.clone());
        Ok(())
    }

    /// All topics of the cluster.
    async fn counts(&self) -> Result<Counts, Setback> {
        let what = format!("cannot ask {} for topics", self.cluster.address());
        match self.cluster.refresh(BROKER_CALL_TIMEOUT).await {
            Ok(()) => Ok(self.cluster.counts()),
            Err(error) => Err(Setback::of(before_sending(&error, &what).error)),
        }
    }

    /// Gives up what is not this member's any more, and starts what is; whether it gave up
    /// something, which others wait for.
    async fn take_over(&mut self, joined: Joined) -> Result<bool, PagiError> {
        let Joined { generation, assigned } = joined;
        if assigned.len() > PARTITIONS_CONSUMED_MAX {
            let detail = format!(
                "the group gives this member {} partitions; it reads {PARTITIONS_CONSUMED_MAX} at \
                 most. Add members",
                assigned.len()
            );
            return Err(PagiError::new(ErrorCode::InvalidConfig, detail));
        }
        let gone: BTreeSet<_> = self.owned.difference(&assigned).cloned().collect();
        let new: Vec<_> = assigned.difference(&self.owned).cloned().collect();
        tracing::info!(
            group = self.config.group_id,
            generation,
            partitions = assigned.len(),
            new = new.len(),
            gone = gone.len(),
            "in the group"
        );
        let gave_up = !gone.is_empty();
        self.give_up(gone).await?;
        if !new.is_empty() {
            self.begin(new).await?;
        }
        let _ = self.out.send(Found::AllAtStart).await;
        Ok(gave_up)
    }

    async fn begin(&mut self, new: Vec<TopicPartition>) -> Result<(), PagiError> {
        loop {
            let at_start = self.at_start.as_ref();
            let is_new = |id: &TopicPartition| {
                let had = at_start.and_then(|counts| counts.get(id.topic.as_str()));
                had.is_none_or(|had| id.partition >= *had)
            };
            match starts(&self.group, new.clone(), self.config.from, is_new).await {
                Ok(starts) => {
                    self.owned.extend(new);
                    // Nobody listens if the consumer has stopped meanwhile.
                    let _ = self.out.send(Found::Partitions(starts)).await;
                    return Ok(());
                }
                Err(error) if error.code() != ErrorCode::BrokerUnavailable => return Err(error),
                // Whoever is forgotten meanwhile owns none of them.
                Err(_) if self.is_forgotten() || self.out.is_closed() => return Ok(()),
                Err(error) => {
                    tracing::debug!(%error, "cannot ask where the group got to, trying again");
                    tokio::time::sleep(self.backoff.next(random())).await;
                }
            }
        }
    }

    /// Gives signs of life until there is a reason to join again.
    async fn stay(&mut self) -> Result<Again, PagiError> {
        let mut seen = self.wanted_counts();
        let mut look_at = Instant::now() + self.look_interval(&seen);
        while !self.out.is_closed() {
            tokio::time::sleep_until(look_at.min(Instant::now() + HEARTBEAT_INTERVAL)).await;
            if let Some(again) = self.sign_of_life().await? {
                return Ok(again);
            }
            if Instant::now() >= look_at {
                if let Ok(counts) = self.counts().await {
                    let now = wanted(&self.config.topics, &counts);
                    if now != std::mem::replace(&mut seen, now.clone()) {
                        tracing::info!("the topics have changed; joining the group again");
                        return Ok(Again::Rebalance);
                    }
                }
                look_at = Instant::now() + self.look_interval(&seen);
            }
        }
        Ok(Again::Lost)
    }

    async fn sign_of_life(&mut self) -> Result<Option<Again>, PagiError> {
        match self.member.heartbeat().await {
            Ok(()) => {
                self.heard_at = Instant::now();
                self.backoff.reset();
                Ok(None)
            }
            Err(Setback::Again) => {
                self.heard_at = Instant::now();
                Ok(Some(Again::Rebalance))
            }
            Err(Setback::Lost) => Ok(Some(Again::Lost)),
            Err(Setback::Later(_)) if self.is_forgotten() => Ok(Some(Again::Lost)),
            Err(Setback::Later(error)) => {
                tracing::debug!(%error, "no sign of life could be given, trying again");
                tokio::time::sleep(self.backoff.next(random())).await;
                Ok(None)
            }
            Err(Setback::Never(error)) => Err(error),
        }
    }

    /// Whether the coordinator must think by now that this member is dead.
    fn is_forgotten(&self) -> bool {
        self.heard_at.elapsed() >= self.config.session_timeout
    }

    fn wanted_counts(&self) -> Counts {
        wanted(&self.config.topics, &self.cluster.counts())
    }

    fn look_interval(&self, seen: &Counts) -> Duration {
        let all_there = seen.len() == self.config.topics.len();
        if all_there { TOPICS_REFRESH_INTERVAL } else { TOPIC_WAIT_INTERVAL }
    }

    /// Waits until what the handler has of these is done and committed, for a bounded time.
    async fn give_up(&mut self, partitions: BTreeSet<TopicPartition>) -> Result<(), PagiError> {
        if partitions.is_empty() {
            return Ok(());
        }
        let (drained, mut is_drained) = oneshot::channel();
        let revoked = Found::Revoked { partitions: partitions.clone(), drained };
        if self.out.send(revoked).await.is_err() {
            return Ok(());
        }
        let deadline = Instant::now() + self.config.rebalance_timeout;
        loop {
            let next = Instant::now() + HEARTBEAT_INTERVAL;
            tokio::select! {
                // An error is a consumer that is gone.
                _ = &mut is_drained => break,
                () = tokio::time::sleep_until(next.min(deadline)) => {}
            }
            let lost = matches!(self.sign_of_life().await?, Some(Again::Lost));
            if lost || Instant::now() >= deadline {
                tracing::warn!(
                    lost,
                    "events of partitions that others get now are still with the handler: \
                    they come again"
                );
                self.drop_at_once(partitions.clone()).await;
                break;
            }
        }
        self.owned = self.owned.difference(&partitions).cloned().collect();
        Ok(())
    }

    /// Others have everything: nothing of it may be committed.
    async fn lose(&mut self) {
        self.member.forget();
        let owned = std::mem::take(&mut self.owned);
        if !owned.is_empty() {
            let group = &self.config.group_id;
            tracing::warn!(group, partitions = owned.len(), "not a member of the group any more");
            self.drop_at_once(owned).await;
        }
        self.group.lock().await.act_as(Identity::default());
        self.heard_at = Instant::now();
    }

    async fn drop_at_once(&self, partitions: BTreeSet<TopicPartition>) {
        let (dropped, is_dropped) = oneshot::channel();
        // Nobody listens if the consumer has stopped meanwhile.
        if self.out.send(Found::Lost { partitions, dropped }).await.is_ok() {
            let _ = is_dropped.await;
        }
    }
}

fn wanted(topics: &[TopicName], counts: &Counts) -> Counts {
    let names = topics.iter().map(TopicName::as_str);
    names.filter_map(|name| counts.get_key_value(name)).map(|(n, c)| (n.clone(), *c)).collect()
}

fn missing(topics: &[TopicName], counts: &Counts) -> String {
    let missing = topics.iter().map(TopicName::as_str).filter(|name| !counts.contains_key(*name));
    missing.collect::<Vec<_>>().join(", ")
}
