//! Groups as their members live through them.
use bytes::Bytes;
use pagi_protocol::kafka::error_code::KafkaCode;
use proptest::prelude::*;

use super::answer::{Answer, Effects, Joined, Synced};
use super::joining::Joining;
use super::state::{Group, Phase};
use super::syncing::Syncing;
use crate::limits::{GROUP_BYTES_MAX, GROUP_INITIAL_REBALANCE_DELAY_MS, GROUP_LEADER_WAIT_MS_MIN};

const SESSION_MS: i64 = 10_000;
const REBALANCE_MS: i64 = 20_000;

/// A group with its clock. Requests that wait are numbers; what was answered is kept.
struct Played {
    group: Group<u32>,
    now_ms: i64,
    requests: u32,
    answers: Vec<(u32, Answer)>,
    stored: usize,
}

impl Played {
    fn new() -> Self {
        let group = Group::new("g".to_owned());
        Self { group, now_ms: 1_000, requests: 0, answers: Vec::new(), stored: 0 }
    }

    fn take(&mut self, effects: Effects<u32>) {
        self.answers.extend(effects.answers);
        if let Some(metadata) = effects.store {
            self.stored += 1;
            let effects = self.group.stored(metadata.generation, Ok(()), self.now_ms);
            assert!(effects.store.is_none());
            self.answers.extend(effects.answers);
        }
    }

    fn joining(&mut self, member_id: &str, instance_id: Option<&str>) -> Joining<u32> {
        self.requests += 1;
        Joining {
            member_id: member_id.to_owned(),
            new_member_id: format!("m{}", self.requests),
            instance_id: instance_id.map(str::to_owned),
            client_id: "client".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: REBALANCE_MS,
            protocol_type: "consumer".to_owned(),
            protocols: vec![("range".to_owned(), Bytes::from_static(b"topics"))],
            needs_id: false,
            may_skip_assignment: true,
            request: self.requests,
        }
    }

    fn join(&mut self, joining: Joining<u32>) -> u32 {
        let request = joining.request;
        let effects = self.group.join(joining, self.now_ms);
        self.take(effects);
        request
    }

    fn sync(&mut self, member: &Joined, assignments: &[(&str, &'static str)]) -> u32 {
        self.requests += 1;
        let assignments = assignments.iter().map(|(id, what)| (id.to_string(), (*what).into()));
        let effects = self.group.sync(
            Syncing {
                member_id: member.member_id.clone(),
                instance_id: None,
                generation: member.generation,
                protocol_type: None,
                protocol: None,
                assignments: assignments.collect(),
                request: self.requests,
            },
            self.now_ms,
        );
        self.take(effects);
        self.requests
    }

    fn pass(&mut self, ms: i64) {
        self.now_ms += ms;
        let effects = self.group.tick(self.now_ms);
        self.take(effects);
    }

    fn leave(&mut self, member_id: &str) -> Result<(), KafkaCode> {
        let leaving = std::iter::once((member_id, None));
        let (effects, mut left) = self.group.leave(leaving, self.now_ms);
        self.take(effects);
        left.remove(0)
    }

    fn heartbeat(&mut self, member: &Joined) -> Result<(), KafkaCode> {
        self.group.heartbeat(&member.member_id, None, member.generation, self.now_ms)
    }

    fn answer(&self, request: u32) -> Option<&Answer> {
        self.answers.iter().find(|(answered, _)| *answered == request).map(|(_, answer)| answer)
    }

    fn joined(&self, request: u32) -> Joined {
        match self.answer(request) {
            Some(Answer::Joined(joined)) => joined.as_ref().clone(),
            other => panic!("request {request}: {other:?}"),
        }
    }

    fn synced(&self, request: u32) -> Synced {
        match self.answer(request) {
            Some(Answer::Synced(synced)) => synced.clone(),
            other => panic!("request {request}: {other:?}"),
        }
    }

    /// So many members, in a group that is stable; the leader first.
    fn stable(members: usize) -> (Self, Vec<Joined>) {
        let mut played = Self::new();
        let requests: Vec<u32> = (0..members)
            .map(|_| {
                let joining = played.joining("", None);
                played.join(joining)
            })
            .collect();
        played.pass(GROUP_INITIAL_REBALANCE_DELAY_MS);
        let mut joined: Vec<Joined> = requests.iter().map(|r| played.joined(*r)).collect();
        joined.sort_by_key(|joined| joined.members.is_empty());
        for member in &joined {
            let assignments: &[_] = if member.members.is_empty() { &[] } else { &[("m1", "all")] };
            played.sync(member, assignments);
        }
        assert_eq!(played.group.phase(), Phase::Stable);
        (played, joined)
    }
}

#[test]
fn members_that_come_together_get_one_generation_and_what_the_leader_gives_them() {
    let mut group = Played::new();
    let (first, second) = (group.joining("", None), group.joining("", None));
    let (first, second) = (group.join(first), group.join(second));
    assert_eq!(group.answer(first), None, "more may come");
    group.pass(GROUP_INITIAL_REBALANCE_DELAY_MS);
    let (first, second) = (group.joined(first), group.joined(second));
    assert_eq!((first.generation, second.generation), (1, 1));
    assert_eq!(first.leader, second.leader);
    let (leader, follower) =
        if first.leader == first.member_id { (first, second) } else { (second, first) };
    assert_eq!((leader.members.len(), follower.members.len()), (2, 0));
    let waiting = group.sync(&follower, &[]);
    assert_eq!(group.answer(waiting), None, "the leader has not assigned");
    let assignments = [(leader.member_id.as_str(), "a"), (follower.member_id.as_str(), "b")];
    let told = group.sync(&leader, &assignments);
    assert_eq!(group.synced(told).assignment, "a");
    assert_eq!(group.synced(waiting).assignment, "b");
    assert_eq!((group.stored, group.group.phase()), (1, Phase::Stable));
}

#[test]
fn assignments_that_could_not_be_stored_are_not_given_out() {
    let mut group = Played::new();
    let joining = group.joining("", None);
    let request = group.join(joining);
    group.pass(GROUP_INITIAL_REBALANCE_DELAY_MS);
    let member = group.joined(request);
    let effects = group.group.sync(
        Syncing {
            member_id: member.member_id.clone(),
            instance_id: None,
            generation: 1,
            protocol_type: None,
            protocol: None,
            assignments: vec![(member.member_id, "a".into())],
            request: 99,
        },
        group.now_ms,
    );
    assert!(effects.answers.is_empty() && effects.store.is_some());
    let failed = Err(KafkaCode::CoordinatorNotAvailable);
    let effects = group.group.stored(1, failed, group.now_ms);
    group.take(effects);
    assert_eq!(group.synced(99).code, KafkaCode::CoordinatorNotAvailable);
    assert_eq!(group.group.phase(), Phase::PreparingRebalance);
}

#[test]
fn a_member_that_leaves_makes_the_others_share_its_work() {
    let (mut group, members) = Played::stable(2);
    assert_eq!(group.leave(&members[0].member_id), Ok(()));
    assert_eq!(group.heartbeat(&members[1]), Err(KafkaCode::RebalanceInProgress));
    let joining = group.joining(&members[1].member_id, None);
    let request = group.join(joining);
    let joined = group.joined(request);
    assert_eq!((joined.generation, joined.members.len()), (2, 1));
    assert_eq!(group.leave("nobody"), Err(KafkaCode::UnknownMemberId));
    assert_eq!(group.leave(&joined.member_id), Ok(()));
    assert_eq!(group.group.phase(), Phase::Empty);
    assert_eq!(group.group.next_deadline_ms(), None);
}

#[test]
fn a_member_that_is_silent_is_gone_and_one_that_is_heard_stays() {
    let (mut group, members) = Played::stable(2);
    group.pass(SESSION_MS / 2);
    assert_eq!(group.heartbeat(&members[0]), Ok(()));
    group.pass(SESSION_MS / 2);
    assert_eq!(group.group.members().count(), 1);
    assert_eq!(group.heartbeat(&members[0]), Err(KafkaCode::RebalanceInProgress));
    assert_eq!(group.heartbeat(&members[1]), Err(KafkaCode::UnknownMemberId));
}

#[test]
fn a_rebalance_does_not_wait_for_ever_for_a_member_that_does_not_join() {
    let (mut group, members) = Played::stable(2);
    let joining = group.joining("", None);
    let request = group.join(joining);
    for _ in 0..(REBALANCE_MS / 1000) {
        assert_eq!(group.answer(request), None);
        let _ = group.heartbeat(&members[0]);
        let _ = group.heartbeat(&members[1]);
        group.pass(1000);
    }
    let joined = group.joined(request);
    assert_eq!((joined.generation, joined.members.len()), (2, 1));
    assert_eq!(group.heartbeat(&members[0]), Err(KafkaCode::UnknownMemberId));
}

#[test]
fn a_member_that_joins_but_never_asks_for_its_assignment_is_gone() {
    let mut group = Played::new();
    let joining = group.joining("", None);
    let request = group.join(joining);
    group.pass(GROUP_INITIAL_REBALANCE_DELAY_MS);
    let member = group.joined(request);
    for _ in 0..(REBALANCE_MS / 1000) {
        assert_eq!(group.heartbeat(&member), Ok(()));
        group.pass(1000);
    }
    assert_eq!(group.group.phase(), Phase::Empty);
}

#[test]
fn an_old_generation_and_strangers_are_refused() {
    let (mut group, members) = Played::stable(1);
    let member = &members[0];
    let old = Joined { generation: 0, ..member.clone() };
    let stranger = Joined { member_id: "who".to_owned(), ..member.clone() };
    assert_eq!(group.heartbeat(&old), Err(KafkaCode::IllegalGeneration));
    assert_eq!(group.heartbeat(&stranger), Err(KafkaCode::UnknownMemberId));
    let now_ms = group.now_ms;
    let mut commit = |id: &str, generation| group.group.may_commit(id, None, generation, now_ms);
    assert_eq!(commit(&member.member_id, 1), Ok(()));
    assert_eq!(commit(&member.member_id, 0), Err(KafkaCode::IllegalGeneration));
    assert_eq!(commit("", -1), Err(KafkaCode::UnknownMemberId));
    let stale = group.sync(&old, &[]);
    assert_eq!(group.synced(stale).code, KafkaCode::IllegalGeneration);
    group.leave(&members[0].member_id).unwrap();
    assert_eq!(group.group.may_commit("", None, -1, now_ms), Ok(()), "nobody is in the group");
}

#[test]
fn a_client_joins_with_the_id_that_it_was_given() {
    let mut group = Played::new();
    let mut joining = group.joining("", None);
    joining.needs_id = true;
    let request = group.join(joining);
    let told = group.joined(request);
    assert_eq!(told.code, KafkaCode::MemberIdRequired);
    let joining = group.joining(&told.member_id, None);
    let request = group.join(joining);
    group.pass(GROUP_INITIAL_REBALANCE_DELAY_MS);
    assert_eq!(group.joined(request).member_id, told.member_id);
    let joining = group.joining("never-given", None);
    let request = group.join(joining);
    assert_eq!(group.joined(request).code, KafkaCode::UnknownMemberId);
}

#[test]
fn a_static_member_gets_its_place_back_without_a_rebalance_and_its_double_is_fenced() {
    let mut group = Played::new();
    let joining = group.joining("", Some("i-1"));
    let request = group.join(joining);
    group.pass(GROUP_INITIAL_REBALANCE_DELAY_MS);
    let before = group.joined(request);
    group.sync(&before, &[("m1", "mine")]);
    let joining = group.joining("", Some("i-1"));
    let request = group.join(joining);
    let after = group.joined(request);
    assert_eq!((after.code, after.generation), (KafkaCode::None, before.generation));
    assert_ne!(after.member_id, before.member_id);
    assert!(after.skip_assignment && after.leader == after.member_id);
    let request = group.sync(&after, &[]);
    assert_eq!(group.synced(request).assignment, "mine");
    let (now_ms, fenced) = (group.now_ms, Err(KafkaCode::FencedInstanceId));
    let mut heartbeat = |id: &str| group.group.heartbeat(id, Some("i-1"), 1, now_ms);
    assert_eq!(heartbeat(&before.member_id), fenced);
    assert_eq!(heartbeat(&after.member_id), Ok(()));
}

#[test]
fn a_static_member_that_comes_back_with_other_words_waits_for_the_log_not_for_the_others() {
    let (mut played, others) = Played::stable(1);
    let joining = played.joining("", Some("i-1"));
    played.join(joining);
    let joining = played.joining(&others[0].member_id, None);
    played.join(joining);
    let generation = played.group.generation();
    let leader = Joined { generation, ..others[0].clone() };
    played.sync(&leader, &[]);
    assert_eq!(played.group.phase(), Phase::Stable);

    let mut joining = played.joining("", Some("i-1"));
    joining.protocols[0].1 = Bytes::from_static(b"topics, and the generation before");
    let mut effects = played.group.join(joining, played.now_ms);
    assert!(effects.answers.is_empty(), "its new id is not durable yet");
    assert!(effects.store.take().is_some());
    let effects = played.group.stored(generation, Ok(()), played.now_ms);
    let Some((_, Answer::Joined(joined))) = effects.answers.first() else { panic!("{effects:?}") };
    assert_eq!((joined.code, joined.generation), (KafkaCode::None, generation));
    assert_eq!(played.group.phase(), Phase::Stable);
}

#[test]
fn a_static_member_that_does_not_join_is_waited_for_without_haste() {
    let (mut played, members) = Played::stable(1);
    let mut joining = played.joining("", Some("i-1"));
    joining.rebalance_timeout_ms = 0;
    let request = played.join(joining);
    played.leave(&members[0].member_id).unwrap();
    let member = played.joined(request);
    played.sync(&member, &[]);
    assert_eq!(played.group.phase(), Phase::Stable);
    // It is silent while another comes and goes.
    let mut joining = played.joining("", None);
    joining.rebalance_timeout_ms = 0;
    let request = joining.request;
    let id = joining.new_member_id.clone();
    played.join(joining);
    assert!(played.answer(request).is_none());
    played.leave(&id).unwrap();
    assert_eq!(played.group.phase(), Phase::PreparingRebalance);
    played.pass(0);
    let next_ms = played.group.next_deadline_ms().unwrap();
    assert!(next_ms >= played.now_ms + GROUP_LEADER_WAIT_MS_MIN, "the timer would spin");
}

#[test]
fn members_that_leave_together_cost_the_others_one_rebalance() {
    let (mut played, members) = Played::stable(4);
    let rejoined: Vec<u32> = members
        .iter()
        .take(3)
        .map(|member| {
            let joining = played.joining(&member.member_id, None);
            played.join(joining)
        })
        .collect();
    let leaving = members.iter().skip(2).map(|member| (member.member_id.as_str(), None));
    let (effects, left) = played.group.leave(leaving, played.now_ms);
    assert_eq!(left, [Ok(()), Ok(())]);
    played.take(effects);
    assert_eq!(played.joined(rejoined[0]).members.len(), 2);
    assert_eq!(played.joined(rejoined[1]).generation, 2);
    assert_eq!(played.joined(rejoined[2]).code, KafkaCode::UnknownMemberId);
}

#[test]
fn a_group_whose_members_say_too_much_takes_no_more() {
    let mut played = Played::new();
    let mut joining = played.joining("", None);
    joining.protocols[0].1 = vec![0; GROUP_BYTES_MAX + 1].into();
    let request = played.join(joining);
    assert_eq!(played.joined(request).code, KafkaCode::GroupMaxSizeReached);
    assert!(played.group.is_blank());
}

#[test]
fn members_must_have_a_way_of_assigning_in_common() {
    let (mut group, _) = Played::stable(1);
    let mut joining = group.joining("", None);
    joining.protocols = vec![("sticky".to_owned(), Bytes::new())];
    let request = group.join(joining);
    assert_eq!(group.joined(request).code, KafkaCode::InconsistentGroupProtocol);
    let mut joining = group.joining("", None);
    joining.session_timeout_ms = 1;
    let request = group.join(joining);
    assert_eq!(group.joined(request).code, KafkaCode::InvalidSessionTimeout);
}

#[test]
fn a_group_goes_on_where_it_was_stored() {
    let (mut group, members) = Played::stable(2);
    let joining = group.joining(&members[0].member_id, None);
    group.join(joining);
    let stored = group.group.metadata();
    let mut restored: Group<u32> = Group::restored(&stored, 5_000);
    assert_eq!((restored.phase(), restored.generation), (Phase::Stable, group.group.generation));
    for member in &members {
        assert_eq!(restored.heartbeat(&member.member_id, None, 1, 6_000), Ok(()));
    }
    let _ = restored.tick(6_000 + SESSION_MS);
    assert_eq!(restored.members().count(), 0);
}

proptest! {
    /// Whatever happens, in whatever order: requests are answered once and at last, there is one
    /// leader, and nobody stays who is silent.
    #[test]
    fn every_request_is_answered_once_and_silence_empties_the_group(
        steps in prop::collection::vec((0..7_u8, 0..4_usize, 0..9_000_i64), 1..80),
    ) {
        let mut played = Played::new();
        let mut known: Vec<Joined> = Vec::new();
        for (what, who, ms) in steps {
            let member = known.get(who).cloned();
            match (what, member) {
                (0, _) | (_, None) => {
                    let instance_id = (who == 3).then_some("i-1");
                    let mut joining = played.joining("", instance_id);
                    joining.needs_id = ms % 2 == 0;
                    played.join(joining);
                }
                (1, Some(member)) => {
                    let joining = played.joining(&member.member_id, None);
                    played.join(joining);
                }
                (2 | 3, Some(member)) => {
                    played.sync(&member, &[("m1", "x")]);
                }
                (4, Some(member)) => {
                    let _ = played.heartbeat(&member);
                }
                (5, Some(member)) => {
                    let _ = played.leave(&member.member_id);
                }
                (_, Some(_)) => played.pass(ms),
            }
            for (_, answer) in &played.answers {
                if let Answer::Joined(joined) = answer
                    && !known.iter().any(|k| k == joined.as_ref())
                {
                    known.insert(0, joined.as_ref().clone());
                }
            }
            let leader = played.group.leader.clone();
            prop_assert!(leader.is_none_or(|leader| played.group.members.contains_key(&leader)));
        }
        for _ in 0..20 {
            played.pass(SESSION_MS);
        }
        let mut answered: Vec<u32> = played.answers.iter().map(|(request, _)| *request).collect();
        answered.sort_unstable();
        prop_assert_eq!(answered, (1..=played.requests).collect::<Vec<_>>());
        prop_assert_eq!(played.group.members().count(), 0);
        prop_assert_eq!(played.group.next_deadline_ms(), None);
    }
}
