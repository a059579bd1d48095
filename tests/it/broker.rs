//! The embedded broker as Kafka clients see it, over its socket.
use std::time::{Duration, Instant};

use bytes::Bytes;
use pagi_protocol::kafka::batch_builder::{BatchBuilder, Producer};
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};
use pagi_protocol::kafka::messages::delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
use pagi_protocol::kafka::messages::offset_commit::{
    OffsetCommitPartition, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitTopic,
};
use pagi_protocol::kafka::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchResponse, OffsetFetchTopic,
};
use pagi_protocol::kafka::messages::produce::ProduceResponse;
use pagi_protocol::kafka::record::Record;

use crate::support::appliance::Appliance;
use crate::support::kafka::Kafka;
use crate::support::partition::{
    TOPIC, batch, fetch, new_producer, offset_at, produce, records, request,
};

#[test]
fn an_idempotent_producer_may_repeat_itself_also_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    kafka.create_topic(TOPIC);
    let id = new_producer(&mut kafka);
    let numbered = |n: i32| batch(&[1, 2], Producer { id, epoch: 0, base_sequence: n * 2 });
    for n in 0..4 {
        assert_eq!(produce(&mut kafka, numbered(n)), Ok(i64::from(n) * 2));
    }
    assert_eq!(produce(&mut kafka, numbered(3)), Ok(6), "a repeat gets the first offset");
    let gap = produce(&mut kafka, numbered(5));
    assert_eq!(gap, Err(KafkaCode::OutOfOrderSequenceNumber));
    appliance.process.kill_9();
    let appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    assert_eq!(produce(&mut kafka, numbered(3)), Ok(6), "a repeat after the crash");
    assert_eq!(produce(&mut kafka, numbered(4)), Ok(8));
    assert!(new_producer(&mut kafka) > id, "ids are given once");
}

#[test]
fn a_fetch_that_waits_is_answered_when_the_record_comes() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    kafka.create_topic(TOPIC);
    let began = Instant::now();
    assert_eq!(records(fetch(&mut kafka, 0, 50)), []);
    assert!(began.elapsed() >= Duration::from_millis(50), "an empty answer is waited for");
    let brokers = appliance.brokers.clone();
    let waiting = std::thread::spawn(move || {
        let mut consumer = Kafka::connect(&brokers);
        let answer = fetch(&mut consumer, 0, 60_000);
        (records(answer), Instant::now())
    });
    // Whether the fetch or the record comes first, it must not take the whole minute.
    produce(&mut kafka, batch(&[7], Producer::NONE)).unwrap();
    let produced = Instant::now();
    let (found, answered) = waiting.join().unwrap();
    assert_eq!(found, [(0, Bytes::from_static(b"7"))]);
    assert!(answered.saturating_duration_since(produced) < Duration::from_secs(30));
}

#[test]
fn offsets_are_found_by_time_inside_batches_and_behind_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    kafka.create_topic(TOPIC);
    assert_eq!(offset_at(&mut kafka, -3), (-1, -1), "no record has the largest timestamp");
    produce(&mut kafka, batch(&[100, 200, 300], Producer::NONE)).unwrap();
    produce(&mut kafka, batch(&[400, 500], Producer::NONE)).unwrap();
    for restarted in [false, true] {
        if restarted {
            appliance.process.terminate();
            assert!(appliance.process.wait().success());
            appliance = Appliance::start(folder.path());
            kafka = Kafka::connect(&appliance.brokers);
        }
        let found = [
            (-2, (0, -1)),
            (-1, (5, -1)),
            (-3, (4, 500)),
            (0, (0, 100)),
            (200, (1, 200)),
            (201, (2, 300)),
            (301, (3, 400)),
            (501, (-1, -1)),
        ];
        for (timestamp, expected) in found {
            assert_eq!(offset_at(&mut kafka, timestamp), expected, "at {timestamp}, {restarted}");
        }
        assert_eq!(records(fetch(&mut kafka, 3, 0)).first().unwrap().1, "400");
    }
}

#[test]
fn what_cannot_be_appended_is_refused_for_its_reason_and_the_connection_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    let good = batch(&[1], Producer::NONE);
    let missing = produce(&mut kafka, good.clone());
    assert_eq!(missing, Err(KafkaCode::UnknownTopicOrPartition));
    kafka.create_topic(TOPIC);
    let mut old = good.to_vec();
    old[16] = 1;
    let too_large = {
        let mut batch = BatchBuilder::new(2 << 20);
        let value = Some(Bytes::from(vec![0; (1 << 20) + 100]));
        batch.push(&Record { value, ..Record::default() }).unwrap();
        batch.finish(Producer::NONE).unwrap()
    };
    let cases = [
        (old.into(), KafkaCode::UnsupportedForMessageFormat),
        ([good.clone(), good.clone()].concat().into(), KafkaCode::InvalidRecord),
        (good.slice(..40), KafkaCode::CorruptMessage),
        (Bytes::new(), KafkaCode::CorruptMessage),
        (too_large, KafkaCode::MessageTooLarge),
    ];
    for (records, code) in cases {
        assert_eq!(produce(&mut kafka, records), Err(code));
    }
    let wrong_acks: ProduceResponse = kafka.call(&request(good.clone(), 7), 7);
    let code = wrong_acks.responses[0].partition_responses[0].error_code;
    assert_eq!(code, KafkaCode::InvalidRequiredAcks.number());
    let old_version: ProduceResponse = kafka.call(&request(good.clone(), -1), 2);
    let code = old_version.responses[0].partition_responses[0].error_code;
    assert_eq!(code, KafkaCode::UnsupportedVersion.number());
    assert_eq!(produce(&mut kafka, good), Ok(0));
    let out_of_range = fetch(&mut kafka, 2, 0).error_code;
    assert_eq!(out_of_range, KafkaCode::OffsetOutOfRange.number());
}

#[test]
fn committed_offsets_survive_kill_9_and_go_with_their_topic() {
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    kafka.create_topic(TOPIC);
    assert_eq!(committed(&mut kafka), -1);
    for offset in [3, 5] {
        assert_eq!(commit(&mut kafka, "g", offset), KafkaCode::None);
    }
    assert_eq!(commit(&mut kafka, "", 1), KafkaCode::InvalidGroupId);
    appliance.process.kill_9();
    let appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    assert_eq!(committed(&mut kafka), 5);
    let topic_names = vec![TOPIC.to_owned()];
    let delete = DeleteTopicsRequest { topic_names, ..DeleteTopicsRequest::default() };
    let deleted: DeleteTopicsResponse = kafka.call(&delete, 5);
    assert_eq!(deleted.responses[0].error_code, 0);
    kafka.create_topic(TOPIC);
    assert_eq!(committed(&mut kafka), -1, "a new topic of the name begins without");
    let fetched = fetch(&mut kafka, 0, 0);
    assert_eq!((fetched.error_code, fetched.high_watermark), (0, 0));
}

fn commit(kafka: &mut Kafka, group: &str, offset: i64) -> KafkaCode {
    let partition = OffsetCommitPartition { committed_offset: offset, ..Default::default() };
    let topic = OffsetCommitTopic { name: TOPIC.to_owned(), partitions: vec![partition] };
    let request = OffsetCommitRequest {
        group_id: group.to_owned(),
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    let answer: OffsetCommitResponse = kafka.call(&request, 8);
    KafkaCode::from_number(answer.topics[0].partitions[0].error_code).unwrap()
}

fn committed(kafka: &mut Kafka) -> i64 {
    let topic = OffsetFetchTopic { name: TOPIC.to_owned(), partition_indexes: vec![0] };
    let request = OffsetFetchRequest {
        group_id: "g".to_owned(),
        topics: Some(vec![topic]),
        ..OffsetFetchRequest::default()
    };
    let answer: OffsetFetchResponse = kafka.call(&request, 7);
    answer.topics[0].partitions[0].committed_offset
}

#[test]
fn a_topic_is_refused_when_it_asks_for_what_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    let topic = |name: &str| CreatableTopic {
        name: name.to_owned(),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let compact = CreatableTopicConfig {
        name: "cleanup.policy".to_owned(),
        value: Some("compact".to_owned()),
    };
    let cases = [
        (topic("fine"), KafkaCode::None),
        (topic("fine"), KafkaCode::TopicAlreadyExists),
        (topic("not/fine"), KafkaCode::InvalidTopicException),
        (CreatableTopic { num_partitions: 0, ..topic("none") }, KafkaCode::InvalidPartitions),
        (CreatableTopic { num_partitions: -1, ..topic("default") }, KafkaCode::None),
        (
            CreatableTopic { replication_factor: 3, ..topic("replicated") },
            KafkaCode::InvalidReplicationFactor,
        ),
        (CreatableTopic { configs: vec![compact], ..topic("kept") }, KafkaCode::InvalidConfig),
    ];
    for (topic, code) in cases {
        let name = topic.name.clone();
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        let answer: CreateTopicsResponse = kafka.call(&request, 7);
        assert_eq!(answer.topics[0].error_code, code.number(), "{name}: {answer:?}");
    }
}
