//! The client of a group's coordinator: reads and stores what the group has committed.
//!
//! **Invariants.** Commits are those of a member in its generation; or, without membership, of
//! nobody (generation -1, no member id), which the broker takes only while the group has no
//! members. A commit counts as stored only when the coordinator said so for every partition.
//! Storing the same offsets twice does no harm, so a request whose answer got lost is simply
//! repeated.
//!
//! **References.** Kafka protocol guide: `FindCoordinator`, `OffsetFetch`, `OffsetCommit`.
use std::collections::BTreeMap;

use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::leave_group::{
    LeaveGroupRequest, LeaveGroupResponse, MemberIdentity,
};
use pagi_protocol::kafka::messages::offset_commit::{
    OffsetCommitPartition, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitTopic,
};
use pagi_protocol::kafka::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchResponse, OffsetFetchTopic,
};
use pagi_protocol::{ErrorCode, PagiError, TopicName};

use super::coordinator::Coordinator;
use super::topic_partition::TopicPartition;
use crate::core::commit::Position;
use crate::limits::BROKER_CALL_TIMEOUT;

/// With static members; every broker since Kafka 2.4 speaks it.
const LEAVE_GROUP_VERSION: i16 = 3;
/// With leader epochs; every broker since Kafka 2.1 speaks it.
const OFFSET_FETCH_VERSION: i16 = 5;
/// With static members; every broker since Kafka 2.3 speaks it.
const OFFSET_COMMIT_VERSION: i16 = 7;

/// A client of one group's coordinator. Connects when needed.
pub(super) struct GroupClient {
    coordinator: Coordinator,
    identity: Option<Identity>,
}

/// A member in one generation of its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// The generation, or -1.
    pub(super) generation: i32,
    /// Its id; empty when it has none.
    pub(super) member_id: String,
    /// The static member's name.
    pub(super) instance_id: Option<String>,
}

impl Default for Identity {
    /// Of somebody who is not a member.
    fn default() -> Self {
        Self { generation: -1, member_id: String::new(), instance_id: None }
    }
}

impl GroupClient {
    pub(super) fn new(brokers: &[String], client_id: &str, group_id: &str) -> Self {
        Self { coordinator: Coordinator::new(brokers, client_id, group_id), identity: None }
    }

    /// Commits are this member's from now on.
    pub(super) fn act_as(&mut self, identity: Identity) {
        self.identity = Some(identity);
    }

    /// Leaves the group, so that its other members need not wait until the session ends. A static
    /// member stays: it comes back under its name.
    pub(super) async fn leave(&mut self) {
        let Some(identity) = self.identity.take() else { return };
        if identity.instance_id.is_some() || identity.member_id.is_empty() {
            return;
        }
        let member = MemberIdentity { member_id: identity.member_id, ..MemberIdentity::default() };
        let request = LeaveGroupRequest {
            group_id: self.coordinator.group_id().to_owned(),
            members: vec![member],
            ..LeaveGroupRequest::default()
        };
        let left: Result<LeaveGroupResponse, _> =
            self.coordinator.call(&request, LEAVE_GROUP_VERSION, BROKER_CALL_TIMEOUT).await;
        if let Err(error) = left {
            tracing::warn!(%error, "could not leave the group; its other members wait for the end \
                of the session");
        }
    }

    /// What the group has committed for these partitions; those without a commit are left out.
    ///
    /// # Errors
    /// [`ErrorCode::BrokerUnavailable`] when it may succeed later, [`ErrorCode::Rejected`] when not.
    pub(super) async fn committed(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Position>, PagiError> {
        let by_topic = by_topic(partitions.iter().map(|id| (id, id.partition)));
        let topics = by_topic.into_iter().map(|(topic, partition_indexes)| OffsetFetchTopic {
            name: topic.as_str().to_owned(),
            partition_indexes,
        });
        let request = OffsetFetchRequest {
            group_id: self.coordinator.group_id().to_owned(),
            topics: Some(topics.collect()),
            ..OffsetFetchRequest::default()
        };
        let answer: OffsetFetchResponse =
            self.coordinator.call(&request, OFFSET_FETCH_VERSION, BROKER_CALL_TIMEOUT).await?;
        self.accept(answer.error_code)?;
        let mut committed = BTreeMap::new();
        for (name, partition) in answer
            .topics
            .into_iter()
            .flat_map(|t| t.partitions.into_iter().map(move |p| (t.name.clone(), p)))
        {
            self.accept(partition.error_code)?;
            if partition.committed_offset >= 0 {
                let topic = TopicName::parse(&name)?;
                let id = TopicPartition { topic, partition: partition.partition_index };
                let (offset, epoch) =
                    (partition.committed_offset, partition.committed_leader_epoch);
                committed.insert(id, Position { offset, epoch });
            }
        }
        Ok(committed)
    }

    /// Stores offsets, each the next one to read.
    ///
    /// # Errors
    /// [`ErrorCode::BrokerUnavailable`] when it may succeed later, [`ErrorCode::Rejected`] when not.
    pub(super) async fn commit(
        &mut self,
        offsets: &[(TopicPartition, Position)],
    ) -> Result<(), PagiError> {
        let topics = by_topic(offsets.iter().map(|(id, position)| (id, (id.partition, *position))));
        let topics = topics.into_iter().map(|(topic, offsets)| OffsetCommitTopic {
            name: topic.as_str().to_owned(),
            partitions: offsets
                .into_iter()
                .map(|(partition_index, position): (_, Position)| OffsetCommitPartition {
                    partition_index,
                    committed_offset: position.offset,
                    committed_leader_epoch: position.epoch,
                    ..OffsetCommitPartition::default()
                })
                .collect(),
        });
        let member = self.identity.clone().unwrap_or_default();
        let request = OffsetCommitRequest {
            group_id: self.coordinator.group_id().to_owned(),
            generation_id_or_member_epoch: member.generation,
            member_id: member.member_id,
            group_instance_id: member.instance_id,
            topics: topics.collect(),
            ..OffsetCommitRequest::default()
        };
        let answer: OffsetCommitResponse =
            self.coordinator.call(&request, OFFSET_COMMIT_VERSION, BROKER_CALL_TIMEOUT).await?;
        let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        if partitions.clone().count() < offsets.len() {
            return Err(self.coordinator.unavailable("the answer leaves partitions out"));
        }
        partitions.try_for_each(|partition| self.accept(partition.error_code))
    }

    /// Passes what is well. After any refusal the coordinator is looked for again.
    fn accept(&mut self, code: i16) -> Result<(), PagiError> {
        match KafkaCode::from_number(code) {
            // A topic that was deleted has nothing to resume.
            Some(KafkaCode::None | KafkaCode::UnknownTopicOrPartition) => Ok(()),
            _ => {
                self.coordinator.forget();
                Err(self.refusal(code))
            }
        }
    }

    fn refusal(&self, code: i16) -> PagiError {
        let group = self.coordinator.group_id();
        match (KafkaCode::from_number(code), &self.identity) {
            (Some(KafkaCode::UnknownMemberId | KafkaCode::IllegalGeneration), None) => {
                let detail = format!(
                    "group {group} has members that share its partitions; use another group"
                );
                PagiError::new(ErrorCode::Rejected, detail)
            }
            // The group goes on without us, for now: whoever keeps the membership finds out.
            (Some(code), Some(_)) if is_about_membership(code) => {
                self.coordinator.unavailable(format_args!("{code:?}"))
            }
            _ => self.coordinator.refusal(code),
        }
    }
}

/// Whether the group has changed, and the member has to find out what it is in it now.
const fn is_about_membership(code: KafkaCode) -> bool {
    matches!(
        code,
        KafkaCode::UnknownMemberId
            | KafkaCode::IllegalGeneration
            | KafkaCode::RebalanceInProgress
            | KafkaCode::FencedInstanceId
    )
}

fn by_topic<'a, T>(
    items: impl Iterator<Item = (&'a TopicPartition, T)>,
) -> BTreeMap<&'a TopicName, Vec<T>> {
    let mut by_topic = BTreeMap::<_, Vec<T>>::new();
    for (id, item) in items {
        by_topic.entry(&id.topic).or_default().push(item);
    }
    by_topic
}
