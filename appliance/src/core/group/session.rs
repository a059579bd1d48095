//! Members that are alive, that leave, and that are gone.
use pagi_protocol::kafka::error_code::KafkaCode;

use super::answer::Effects;
use super::state::{Group, Phase};

impl<T> Group<T> {
    /// A member says that it is alive.
    ///
    /// # Errors
    /// The code to answer with; [`KafkaCode::RebalanceInProgress`] calls upon it to join.
    pub fn heartbeat(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
        now_ms: i64,
    ) -> Result<(), KafkaCode> {
        let (phase, current) = (self.phase, self.generation);
        let member = self.member_mut(member_id, instance_id)?;
        if generation != current {
            return Err(KafkaCode::IllegalGeneration);
        }
        member.heard(now_ms);
        match phase {
            Phase::Empty => Err(KafkaCode::UnknownMemberId),
            Phase::PreparingRebalance => Err(KafkaCode::RebalanceInProgress),
            Phase::CompletingRebalance | Phase::Stable => Ok(()),
        }
    }

    /// Whether offsets may be committed: by a member in its generation, or by anyone while there
    /// are no members.
    ///
    /// # Errors
    /// The code to answer with.
    pub fn may_commit(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
        now_ms: i64,
    ) -> Result<(), KafkaCode> {
        if generation < 0 && self.members.is_empty() {
            return Ok(());
        }
        let (phase, current) = (self.phase, self.generation);
        let member = self.member_mut(member_id, instance_id)?;
        if generation != current {
            return Err(KafkaCode::IllegalGeneration);
        }
        member.heard(now_ms);
        // The assignments of the generation are not given out yet.
        if phase == Phase::CompletingRebalance {
            Err(KafkaCode::RebalanceInProgress)
        } else {
            Ok(())
        }
    }

    /// Members leave, each named by its id, by its static id, or by both. What became of each.
    pub fn leave<'a>(
        &mut self,
        members: impl Iterator<Item = (&'a str, Option<&'a str>)>,
        now_ms: i64,
    ) -> (Effects<T>, Vec<Result<(), KafkaCode>>) {
        let mut effects = Effects::default();
        let before = self.members.len();
        let left: Vec<_> =
            members.map(|(id, instance)| self.leave_one(id, instance, &mut effects)).collect();
        if self.members.len() < before {
            self.members_went(now_ms, &mut effects);
        } else {
            self.complete_if_all_joined(now_ms, &mut effects);
        }
        (effects, left)
    }

    fn leave_one(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        effects: &mut Effects<T>,
    ) -> Result<(), KafkaCode> {
        let id = match instance_id.map(|instance_id| self.member_of(instance_id)) {
            Some(None) => return Err(KafkaCode::UnknownMemberId),
            Some(Some(known)) if !member_id.is_empty() && known != member_id => {
                return Err(KafkaCode::FencedInstanceId);
            }
            Some(Some(known)) => known.to_owned(),
            None => member_id.to_owned(),
        };
        if self.promised.remove(&id).is_some() {
            return Ok(());
        }
        if !self.members.contains_key(&id) {
            return Err(KafkaCode::UnknownMemberId);
        }
        self.remove(&id, effects);
        Ok(())
    }

    /// When [`Group::tick`] has something to do, in milliseconds since 1970.
    #[must_use]
    pub fn next_deadline_ms(&self) -> Option<i64> {
        let silent = self.members.values().filter(|member| !member.waits());
        let sessions = silent.map(|member| member.session_ends_ms);
        let promised = self.promised.values().copied();
        sessions.chain(promised).chain(self.join_ends_ms).chain(self.sync_ends_ms).min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now_ms: i64) -> Effects<T> {
        let mut effects = Effects::default();
        self.promised.retain(|_, until_ms| *until_ms > now_ms);
        let gone: Vec<String> = self
            .members
            .values()
            .filter(|member| !member.waits() && member.session_ends_ms <= now_ms)
            .map(|member| member.id.clone())
            .collect();
        let before = self.members.len();
        for id in gone {
            self.remove(&id, &mut effects);
        }
        if self.sync_ends_ms.is_some_and(|ends_ms| ends_ms <= now_ms) {
            self.sync_ends_ms = None;
            let late = self.members.values().filter(|m| !m.synced).map(|m| m.id.clone());
            for id in late.collect::<Vec<_>>() {
                self.remove(&id, &mut effects);
            }
        }
        if self.members.len() < before {
            self.members_went(now_ms, &mut effects);
        }
        if self.join_ends_ms.is_some_and(|ends_ms| ends_ms <= now_ms) {
            self.join_is_initial = false;
            self.complete(now_ms, &mut effects);
        }
        self.complete_if_all_joined(now_ms, &mut effects);
        effects
    }
}
