//! `JoinGroup`: a client becomes a member, or says that it still is one.
use pagi_protocol::kafka::error_code::KafkaCode;

use super::answer::{Answer, Effects, Joined};
use super::member::{Member, Protocols, protocols_bytes};
use super::state::{Group, Phase};
use crate::limits::{
    GROUP_BYTES_MAX, GROUP_MEMBERS_MAX, GROUP_PROMISED_MAX, GROUP_SESSION_MS_MAX,
    GROUP_SESSION_MS_MIN,
};

/// A client that wants to join. `T` is whatever stands for its request.
#[derive(Debug)]
pub struct Joining<T> {
    /// Its member id; empty when it has none.
    pub member_id: String,
    /// The id that it gets if it needs one.
    pub new_member_id: String,
    /// Its static id.
    pub instance_id: Option<String>,
    /// The client's name for itself.
    pub client_id: String,
    /// Where it is.
    pub client_host: String,
    /// In milliseconds.
    pub session_timeout_ms: i64,
    /// In milliseconds.
    pub rebalance_timeout_ms: i64,
    /// What the members are to each other.
    pub protocol_type: String,
    /// The ways of assigning that it knows.
    pub protocols: Protocols,
    /// Whether it joins with an id only, as from version 4 on (KIP-394).
    pub needs_id: bool,
    /// Whether it can lead without assigning, as from version 9 on (KIP-814).
    pub may_skip_assignment: bool,
    /// The request.
    pub request: T,
}

impl<T> Group<T> {
    /// A client joins. It is answered at once or, with others, when the next generation begins.
    pub fn join(&mut self, joining: Joining<T>, now_ms: i64) -> Effects<T> {
        let mut effects = Effects::default();
        if let Err(code) = self.check_join(&joining) {
            refuse(joining.request, code, joining.member_id, &mut effects);
            return effects;
        }
        let known = joining.instance_id.as_deref().and_then(|id| self.member_of(id));
        match (joining.member_id.is_empty(), known.map(str::to_owned)) {
            (true, Some(replaced)) => self.replace(&replaced, joining, now_ms, &mut effects),
            (true, None) if joining.needs_id && joining.instance_id.is_none() => {
                self.promise(joining, now_ms, &mut effects);
            }
            (true, None) => {
                let id = joining.new_member_id.clone();
                self.add(id, joining, now_ms, &mut effects);
            }
            (false, _) if self.promised.remove(&joining.member_id).is_some() => {
                let id = joining.member_id.clone();
                self.add(id, joining, now_ms, &mut effects);
            }
            (false, _) => self.rejoin(joining, now_ms, &mut effects),
        }
        effects
    }

    fn check_join(&self, joining: &Joining<T>) -> Result<(), KafkaCode> {
        if !(GROUP_SESSION_MS_MIN..=GROUP_SESSION_MS_MAX).contains(&joining.session_timeout_ms) {
            return Err(KafkaCode::InvalidSessionTimeout);
        }
        let id = joining.member_id.as_str();
        if !id.is_empty() {
            self.check_instance(id, joining.instance_id.as_deref())?;
            if !self.members.contains_key(id) && !self.promised.contains_key(id) {
                return Err(KafkaCode::UnknownMemberId);
            }
        }
        let fits = if self.members.is_empty() {
            !joining.protocol_type.is_empty() && !joining.protocols.is_empty()
        } else {
            self.protocol_type.as_ref() == Some(&joining.protocol_type)
                && joining
                    .protocols
                    .iter()
                    .any(|(name, _)| self.members.values().all(|m| m.id == id || m.knows(name)))
        };
        if !fits {
            return Err(KafkaCode::InconsistentGroupProtocol);
        }
        let many =
            self.members.len() >= GROUP_MEMBERS_MAX || self.promised.len() >= GROUP_PROMISED_MAX;
        let others = self.members.values().filter(|member| member.id != id);
        let bytes = others.map(Member::bytes).sum::<usize>() + protocols_bytes(&joining.protocols);
        if (id.is_empty() && many) || bytes > GROUP_BYTES_MAX {
            return Err(KafkaCode::GroupMaxSizeReached);
        }
        Ok(())
    }

    /// Gives a client the id that it is to join with, so that one whose answer gets lost does not
    /// stay behind as a member (KIP-394).
    fn promise(&mut self, joining: Joining<T>, now_ms: i64, effects: &mut Effects<T>) {
        let id = joining.new_member_id;
        let until_ms = now_ms.saturating_add(joining.session_timeout_ms);
        self.promised.insert(id.clone(), until_ms);
        refuse(joining.request, KafkaCode::MemberIdRequired, id, effects);
    }

    fn add(&mut self, id: String, joining: Joining<T>, now_ms: i64, effects: &mut Effects<T>) {
        if self.members.is_empty() {
            self.protocol_type = Some(joining.protocol_type);
        }
        self.members.insert(
            id.clone(),
            Member {
                instance_id: joining.instance_id,
                client_id: joining.client_id,
                client_host: joining.client_host,
                session_timeout_ms: joining.session_timeout_ms,
                rebalance_timeout_ms: joining.rebalance_timeout_ms,
                protocols: joining.protocols,
                assignment: bytes::Bytes::new(),
                joining: Some(joining.request),
                syncing: None,
                synced: false,
                session_ends_ms: now_ms.saturating_add(joining.session_timeout_ms),
                id,
            },
        );
        self.rebalance(now_ms, effects);
        self.complete_if_all_joined(now_ms, effects);
    }

    /// A member joins again: called upon, or since it wants something else, or since it missed
    /// an answer.
    fn rejoin(&mut self, joining: Joining<T>, now_ms: i64, effects: &mut Effects<T>) {
        let is_leader = self.leader.as_ref() == Some(&joining.member_id);
        let Some(member) = self.members.get_mut(&joining.member_id) else { return };
        member.heard(now_ms);
        let same = member.protocols == joining.protocols;
        let told_again = match self.phase {
            Phase::CompletingRebalance => same,
            Phase::Stable => same && !is_leader,
            Phase::PreparingRebalance | Phase::Empty => false,
        };
        if told_again {
            let joined = self.joined(&joining.member_id);
            effects.answers.push((joining.request, Answer::Joined(Box::new(joined))));
            return;
        }
        member.protocols = joining.protocols;
        member.session_timeout_ms = joining.session_timeout_ms;
        member.rebalance_timeout_ms = joining.rebalance_timeout_ms;
        let id = joining.member_id;
        if let Some(earlier) = member.joining.replace(joining.request) {
            refuse(earlier, KafkaCode::UnknownMemberId, id, effects);
        }
        self.rebalance(now_ms, effects);
        self.complete_if_all_joined(now_ms, effects);
    }

    /// A static member comes back without its id, after a restart: it takes the place that it had,
    /// and whoever else has it is fenced (KIP-345).
    fn replace(&mut self, old: &str, joining: Joining<T>, now_ms: i64, effects: &mut Effects<T>) {
        let Some(mut member) = self.members.remove(old) else { return };
        let id = joining.new_member_id;
        if let Some(waiting) = member.joining.take() {
            refuse(waiting, KafkaCode::FencedInstanceId, old.to_owned(), effects);
        }
        if let Some(waiting) = member.syncing.take() {
            let fenced = super::answer::Synced::failed(KafkaCode::FencedInstanceId);
            effects.answers.push((waiting, Answer::Synced(fenced)));
        }
        let was_leader = self.leader.as_deref() == Some(old);
        member.id.clone_from(&id);
        member.client_id = joining.client_id;
        member.client_host = joining.client_host;
        member.session_timeout_ms = joining.session_timeout_ms;
        member.rebalance_timeout_ms = joining.rebalance_timeout_ms;
        member.protocols = joining.protocols;
        member.heard(now_ms);
        if was_leader {
            self.leader = Some(id.clone());
        }
        self.members.insert(id.clone(), member);
        // What it subscribes to may differ in every word: a consumer names its last generation.
        if self.phase == Phase::Stable && self.choose_protocol() == self.protocol {
            let mut joined = self.joined(&id);
            if was_leader && joining.may_skip_assignment {
                joined.skip_assignment = true;
            } else if was_leader {
                // It must not assign anew: it is told that someone else leads.
                old.clone_into(&mut joined.leader);
                joined.members.clear();
            }
            self.resuming = Some((joining.request, joined));
            effects.store = Some(self.metadata());
            return;
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.joining = Some(joining.request);
        }
        self.rebalance(now_ms, effects);
        self.complete_if_all_joined(now_ms, effects);
    }
}

fn refuse<T>(request: T, code: KafkaCode, member_id: String, effects: &mut Effects<T>) {
    effects.answers.push((request, Answer::Joined(Box::new(Joined::failed(code, member_id)))));
}
