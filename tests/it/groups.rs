//! Consumer groups over the socket, as their members live through them. All but the tests of a
//! restart hold for Apache Kafka too: `PAGI_TEST_BROKERS` names one.
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
use pagi_protocol::kafka::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup,
};
use pagi_protocol::kafka::messages::find_coordinator::{
    FindCoordinatorRequest, FindCoordinatorResponse,
};
use pagi_protocol::kafka::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use pagi_protocol::kafka::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use pagi_protocol::kafka::messages::leave_group::{
    LeaveGroupRequest, LeaveGroupResponse, MemberIdentity,
};
use pagi_protocol::kafka::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};
use pagi_protocol::kafka::messages::offset_commit::{
    OffsetCommitPartition, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitTopic,
};
use pagi_protocol::kafka::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
};
use pagi_protocol::kafka::messages::offset_fetch::{
    OffsetFetchGroup, OffsetFetchRequest, OffsetFetchResponse,
};
use pagi_protocol::kafka::messages::sync_group::{
    SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse,
};

use crate::support::appliance::{Appliance, brokers_outside};
use crate::support::kafka::Kafka;
use crate::support::wait::until;

const TOPIC: &str = "groups-test";
const SESSION_MS: i32 = 6_000;
const JOIN: i16 = 9;
const NONE: i16 = KafkaCode::None.number();

/// A group that no earlier run has used.
fn fresh(name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{name}-{}", now.as_nanos())
}

/// A consumer's words: it subscribes to the topic.
fn subscription() -> Bytes {
    let mut words = vec![0, 0, 0, 0, 0, 1, 0, 11];
    words.extend_from_slice(TOPIC.as_bytes());
    words.extend_from_slice(&[0xff; 4]);
    words.into()
}

fn joining(group: &str, member_id: &str, instance_id: Option<&str>) -> JoinGroupRequest {
    let range = JoinGroupRequestProtocol { name: "range".to_owned(), metadata: subscription() };
    JoinGroupRequest {
        group_id: group.to_owned(),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: 30_000,
        member_id: member_id.to_owned(),
        group_instance_id: instance_id.map(str::to_owned),
        protocol_type: "consumer".to_owned(),
        protocols: vec![range],
        reason: None,
    }
}

/// A client on a connection of its own, and what it knows of itself.
struct Client {
    kafka: Kafka,
    group: String,
    id: String,
    instance_id: Option<String>,
    generation: i32,
}

impl Client {
    fn new(brokers: &str, group: &str, instance_id: Option<&str>) -> Self {
        let kafka = Kafka::connect(brokers);
        let instance_id = instance_id.map(str::to_owned);
        Self { kafka, group: group.to_owned(), id: String::new(), instance_id, generation: -1 }
    }

    /// Asks to join; a dynamic member gets its id first.
    fn ask_to_join(&mut self) {
        if self.id.is_empty() && self.instance_id.is_none() {
            let request = joining(&self.group, "", None);
            let answer: JoinGroupResponse = self.kafka.call(&request, JOIN);
            assert_eq!(answer.error_code, KafkaCode::MemberIdRequired.number());
            self.id = answer.member_id;
        }
        self.kafka.ask(&joining(&self.group, &self.id, self.instance_id.as_deref()), JOIN);
    }

    fn joined(&mut self) -> JoinGroupResponse {
        let answer: JoinGroupResponse = self.kafka.answer(JOIN);
        assert_eq!(answer.error_code, NONE, "{answer:?}");
        self.id.clone_from(&answer.member_id);
        self.generation = answer.generation_id;
        answer
    }

    fn join(&mut self) -> JoinGroupResponse {
        self.ask_to_join();
        self.joined()
    }

    fn ask_to_sync(&mut self, assignments: &[(&str, &'static str)]) {
        let assignment = |(id, what): &(&str, &'static str)| SyncGroupRequestAssignment {
            member_id: (*id).to_owned(),
            assignment: Bytes::from_static(what.as_bytes()),
        };
        let request = SyncGroupRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            group_instance_id: self.instance_id.clone(),
            protocol_type: Some("consumer".to_owned()),
            protocol_name: Some("range".to_owned()),
            assignments: assignments.iter().map(assignment).collect(),
        };
        self.kafka.ask(&request, 5);
    }

    fn synced(&mut self) -> Result<Bytes, KafkaCode> {
        let answer: SyncGroupResponse = self.kafka.answer(5);
        code(answer.error_code).map(|()| answer.assignment)
    }

    fn sync(&mut self, assignments: &[(&str, &'static str)]) -> Result<Bytes, KafkaCode> {
        self.ask_to_sync(assignments);
        self.synced()
    }

    fn heartbeat(&mut self) -> Result<(), KafkaCode> {
        let request = HeartbeatRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            group_instance_id: self.instance_id.clone(),
        };
        let answer: HeartbeatResponse = self.kafka.call(&request, 4);
        code(answer.error_code)
    }

    fn leave(&mut self) -> LeaveGroupResponse {
        let member = MemberIdentity {
            member_id: self.id.clone(),
            group_instance_id: self.instance_id.clone(),
            reason: None,
        };
        let request = LeaveGroupRequest {
            group_id: self.group.clone(),
            members: vec![member],
            ..LeaveGroupRequest::default()
        };
        self.kafka.call(&request, 5)
    }

    fn commit_as(&mut self, id: &str, generation: i32, offset: i64) -> Result<(), KafkaCode> {
        let partition =
            OffsetCommitPartition { committed_offset: offset, ..OffsetCommitPartition::default() };
        let topic = OffsetCommitTopic { name: TOPIC.to_owned(), partitions: vec![partition] };
        let request = OffsetCommitRequest {
            group_id: self.group.clone(),
            generation_id_or_member_epoch: generation,
            member_id: id.to_owned(),
            topics: vec![topic],
            ..OffsetCommitRequest::default()
        };
        let answer: OffsetCommitResponse = self.kafka.call(&request, 7);
        code(answer.topics[0].partitions[0].error_code)
    }

    fn committed(&mut self) -> Option<i64> {
        let group =
            OffsetFetchGroup { group_id: self.group.clone(), ..OffsetFetchGroup::default() };
        let request = OffsetFetchRequest {
            groups: vec![group],
            require_stable: true,
            ..OffsetFetchRequest::default()
        };
        let answer: OffsetFetchResponse = self.kafka.call(&request, 9);
        assert_eq!(answer.groups[0].error_code, NONE);
        Some(answer.groups[0].topics.first()?.partitions[0].committed_offset)
    }

    fn describe(&mut self, version: i16) -> DescribedGroup {
        let groups = vec![self.group.clone()];
        let request = DescribeGroupsRequest { groups, ..DescribeGroupsRequest::default() };
        let mut answer: DescribeGroupsResponse = self.kafka.call(&request, version);
        answer.groups.remove(0)
    }

    fn state(&mut self) -> String {
        self.describe(5).group_state
    }

    /// The group's state and type, as a list with these filters has it.
    fn listed(&mut self, states: &[&str], types: &[&str]) -> Option<(String, String)> {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let request =
            ListGroupsRequest { states_filter: texts(states), types_filter: texts(types) };
        let answer: ListGroupsResponse = self.kafka.call(&request, 5);
        assert_eq!(answer.error_code, NONE);
        let found = answer.groups.into_iter().find(|listed| listed.group_id == self.group);
        found.map(|listed| (listed.group_state, listed.group_type))
    }

    fn delete_group(&mut self) -> Result<(), KafkaCode> {
        let request = DeleteGroupsRequest { groups_names: vec![self.group.clone()] };
        let answer: DeleteGroupsResponse = self.kafka.call(&request, 2);
        code(answer.results[0].error_code)
    }

    /// The error of the request, and that of the partition.
    fn delete_offset(&mut self) -> (Result<(), KafkaCode>, Option<i16>) {
        let topic = OffsetDeleteRequestTopic {
            name: TOPIC.to_owned(),
            partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
        };
        let request = OffsetDeleteRequest { group_id: self.group.clone(), topics: vec![topic] };
        let answer: OffsetDeleteResponse = self.kafka.call(&request, 0);
        let partition = answer.topics.first().map(|topic| topic.partitions[0].error_code);
        (code(answer.error_code), partition)
    }
}

fn code(number: i16) -> Result<(), KafkaCode> {
    match KafkaCode::from_number(number).unwrap() {
        KafkaCode::None => Ok(()),
        code => Err(code),
    }
}

fn appliance() -> (tempfile::TempDir, Appliance) {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    kafka.create_topic(TOPIC);
    // Apache Kafka makes a place for groups when it is first asked for one.
    until("there is a coordinator", || {
        let request =
            FindCoordinatorRequest { key: "any".to_owned(), ..FindCoordinatorRequest::default() };
        let answer: FindCoordinatorResponse = kafka.call(&request, 3);
        (answer.error_code == NONE).then_some(())
    });
    (folder, appliance)
}

/// Two members in one generation, the leader first; it was given "one", the other "two".
fn two_members(brokers: &str, group: &str) -> (Client, Client) {
    let mut first = Client::new(brokers, group, None);
    let mut second = Client::new(brokers, group, None);
    first.join();
    second.ask_to_join();
    until("the other joins", || {
        (first.heartbeat() == Err(KafkaCode::RebalanceInProgress)).then_some(())
    });
    first.ask_to_join();
    let (joined, other) = (first.joined(), second.joined());
    assert_eq!(joined.generation_id, other.generation_id);
    if joined.members.is_empty() {
        std::mem::swap(&mut first, &mut second);
    }
    assert_eq!(joined.members.len() + other.members.len(), 2, "the leader alone sees all");
    second.ask_to_sync(&[]);
    let assigned = first.sync(&[(&first.id.clone(), "one"), (&second.id.clone(), "two")]);
    assert_eq!(assigned, Ok("one".into()));
    assert_eq!(second.synced(), Ok("two".into()));
    (first, second)
}

#[test]
fn members_share_are_described_commit_and_leave() {
    let (_folder, appliance) = appliance();
    let group = fresh("shared");
    let (mut leader, mut other) = two_members(&appliance.brokers, &group);
    assert_eq!((leader.heartbeat(), other.heartbeat()), (Ok(()), Ok(())));

    let described = leader.describe(6);
    assert_eq!((described.error_code, described.group_state.as_str()), (NONE, "Stable"));
    let what = (described.protocol_type.as_str(), described.protocol_data.as_str());
    assert_eq!(what, ("consumer", "range"));
    assert_eq!(described.authorized_operations, i32::MIN, "nobody asked");
    let other_seen = described.members.iter().find(|m| m.member_id == other.id).unwrap();
    assert_eq!((&*other_seen.client_id, &*other_seen.client_host), ("it", "/127.0.0.1"));
    assert_eq!(other_seen.member_metadata, subscription());
    assert_eq!(other_seen.member_assignment, "two");

    let stable = Some(("Stable".to_owned(), "Classic".to_owned()));
    let lower = |listed: Option<(String, String)>| listed.map(|l| (l.0, l.1.to_lowercase()));
    assert_eq!(lower(leader.listed(&[], &[])), lower(stable.clone()));
    assert_eq!(lower(leader.listed(&["stable"], &["CLASSIC"])), lower(stable));
    assert_eq!(leader.listed(&["Empty"], &[]), None);
    assert_eq!(leader.listed(&[], &["consumer"]), None);

    let (id, generation) = (leader.id.clone(), leader.generation);
    assert_eq!(leader.commit_as(&id, generation, 7), Ok(()));
    assert_eq!(leader.commit_as(&id, generation + 1, 8), Err(KafkaCode::IllegalGeneration));
    assert_eq!(leader.commit_as("stranger", generation, 8), Err(KafkaCode::UnknownMemberId));
    assert_eq!(leader.commit_as("", -1, 8), Err(KafkaCode::UnknownMemberId));
    assert_eq!(leader.committed(), Some(7));
    let subscribed = KafkaCode::GroupSubscribedToTopic.number();
    assert_eq!(leader.delete_offset(), (Ok(()), Some(subscribed)));
    assert_eq!(leader.delete_group(), Err(KafkaCode::NonEmptyGroup));

    assert_eq!(other.leave().members[0].error_code, NONE);
    assert_eq!(leader.heartbeat(), Err(KafkaCode::RebalanceInProgress));
    assert_eq!(leader.state(), "PreparingRebalance");
    let joined = leader.join();
    assert_eq!((joined.members.len(), joined.generation_id), (1, generation + 1));
    assert_eq!(leader.state(), "CompletingRebalance");
    let (id, generation) = (leader.id.clone(), leader.generation);
    let early = leader.commit_as(&id, generation, 9);
    assert_eq!(early, Err(KafkaCode::RebalanceInProgress));
    leader.sync(&[(&id, "all")]).unwrap();
    assert_eq!(leader.leave().members[0].error_code, NONE);
    assert_eq!(leader.state(), "Empty");
    let gone = leader.leave();
    let unknown = KafkaCode::UnknownMemberId.number();
    assert_eq!((gone.error_code, gone.members[0].error_code), (NONE, unknown));
}

#[test]
fn a_group_without_members_takes_simple_commits_and_can_be_deleted() {
    let (_folder, appliance) = appliance();
    let group = fresh("simple");
    let mut client = Client::new(&appliance.brokers, &group, None);
    assert_eq!(client.describe(5).group_state, "Dead");
    let missing = client.describe(6);
    let not_found = KafkaCode::GroupIdNotFound.number();
    assert_eq!((missing.error_code, missing.group_state.as_str()), (not_found, "Dead"));
    assert_eq!(client.delete_group(), Err(KafkaCode::GroupIdNotFound));
    assert_eq!(client.delete_offset().0, Err(KafkaCode::GroupIdNotFound));
    assert_eq!(client.heartbeat(), Err(KafkaCode::UnknownMemberId));
    assert_eq!(client.sync(&[]), Err(KafkaCode::UnknownMemberId));
    assert_eq!(client.leave().members[0].error_code, KafkaCode::UnknownMemberId.number());
    assert_eq!(client.commit_as("stranger", 3, 5), Err(KafkaCode::IllegalGeneration));

    assert_eq!(client.commit_as("", -1, 5), Ok(()));
    assert_eq!(client.committed(), Some(5));
    assert_eq!(client.state(), "Empty");
    assert_eq!(client.listed(&["empty"], &[]).unwrap().0, "Empty");
    assert_eq!(client.delete_offset(), (Ok(()), Some(NONE)));
    assert_eq!(client.committed(), None);
    assert_eq!(client.commit_as("", -1, 6), Ok(()));
    assert_eq!(client.delete_group(), Ok(()));
    assert_eq!((client.committed(), client.listed(&[], &[])), (None, None));
}

#[test]
fn who_cannot_be_a_member_is_told_why() {
    let (_folder, appliance) = appliance();
    let group = fresh("refused");
    let mut kafka = Kafka::connect(&appliance.brokers);
    let mut refused = |request: &JoinGroupRequest| {
        let answer: JoinGroupResponse = kafka.call(request, JOIN);
        (KafkaCode::from_number(answer.error_code).unwrap(), answer.generation_id)
    };
    let fine = joining(&group, "", None);
    for session_timeout_ms in [SESSION_MS - 1, 1_800_001, -1] {
        let request = JoinGroupRequest { session_timeout_ms, ..fine.clone() };
        assert_eq!(refused(&request), (KafkaCode::InvalidSessionTimeout, -1));
    }
    let request = JoinGroupRequest { group_id: String::new(), ..fine.clone() };
    assert_eq!(refused(&request), (KafkaCode::InvalidGroupId, -1));
    let request = JoinGroupRequest { protocols: Vec::new(), ..fine.clone() };
    assert_eq!(refused(&request), (KafkaCode::InconsistentGroupProtocol, -1));
    let request = JoinGroupRequest { member_id: "stranger".to_owned(), ..fine.clone() };
    assert_eq!(refused(&request), (KafkaCode::UnknownMemberId, -1));

    let mut member = Client::new(&appliance.brokers, &group, None);
    member.join();
    let request = JoinGroupRequest { protocol_type: "connect".to_owned(), ..fine.clone() };
    assert_eq!(refused(&request), (KafkaCode::InconsistentGroupProtocol, -1));
    let mut request = fine;
    request.protocols[0].name = "sticky".to_owned();
    assert_eq!(refused(&request), (KafkaCode::InconsistentGroupProtocol, -1));
}

#[test]
fn a_client_of_version_0_is_a_member_at_once() {
    let (_folder, appliance) = appliance();
    let mut kafka = Kafka::connect(&appliance.brokers);
    let request = joining(&fresh("old"), "", None);
    let answer: JoinGroupResponse = kafka.call(&request, 2);
    assert_eq!((answer.error_code, answer.generation_id), (NONE, 1));
    assert_eq!((&answer.leader, answer.members.len()), (&answer.member_id, 1));
}

#[test]
fn a_static_member_that_restarts_keeps_its_assignment_and_its_double_is_fenced() {
    let (_folder, appliance) = appliance();
    let group = fresh("static");
    let mut before = Client::new(&appliance.brokers, &group, Some("rack-1"));
    let joined = before.join();
    assert_eq!(before.sync(&[(&joined.member_id, "mine")]), Ok("mine".into()));

    let mut after = Client::new(&appliance.brokers, &group, Some("rack-1"));
    let resumed = after.join();
    assert_eq!(resumed.generation_id, joined.generation_id, "no rebalance");
    assert_ne!(resumed.member_id, joined.member_id);
    assert!(resumed.skip_assignment && resumed.leader == resumed.member_id, "{resumed:?}");
    assert_eq!(after.sync(&[]), Ok("mine".into()));
    assert_eq!(before.heartbeat(), Err(KafkaCode::FencedInstanceId));
    assert_eq!(before.sync(&[]), Err(KafkaCode::FencedInstanceId));
    let fenced = before.leave().members[0].error_code;
    assert_eq!(fenced, KafkaCode::FencedInstanceId.number());
    assert_eq!(after.heartbeat(), Ok(()));

    // An operator removes it by its name alone.
    after.id = String::new();
    assert_eq!(after.leave().members[0].error_code, NONE);
    assert_eq!(after.state(), "Empty");
}

#[test]
fn a_client_that_goes_while_it_joins_is_missed_after_its_session() {
    let (_folder, appliance) = appliance();
    let group = fresh("gone");
    let mut stays = Client::new(&appliance.brokers, &group, None);
    let id = stays.join().member_id;
    stays.sync(&[(&id, "all")]).unwrap();

    let mut goes = Client::new(&appliance.brokers, &group, None);
    goes.ask_to_join();
    until("the other is noticed", || {
        (stays.heartbeat() == Err(KafkaCode::RebalanceInProgress)).then_some(())
    });
    drop(goes);
    assert_eq!(stays.join().members.len(), 2, "its session has not ended");
    stays.sync(&[(&id, "half")]).unwrap();
    until("its session ends", || {
        (stays.heartbeat() == Err(KafkaCode::RebalanceInProgress)).then_some(())
    });
    assert_eq!(stays.join().members.len(), 1);
}

#[test]
fn members_go_on_in_their_generation_after_kill_9() {
    if brokers_outside().is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path());
    Kafka::connect(&appliance.brokers).create_topic(TOPIC);
    let (mut leader, mut other) = two_members(&appliance.brokers, "survivors");
    let mut empty = Client::new(&appliance.brokers, "left", None);
    empty.join();
    assert_eq!(empty.leave().members[0].error_code, NONE);
    let described = leader.describe(6);
    let id = other.id.clone();
    assert_eq!(other.commit_as(&id, other.generation, 3), Ok(()));
    appliance.process.kill_9();

    let appliance = Appliance::start(folder.path());
    for client in [&mut leader, &mut other, &mut empty] {
        client.kafka = Kafka::connect(&appliance.brokers);
    }
    assert_eq!(leader.describe(6), described);
    assert_eq!((leader.heartbeat(), other.heartbeat()), (Ok(()), Ok(())));
    assert_eq!(other.committed(), Some(3));
    assert_eq!(other.commit_as(&id, other.generation, 4), Ok(()));
    let before = other.generation - 1;
    assert_eq!(other.commit_as(&id, before, 5), Err(KafkaCode::IllegalGeneration));
    assert_eq!(other.sync(&[]), Ok("two".into()), "its answer may have got lost");
    assert_eq!(empty.state(), "Empty");

    leader.ask_to_join();
    until("the leader joins", || {
        (other.heartbeat() == Err(KafkaCode::RebalanceInProgress)).then_some(())
    });
    other.ask_to_join();
    assert_eq!(leader.joined().generation_id, before + 2);
    assert_eq!(other.joined().generation_id, before + 2);
}
