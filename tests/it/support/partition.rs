//! One partition of a topic, as a Kafka client sees it.
use bytes::Bytes;
use pagi_protocol::kafka::batch_builder::{BatchBuilder, Producer};
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::fetch::{
    FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, FetchTopic,
};
use pagi_protocol::kafka::messages::init_producer_id::{
    InitProducerIdRequest, InitProducerIdResponse,
};
use pagi_protocol::kafka::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use pagi_protocol::kafka::messages::produce::{
    ProducePartition, ProduceRequest, ProduceResponse, ProduceTopic,
};
use pagi_protocol::kafka::record::{Record, RecordReader};
use pagi_protocol::kafka::record_batch::batches;

use super::kafka::Kafka;

pub(crate) const TOPIC: &str = "broker-test";
pub(crate) const TIMED_OUT_NEVER: i32 = 30_000;

/// Records with these timestamps, the value of each its timestamp in words.
pub(crate) fn batch(timestamps: &[i64], producer: Producer) -> Bytes {
    let mut batch = BatchBuilder::new(4 << 20);
    for timestamp_ms in timestamps {
        let value = Some(Bytes::from(timestamp_ms.to_string()));
        batch.push(&Record { timestamp_ms: *timestamp_ms, value, ..Record::default() }).unwrap();
    }
    batch.finish(producer).unwrap()
}

pub(crate) fn request(records: Bytes, acks: i16) -> ProduceRequest {
    let partition = ProducePartition { index: 0, records: Some(records) };
    let topic = ProduceTopic { name: TOPIC.to_owned(), partition_data: vec![partition] };
    let topic_data = vec![topic];
    ProduceRequest { transactional_id: None, acks, timeout_ms: TIMED_OUT_NEVER, topic_data }
}

/// Gives the base offset, or Kafka's error code.
pub(crate) fn produce(kafka: &mut Kafka, records: Bytes) -> Result<i64, KafkaCode> {
    let answer: ProduceResponse = kafka.call(&request(records, -1), 7);
    assert_eq!(answer.throttle_time_ms, 0, "some clients would send the records again");
    let answer = &answer.responses[0].partition_responses[0];
    match KafkaCode::from_number(answer.error_code).unwrap() {
        KafkaCode::None => Ok(answer.base_offset),
        code => Err(code),
    }
}

pub(crate) fn fetch(kafka: &mut Kafka, offset: i64, max_wait_ms: i32) -> FetchPartitionResponse {
    let partition = FetchPartition {
        fetch_offset: offset,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    let topic = FetchTopic {
        topic: TOPIC.to_owned(),
        partitions: vec![partition],
        ..FetchTopic::default()
    };
    let request =
        FetchRequest { max_wait_ms, min_bytes: 1, topics: vec![topic], ..FetchRequest::default() };
    let mut answer: FetchResponse = kafka.call(&request, 11);
    answer.responses.remove(0).partitions.remove(0)
}

/// The offsets and values of what was fetched.
pub(crate) fn records(answer: FetchPartitionResponse) -> Vec<(i64, Bytes)> {
    let batches = answer.records.0.into_iter().flat_map(batches);
    let records = batches.flat_map(|batch| RecordReader::of_batch(&batch.unwrap().1).unwrap());
    records.map(|record| record.map(|(offset, r)| (offset, r.value.unwrap())).unwrap()).collect()
}

/// All records from `offset` to the high watermark. One fetch gives whole batches, the first of
/// which may begin before `offset`, and only those of one file.
pub(crate) fn records_from(kafka: &mut Kafka, offset: i64) -> Vec<(i64, Bytes)> {
    let mut found: Vec<(i64, Bytes)> = Vec::new();
    loop {
        let next = found.last().map_or(offset, |(last, _)| last + 1);
        let answer = fetch(kafka, next, 0);
        assert_eq!(answer.error_code, 0);
        if next >= answer.high_watermark {
            return found;
        }
        found.extend(records(answer).into_iter().filter(|(offset, _)| *offset >= next));
    }
}

pub(crate) fn offset_at(kafka: &mut Kafka, timestamp: i64) -> (i64, i64) {
    let partition = ListOffsetsPartition { timestamp, ..ListOffsetsPartition::default() };
    let topic = ListOffsetsTopic { name: TOPIC.to_owned(), partitions: vec![partition] };
    let request = ListOffsetsRequest { topics: vec![topic], ..ListOffsetsRequest::default() };
    let answer: ListOffsetsResponse = kafka.call(&request, 7);
    let found = &answer.topics[0].partitions[0];
    assert_eq!(found.error_code, 0);
    (found.offset, found.timestamp)
}

pub(crate) fn new_producer(kafka: &mut Kafka) -> i64 {
    let answer: InitProducerIdResponse = kafka.call(&InitProducerIdRequest::default(), 4);
    assert_eq!((answer.error_code, answer.producer_epoch), (0, 0));
    answer.producer_id
}
