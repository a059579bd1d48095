//! What a member of a group says to its coordinator, and what the answers mean.
//!
//! **References.** Kafka protocol guide: `JoinGroup`, `SyncGroup`, `Heartbeat`.
use std::collections::BTreeSet;
use std::time::Duration;

use pagi_protocol::kafka::consumer_protocol::{
    ConsumerAssignment, ConsumerPartitions, ConsumerSubscription, PROTOCOL_TYPE,
};
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use pagi_protocol::kafka::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse, JoinGroupResponseMember,
};
use pagi_protocol::kafka::messages::sync_group::{
    SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse,
};
use pagi_protocol::{ErrorCode, PagiError, TopicName};
use tokio::sync::Mutex;

use super::consumer_config::ConsumerConfig;
use super::coordinator::Coordinator;
use super::group_client::{GroupClient, Identity};
use super::topic_partition::TopicPartition;
use crate::core::assign::group::{self, Assignment, Counts, Place};
use crate::limits::BROKER_CALL_TIMEOUT;

/// With static members; every broker since Kafka 2.3 speaks it.
const JOIN_GROUP_VERSION: i16 = 5;
/// With static members; every broker since Kafka 2.3 speaks it.
const SYNC_GROUP_VERSION: i16 = 3;
/// With static members; every broker since Kafka 2.3 speaks it.
const HEARTBEAT_VERSION: i16 = 3;

/// Why a member is not in, or does not stay.
#[derive(Debug)]
pub(super) enum Setback {
    /// Join again: the group is about to share its partitions anew.
    Again,
    /// The coordinator does not know this member any more.
    Lost,
    /// It may succeed later.
    Later(PagiError),
    /// It will not.
    Never(PagiError),
}

impl Setback {
    /// What an error of a call means.
    pub(super) fn of(error: PagiError) -> Self {
        if error.code() == ErrorCode::BrokerUnavailable {
            Self::Later(error)
        } else {
            Self::Never(error)
        }
    }
}

/// A place in the group.
#[derive(Debug)]
pub(super) struct Joined {
    /// The generation.
    pub(super) generation: i32,
    /// What this member is to read.
    pub(super) assigned: BTreeSet<TopicPartition>,
}

/// A member, or who wants to be one.
#[derive(Debug)]
pub(super) struct Member {
    config: ConsumerConfig,
    coordinator: Coordinator,
    identity: Identity,
}

impl Member {
    pub(super) fn new(config: &ConsumerConfig) -> Self {
        Self {
            coordinator: Coordinator::new(&config.brokers, &config.client_id, &config.group_id),
            identity: Identity {
                instance_id: config.group_instance_id.clone(),
                ..Identity::default()
            },
            config: config.clone(),
        }
    }

    /// Starts anew, with nothing of the generation that it was in.
    pub(super) fn forget(&mut self) {
        self.identity.generation = Identity::default().generation;
        self.coordinator.forget();
    }

    /// Joins the group and gets its assignment; makes everybody's when it is the leader. From then
    /// on `group` commits as this member.
    pub(super) async fn enter(
        &mut self,
        owned: &BTreeSet<TopicPartition>,
        counts: &Counts,
        group: &Mutex<GroupClient>,
    ) -> Result<Joined, Setback> {
        let joined = self.join(owned).await?;
        self.identity.generation = joined.generation_id;
        group.lock().await.act_as(self.identity.clone());
        let leads = joined.leader == joined.member_id;
        let assignment =
            if leads { self.assign(&joined.members, counts) } else { Assignment::default() };
        let assigned = self.sync(assignment).await?;
        Ok(Joined { generation: self.identity.generation, assigned })
    }

    async fn join(
        &mut self,
        owned: &BTreeSet<TopicPartition>,
    ) -> Result<JoinGroupResponse, Setback> {
        let patience = self.config.rebalance_timeout + BROKER_CALL_TIMEOUT;
        // The first time the coordinator may only give an id (KIP-394).
        for _ in 0..2 {
            let request = self.join_request(owned);
            let call = self.coordinator.call(&request, JOIN_GROUP_VERSION, patience).await;
            let answer: JoinGroupResponse = call.map_err(Setback::of)?;
            match KafkaCode::from_number(answer.error_code) {
                Some(KafkaCode::None) => {
                    self.identity.member_id.clone_from(&answer.member_id);
                    return Ok(answer);
                }
                Some(KafkaCode::MemberIdRequired) => {
                    self.identity.member_id = answer.member_id;
                }
                _ => return Err(self.setback(answer.error_code)),
            }
        }
        Err(Setback::Lost)
    }

    fn join_request(&self, owned: &BTreeSet<TopicPartition>) -> JoinGroupRequest {
        let owned = owned.iter().map(|id| (id.topic.as_str().to_owned(), id.partition));
        let subscription = ConsumerSubscription {
            topics: self.config.topics.iter().map(|topic| topic.as_str().to_owned()).collect(),
            owned_partitions: by_topic(owned),
            generation_id: self.identity.generation,
            ..ConsumerSubscription::default()
        };
        JoinGroupRequest {
            group_id: self.config.group_id.clone(),
            session_timeout_ms: millis(self.config.session_timeout),
            rebalance_timeout_ms: millis(self.config.rebalance_timeout),
            member_id: self.identity.member_id.clone(),
            group_instance_id: self.identity.instance_id.clone(),
            protocol_type: PROTOCOL_TYPE.to_owned(),
            protocols: vec![JoinGroupRequestProtocol {
                name: self.config.assignor.name().to_owned(),
                metadata: subscription.to_bytes(),
            }],
            ..JoinGroupRequest::default()
        }
    }

    fn assign(&self, members: &[JoinGroupResponseMember], counts: &Counts) -> Assignment {
        let members: Vec<_> = members.iter().map(parsed).collect();
        self.config.assignor.assign(&members, counts)
    }

    async fn sync(&mut self, assignment: Assignment) -> Result<BTreeSet<TopicPartition>, Setback> {
        let assignments = assignment.into_iter().map(|(member_id, places)| {
            let assigned_partitions = by_topic(places.into_iter());
            let assignment = ConsumerAssignment { assigned_partitions, user_data: None };
            SyncGroupRequestAssignment { member_id, assignment: assignment.to_bytes() }
        });
        let request = SyncGroupRequest {
            group_id: self.config.group_id.clone(),
            generation_id: self.identity.generation,
            member_id: self.identity.member_id.clone(),
            group_instance_id: self.identity.instance_id.clone(),
            assignments: assignments.collect(),
            ..SyncGroupRequest::default()
        };
        let patience = self.config.rebalance_timeout + BROKER_CALL_TIMEOUT;
        let call = self.coordinator.call(&request, SYNC_GROUP_VERSION, patience).await;
        let answer: SyncGroupResponse = call.map_err(Setback::of)?;
        self.accept(answer.error_code)?;
        let never = |error: &dyn std::fmt::Display| {
            let detail = format!("the assignment from the group's leader makes no sense: {error}");
            Setback::Never(PagiError::new(ErrorCode::Rejected, detail))
        };
        let assignment =
            ConsumerAssignment::parse(&answer.assignment).map_err(|error| never(&error))?;
        let mut assigned = BTreeSet::new();
        for ConsumerPartitions { topic, partitions } in assignment.assigned_partitions {
            let topic = TopicName::parse(&topic).map_err(|error| never(&error))?;
            let id = |partition| TopicPartition { topic: topic.clone(), partition };
            assigned.extend(partitions.into_iter().map(id));
        }
        Ok(assigned)
    }

    /// Gives a sign of life.
    pub(super) async fn heartbeat(&mut self) -> Result<(), Setback> {
        let request = HeartbeatRequest {
            group_id: self.config.group_id.clone(),
            generation_id: self.identity.generation,
            member_id: self.identity.member_id.clone(),
            group_instance_id: self.identity.instance_id.clone(),
        };
        let call = self.coordinator.call(&request, HEARTBEAT_VERSION, BROKER_CALL_TIMEOUT).await;
        let answer: HeartbeatResponse = call.map_err(Setback::of)?;
        self.accept(answer.error_code)
    }

    fn accept(&mut self, code: i16) -> Result<(), Setback> {
        if code == KafkaCode::None.number() { Ok(()) } else { Err(self.setback(code)) }
    }

    fn setback(&mut self, code: i16) -> Setback {
        let group = &self.config.group_id;
        let never = |detail: String| Setback::Never(PagiError::new(ErrorCode::Rejected, detail));
        match KafkaCode::from_number(code) {
            Some(KafkaCode::RebalanceInProgress) => Setback::Again,
            Some(KafkaCode::IllegalGeneration) => Setback::Lost,
            Some(KafkaCode::UnknownMemberId) => {
                self.identity.member_id.clear();
                Setback::Lost
            }
            Some(KafkaCode::FencedInstanceId) => never(format!(
                "another consumer joined group {group} as the static member '{}': give each its \
                 own --group-instance-id",
                self.identity.instance_id.as_deref().unwrap_or_default()
            )),
            Some(KafkaCode::InconsistentGroupProtocol) => never(format!(
                "the members of group {group} do not share partitions by '{}': choose another \
                 --assignor, or another group",
                self.config.assignor.name()
            )),
            _ => {
                self.coordinator.forget();
                Setback::of(self.coordinator.refusal(code))
            }
        }
    }
}

/// A member as it said of itself; one that cannot be understood wants nothing.
fn parsed(member: &JoinGroupResponseMember) -> group::Member {
    let subscription = ConsumerSubscription::parse(&member.metadata).unwrap_or_else(|error| {
        tracing::warn!(member = member.member_id, %error, "a member's subscription makes no sense");
        ConsumerSubscription::default()
    });
    let owned = subscription.owned_partitions.into_iter().flat_map(|of| {
        of.partitions.into_iter().map(move |partition| (of.topic.clone(), partition))
    });
    group::Member {
        id: member.member_id.clone(),
        instance_id: member.group_instance_id.clone(),
        topics: subscription.topics.into_iter().collect(),
        owned: owned.collect(),
        generation: subscription.generation_id,
    }
}

fn by_topic(places: impl Iterator<Item = Place>) -> Vec<ConsumerPartitions> {
    let mut topics: Vec<ConsumerPartitions> = Vec::new();
    for (topic, partition) in places {
        match topics.last_mut().filter(|last| last.topic == topic) {
            Some(last) => last.partitions.push(partition),
            None => topics.push(ConsumerPartitions { topic, partitions: vec![partition] }),
        }
    }
    topics
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
