//! A group: its members and where it is between two generations.
//!
//! **Invariants.** The leader, where there is one, is a member. Every static id belongs to one
//! member. A request that waits belongs to a member, and is answered when that member goes.
use std::collections::BTreeMap;

use bytes::Bytes;
use pagi_protocol::kafka::error_code::KafkaCode;

use super::answer::{Answer, Effects, Joined, JoinedMember, Synced};
use super::member::Member;
use crate::core::log::group_metadata::{GroupMetadata, MemberMetadata};

/// Where a group is, by Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It has no members.
    Empty,
    /// Its members are called upon to join.
    PreparingRebalance,
    /// Its leader is assigning.
    CompletingRebalance,
    /// Its members have their assignments.
    Stable,
}

impl Phase {
    /// Kafka's name for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// See the module. `T` is whatever stands for a request that waits.
#[derive(Debug)]
pub struct Group<T> {
    pub(super) id: String,
    pub(super) phase: Phase,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) members: BTreeMap<String, Member<T>>,
    /// Ids that were given to clients that are to join with them, and until when they may.
    pub(super) promised: BTreeMap<String, i64>,
    /// The rebalance goes on without those who have not joined by then.
    pub(super) join_ends_ms: Option<i64>,
    /// While it is the first one of a group without members: it ends when time is up, not when
    /// all have joined, for more may come.
    pub(super) join_is_initial: bool,
    /// Members that have not asked for their assignment by then are gone.
    pub(super) sync_ends_ms: Option<i64>,
    /// The leader's assignments, while they are being stored.
    pub(super) assigned: Option<BTreeMap<String, Bytes>>,
    /// A static member that came back, and its answer, while its new id is being stored.
    pub(super) resuming: Option<(T, Joined)>,
}

impl<T> Group<T> {
    /// A group that nobody has joined.
    #[must_use]
    pub const fn new(id: String) -> Self {
        Self {
            id,
            phase: Phase::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            promised: BTreeMap::new(),
            join_ends_ms: None,
            join_is_initial: false,
            sync_ends_ms: None,
            assigned: None,
            resuming: None,
        }
    }

    /// A group as it was stored; its members' sessions begin anew.
    #[must_use]
    pub fn restored(stored: &GroupMetadata, now_ms: i64) -> Self {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let member = |member: &MemberMetadata| Member {
            id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            session_timeout_ms: member.session_timeout_ms,
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            protocols: vec![(stored.protocol.clone(), member.subscription.clone())],
            assignment: member.assignment.clone(),
            joining: None,
            syncing: None,
            synced: true,
            session_ends_ms: now_ms.saturating_add(member.session_timeout_ms),
        };
        let members: BTreeMap<_, _> =
            stored.members.iter().map(|m| (m.id.clone(), member(m))).collect();
        Self {
            phase: if members.is_empty() { Phase::Empty } else { Phase::Stable },
            generation: stored.generation,
            protocol_type: some(&stored.protocol_type),
            protocol: some(&stored.protocol),
            leader: some(&stored.leader),
            members,
            ..Self::new(stored.group.clone())
        }
    }

    /// What is to be stored of it, but for the time; `assigned` are assignments that are not given
    /// out yet.
    pub(super) fn metadata(&self) -> Box<GroupMetadata> {
        let protocol = self.protocol.clone().unwrap_or_default();
        let assignment = |member: &Member<T>| match &self.assigned {
            Some(assigned) => assigned.get(&member.id).cloned().unwrap_or_default(),
            None => member.assignment.clone(),
        };
        let member = |member: &Member<T>| MemberMetadata {
            id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            session_timeout_ms: member.session_timeout_ms,
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            subscription: member.metadata(&protocol),
            assignment: assignment(member),
        };
        Box::new(GroupMetadata {
            group: self.id.clone(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            leader: self.leader.clone().unwrap_or_default(),
            stored_ms: 0,
            members: self.members.values().map(member).collect(),
            protocol,
        })
    }

    /// Where it is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// What its members are to each other, where that is known.
    #[must_use]
    pub fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    /// The way of assigning of this generation.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Its members, by id.
    pub fn members(&self) -> impl Iterator<Item = &Member<T>> {
        self.members.values()
    }

    /// The bytes that its members take, or a little more.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.members.values().map(Member::bytes).sum()
    }

    /// Its generation; 0 before the first.
    #[must_use]
    pub const fn generation(&self) -> i32 {
        self.generation
    }

    /// Whether nothing would be lost without it: nobody has joined, is joining or was stored.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.members.is_empty() && self.promised.is_empty() && self.generation == 0
    }

    /// The member that a client claims to be.
    ///
    /// # Errors
    /// [`KafkaCode::UnknownMemberId`], or [`KafkaCode::FencedInstanceId`] when another client has
    /// its static id now.
    pub(super) fn member_mut(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> Result<&mut Member<T>, KafkaCode> {
        self.check_instance(member_id, instance_id)?;
        self.members.get_mut(member_id).ok_or(KafkaCode::UnknownMemberId)
    }

    /// Holds a client's static id against the group's.
    ///
    /// # Errors
    /// As for [`Group::member_mut`].
    pub(super) fn check_instance(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> Result<(), KafkaCode> {
        let Some(instance_id) = instance_id else { return Ok(()) };
        match self.member_of(instance_id) {
            None => Err(KafkaCode::UnknownMemberId),
            Some(known) if known != member_id => Err(KafkaCode::FencedInstanceId),
            Some(_) => Ok(()),
        }
    }

    /// The id of the member with this static id.
    pub(super) fn member_of(&self, instance_id: &str) -> Option<&str> {
        let has = |member: &&Member<T>| member.instance_id.as_deref() == Some(instance_id);
        self.members.values().find(has).map(|member| member.id.as_str())
    }

    /// The answer to a member that has joined this generation.
    pub(super) fn joined(&self, member_id: &str) -> Joined {
        let protocol = self.protocol.clone().unwrap_or_default();
        let is_leader = self.leader.as_deref() == Some(member_id);
        let told = |member: &Member<T>| JoinedMember {
            id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            metadata: member.metadata(&protocol),
        };
        let everyone = self.members.values().filter(|_| is_leader);
        Joined {
            code: KafkaCode::None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: member_id.to_owned(),
            members: everyone.map(told).collect(),
        }
    }

    /// The answer to a member that asks for its assignment.
    pub(super) fn synced(&self, assignment: Bytes) -> Synced {
        Synced {
            code: KafkaCode::None,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment,
        }
    }

    /// Answers every `SyncGroup` that waits with an error.
    pub(super) fn fail_syncs(&mut self, code: KafkaCode, effects: &mut Effects<T>, now_ms: i64) {
        for member in self.members.values_mut() {
            if let Some(waiting) = member.syncing.take() {
                member.heard(now_ms);
                effects.answers.push((waiting, Answer::Synced(Synced::failed(code))));
            }
        }
    }
}
