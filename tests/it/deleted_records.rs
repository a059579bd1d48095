//! Records that are deleted before an offset, and what else an operator asks of a partition.
use pagi_protocol::kafka::batch_builder::Producer;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use pagi_protocol::kafka::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, TopicRequest,
};
use pagi_protocol::kafka::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopic,
};

use crate::support::appliance::Appliance;
use crate::support::kafka::Kafka;
use crate::support::partition::{
    TOPIC, batch, fetch, new_producer, offset_at, produce, records_from,
};

const EARLIEST: i64 = -2;

/// Gives the low watermark, or Kafka's error code.
fn delete(kafka: &mut Kafka, topic: &str, offset: i64) -> Result<i64, KafkaCode> {
    let partition = DeleteRecordsPartition { partition_index: 0, offset };
    let topic = DeleteRecordsTopic { name: topic.to_owned(), partitions: vec![partition] };
    let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 1000 };
    let answer: DeleteRecordsResponse = kafka.call(&request, 2);
    let partition = &answer.topics[0].partitions[0];
    match KafkaCode::from_number(partition.error_code).unwrap() {
        KafkaCode::None => Ok(partition.low_watermark),
        code => Err(code),
    }
}

#[test]
fn deleted_records_stay_deleted_and_the_rest_stays_also_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    kafka.create_topic(TOPIC);
    produce(&mut kafka, batch(&[10, 20, 30], Producer::NONE)).unwrap();
    produce(&mut kafka, batch(&[40], Producer::NONE)).unwrap();
    assert_eq!(delete(&mut kafka, TOPIC, 2), Ok(2));
    for restarted in [false, true] {
        if restarted {
            appliance.process.kill_9();
            appliance = Appliance::start(folder.path());
            kafka = Kafka::connect(&appliance.brokers);
        }
        assert_eq!(offset_at(&mut kafka, EARLIEST), (2, -1), "restarted: {restarted}");
        assert_eq!(offset_at(&mut kafka, 0), (2, 30), "by time, restarted: {restarted}");
        let code = fetch(&mut kafka, 1, 0).error_code;
        assert_eq!(code, KafkaCode::OffsetOutOfRange.number());
        let left = records_from(&mut kafka, 2);
        assert_eq!(left, [(2, "30".into()), (3, "40".into())]);
    }
    assert_eq!(delete(&mut kafka, TOPIC, -1), Ok(4), "up to the high watermark");
    assert_eq!(produce(&mut kafka, batch(&[50], Producer::NONE)), Ok(4));
}

#[test]
fn only_records_that_are_there_can_be_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    kafka.create_topic(TOPIC);
    produce(&mut kafka, batch(&[10], Producer::NONE)).unwrap();
    assert_eq!(delete(&mut kafka, TOPIC, 2), Err(KafkaCode::OffsetOutOfRange));
    assert_eq!(delete(&mut kafka, TOPIC, -2), Err(KafkaCode::OffsetOutOfRange));
    assert_eq!(delete(&mut kafka, "not-there", 0), Err(KafkaCode::UnknownTopicOrPartition));
    assert_eq!(delete(&mut kafka, TOPIC, 0), Ok(0));
}

#[test]
fn the_producers_of_a_partition_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    kafka.create_topic(TOPIC);
    let id = new_producer(&mut kafka);
    produce(&mut kafka, batch(&[1, 2], Producer { id, epoch: 0, base_sequence: 0 })).unwrap();
    let topic = TopicRequest { name: TOPIC.to_owned(), partition_indexes: vec![0, 9] };
    let request = DescribeProducersRequest { topics: vec![topic] };
    let answer: DescribeProducersResponse = kafka.call(&request, 0);
    let [known, unknown] = &answer.topics[0].partitions[..] else { panic!("{answer:?}") };
    let producer = &known.active_producers[0];
    assert_eq!((producer.producer_id, producer.producer_epoch, producer.last_sequence), (id, 0, 1));
    assert_eq!(unknown.error_code, KafkaCode::UnknownTopicOrPartition.number());
}

#[test]
fn the_only_leader_epoch_ends_at_the_high_watermark() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    kafka.create_topic(TOPIC);
    produce(&mut kafka, batch(&[1, 2], Producer::NONE)).unwrap();
    let mut ask = |current_leader_epoch, leader_epoch| {
        let partition =
            OffsetForLeaderPartition { partition: 0, current_leader_epoch, leader_epoch };
        let topic = OffsetForLeaderTopic { topic: TOPIC.to_owned(), partitions: vec![partition] };
        let request = OffsetForLeaderEpochRequest { replica_id: -1, topics: vec![topic] };
        let answer: OffsetForLeaderEpochResponse = kafka.call(&request, 4);
        let found = &answer.topics[0].partitions[0];
        (KafkaCode::from_number(found.error_code).unwrap(), found.leader_epoch, found.end_offset)
    };
    assert_eq!(ask(-1, 0), (KafkaCode::None, 0, 2));
    assert_eq!(ask(0, 1), (KafkaCode::None, -1, -1), "an epoch to come");
    assert_eq!(ask(1, 0), (KafkaCode::UnknownLeaderEpoch, -1, -1));
}
