//! Topics and records that go.
use pagi_protocol::kafka::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use pagi_protocol::kafka::messages::delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
use pagi_protocol::kafka::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};

use crate::failure::{Failure, Outcome};
use crate::kafka::{Broker, TIMEOUT_MS, check};

const DELETE_TOPICS_VERSION: i16 = 1;
const DELETE_RECORDS_VERSION: i16 = 1;
const LIST_OFFSETS_VERSION: i16 = 1;

/// Deletes a topic.
pub(super) fn delete(broker: &mut Broker, name: &str) -> Outcome {
    let request = DeleteTopicsRequest {
        topic_names: vec![name.to_owned()],
        timeout_ms: TIMEOUT_MS,
        ..DeleteTopicsRequest::default()
    };
    let answer: DeleteTopicsResponse = broker.call(&request, DELETE_TOPICS_VERSION)?;
    check(answer.responses.iter().map(|topic| topic.error_code), "delete a topic")
}

/// Deletes the records of partition 0 before an offset; -1 stands for the end.
pub(super) fn delete_records(broker: &mut Broker, topic: &str, offset: i64) -> Outcome {
    let partition = DeleteRecordsPartition { partition_index: 0, offset };
    let topic = DeleteRecordsTopic { name: topic.to_owned(), partitions: vec![partition] };
    let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS };
    let answer: DeleteRecordsResponse = broker.call(&request, DELETE_RECORDS_VERSION)?;
    let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    check(partitions.map(|partition| partition.error_code), "delete records")
}

/// The first offset of partition 0.
pub(super) fn log_start(broker: &mut Broker, topic: &str) -> Outcome<i64> {
    const EARLIEST: i64 = -2;
    let partition = ListOffsetsPartition { timestamp: EARLIEST, ..Default::default() };
    let topic = ListOffsetsTopic { name: topic.to_owned(), partitions: vec![partition] };
    let request = ListOffsetsRequest { topics: vec![topic], ..Default::default() };
    let answer: ListOffsetsResponse = broker.call(&request, LIST_OFFSETS_VERSION)?;
    let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    let partition = partitions.next().ok_or_else(|| Failure::new("no offset was given"))?;
    check([partition.error_code], "find the first offset")?;
    Ok(partition.offset)
}
