//! `SyncGroup`: the leader says who does what, and everyone is told.
use std::collections::BTreeMap;

use bytes::Bytes;
use pagi_protocol::kafka::error_code::KafkaCode;

use super::answer::{Answer, Effects, Joined, Synced};
use super::state::{Group, Phase};

/// A member that asks for its assignment. `T` is whatever stands for its request.
#[derive(Debug)]
pub struct Syncing<T> {
    /// Its id.
    pub member_id: String,
    /// Its static id.
    pub instance_id: Option<String>,
    /// The generation that it knows.
    pub generation: i32,
    /// What it takes for the group's protocol type, if it says.
    pub protocol_type: Option<String>,
    /// What it takes for the group's way of assigning, if it says.
    pub protocol: Option<String>,
    /// From the leader: who does what.
    pub assignments: Vec<(String, Bytes)>,
    /// The request.
    pub request: T,
}

impl<T> Group<T> {
    /// A member asks. It is answered when the leader's assignments are stored.
    pub fn sync(&mut self, syncing: Syncing<T>, now_ms: i64) -> Effects<T> {
        let mut effects = Effects::default();
        let told = match self.check_sync(&syncing, now_ms) {
            Err(code) => Some(Synced::failed(code)),
            Ok(()) if self.phase == Phase::Stable => {
                let member = self.members.get_mut(&syncing.member_id);
                member
                    .map(|member| {
                        member.synced = true;
                        member.assignment.clone()
                    })
                    .map(|assignment| self.synced(assignment))
            }
            Ok(()) => None,
        };
        if let Some(told) = told {
            effects.answers.push((syncing.request, Answer::Synced(told)));
            return effects;
        }
        let is_leader = self.leader.as_ref() == Some(&syncing.member_id);
        if let Some(member) = self.members.get_mut(&syncing.member_id) {
            member.synced = true;
            if let Some(earlier) = member.syncing.replace(syncing.request) {
                let gone = Synced::failed(KafkaCode::RebalanceInProgress);
                effects.answers.push((earlier, Answer::Synced(gone)));
            }
        }
        if is_leader && self.assigned.is_none() {
            self.assigned = Some(syncing.assignments.into_iter().collect::<BTreeMap<_, _>>());
            effects.store = Some(self.metadata());
        }
        effects
    }

    fn check_sync(&mut self, syncing: &Syncing<T>, now_ms: i64) -> Result<(), KafkaCode> {
        let (phase, generation) = (self.phase, self.generation);
        let other = |told: &Option<String>, ours: &Option<String>| {
            told.is_some() && ours.is_some() && told != ours
        };
        let inconsistent = other(&syncing.protocol_type, &self.protocol_type)
            || other(&syncing.protocol, &self.protocol);
        let member = self.member_mut(&syncing.member_id, syncing.instance_id.as_deref())?;
        if syncing.generation != generation {
            return Err(KafkaCode::IllegalGeneration);
        }
        if inconsistent {
            return Err(KafkaCode::InconsistentGroupProtocol);
        }
        member.heard(now_ms);
        match phase {
            Phase::Empty => Err(KafkaCode::UnknownMemberId),
            Phase::PreparingRebalance => Err(KafkaCode::RebalanceInProgress),
            Phase::CompletingRebalance | Phase::Stable => Ok(()),
        }
    }

    /// What a generation is to be remembered by was stored, or could not be.
    pub fn stored(
        &mut self,
        generation: i32,
        stored: Result<(), KafkaCode>,
        now_ms: i64,
    ) -> Effects<T> {
        let mut effects = Effects::default();
        if let Some((request, joined)) = self.resuming.take() {
            let joined = match stored {
                Ok(()) => joined,
                Err(code) => Joined::failed(code, joined.member_id),
            };
            effects.answers.push((request, Answer::Joined(Box::new(joined))));
            return effects;
        }
        if self.phase != Phase::CompletingRebalance || self.generation != generation {
            return effects;
        }
        let Some(mut assigned) = self.assigned.take() else { return effects };
        if let Err(code) = stored {
            self.fail_syncs(code, &mut effects, now_ms);
            self.rebalance(now_ms, &mut effects);
            return effects;
        }
        self.phase = Phase::Stable;
        let mut told = Vec::new();
        for member in self.members.values_mut() {
            member.assignment = assigned.remove(&member.id).unwrap_or_default();
            if let Some(syncing) = member.syncing.take() {
                member.heard(now_ms);
                told.push((syncing, member.assignment.clone()));
            }
        }
        for (syncing, assignment) in told {
            effects.answers.push((syncing, Answer::Synced(self.synced(assignment))));
        }
        effects
    }
}
