//! From one generation to the next.
use std::collections::BTreeMap;

use pagi_protocol::kafka::error_code::KafkaCode;

use super::answer::{Answer, Effects, Joined, Synced};
use super::member::Member;
use super::state::{Group, Phase};
use crate::limits::{GROUP_INITIAL_REBALANCE_DELAY_MS, GROUP_LEADER_WAIT_MS_MIN};

impl<T> Group<T> {
    /// Calls upon all members to join again. Nothing new when they are already.
    pub(super) fn rebalance(&mut self, now_ms: i64, effects: &mut Effects<T>) {
        if self.phase == Phase::PreparingRebalance {
            return;
        }
        self.fail_syncs(KafkaCode::RebalanceInProgress, effects, now_ms);
        self.join_is_initial = self.phase == Phase::Empty;
        let wait_ms = match self.join_is_initial {
            true => GROUP_INITIAL_REBALANCE_DELAY_MS,
            false => self.rebalance_timeout_ms(),
        };
        self.phase = Phase::PreparingRebalance;
        self.assigned = None;
        self.sync_ends_ms = None;
        self.join_ends_ms = Some(now_ms.saturating_add(wait_ms));
    }

    fn rebalance_timeout_ms(&self) -> i64 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    /// Begins the next generation if nobody is waited for.
    pub(super) fn complete_if_all_joined(&mut self, now_ms: i64, effects: &mut Effects<T>) {
        let all = self.promised.is_empty() && self.members.values().all(|m| m.joining.is_some());
        let empty = self.members.is_empty();
        let due = all && (!self.join_is_initial || empty);
        if self.phase == Phase::PreparingRebalance && due {
            self.complete(now_ms, effects);
        }
    }

    /// Begins the next generation with those who have joined. A static member that has not keeps
    /// its place until its session ends.
    pub(super) fn complete(&mut self, now_ms: i64, effects: &mut Effects<T>) {
        self.members.retain(|_, member| member.joining.is_some() || member.instance_id.is_some());
        if !self.members.is_empty() && self.members.values().all(|m| m.joining.is_none()) {
            // There is nobody to lead: it goes on when a member comes, or all are gone.
            let wait_ms = self.rebalance_timeout_ms().max(GROUP_LEADER_WAIT_MS_MIN);
            self.join_ends_ms = Some(now_ms.saturating_add(wait_ms));
            return;
        }
        self.join_ends_ms = None;
        self.join_is_initial = false;
        self.generation = self.generation.wrapping_add(1).max(1);
        if self.members.is_empty() {
            self.become_empty(effects);
            return;
        }
        self.elect();
        self.protocol = self.choose_protocol();
        self.phase = Phase::CompletingRebalance;
        self.sync_ends_ms = Some(now_ms.saturating_add(self.rebalance_timeout_ms()));
        let mut answers: Vec<(T, Answer)> = Vec::new();
        let mut waiting = Vec::new();
        for member in self.members.values_mut() {
            member.synced = false;
            if let Some(joining) = member.joining.take() {
                member.heard(now_ms);
                waiting.push((joining, member.id.clone()));
            }
        }
        for (joining, id) in waiting {
            answers.push((joining, Answer::Joined(Box::new(self.joined(&id)))));
        }
        effects.answers.extend(answers);
    }

    fn become_empty(&mut self, effects: &mut Effects<T>) {
        self.phase = Phase::Empty;
        self.protocol = None;
        self.leader = None;
        self.sync_ends_ms = None;
        effects.store = Some(self.metadata());
    }

    /// The leader stays if it has joined again; else it is one that has.
    fn elect(&mut self) {
        let joined = |id: &str| self.members.get(id).is_some_and(|m| m.joining.is_some());
        if self.leader.as_deref().is_some_and(joined) {
            return;
        }
        let first = self.members.values().find(|member| member.joining.is_some());
        self.leader = first.map(|member| member.id.clone());
    }

    /// The way of assigning that all know and most like best.
    pub(super) fn choose_protocol(&self) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let favourite = member.protocols.iter().find(|(name, _)| self.all_know(name));
            if let Some((name, _)) = favourite {
                *votes.entry(name).or_default() += 1;
            }
        }
        votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(name, _)| name.to_owned())
    }

    pub(super) fn all_know(&self, protocol: &str) -> bool {
        self.members.values().all(|member| member.knows(protocol))
    }

    /// Takes a member out, and answers what it waits for. [`Group::members_went`] must follow.
    pub(super) fn remove(&mut self, id: &str, effects: &mut Effects<T>) {
        let Some(member) = self.members.remove(id) else { return };
        let Member { joining, syncing, .. } = member;
        let code = KafkaCode::UnknownMemberId;
        if let Some(joining) = joining {
            let joined = Joined::failed(code, id.to_owned());
            effects.answers.push((joining, Answer::Joined(Box::new(joined))));
        }
        if let Some(syncing) = syncing {
            effects.answers.push((syncing, Answer::Synced(Synced::failed(code))));
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// After all who go have gone: the others share their work.
    pub(super) fn members_went(&mut self, now_ms: i64, effects: &mut Effects<T>) {
        self.rebalance(now_ms, effects);
        self.complete_if_all_joined(now_ms, effects);
    }
}
