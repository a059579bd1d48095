//! What a group committed.
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchResponse, OffsetFetchTopic,
};

use crate::failure::Outcome;
use crate::kafka::{Broker, check};

const OFFSET_FETCH_VERSION: i16 = 2;

/// The group's offset in each of these partitions; -1 where it has none.
pub(crate) fn committed(
    broker: &mut Broker,
    group: &str,
    topic: &str,
    partitions: &[i32],
) -> Outcome<Vec<i64>> {
    let asked = OffsetFetchTopic { name: topic.to_owned(), partition_indexes: partitions.to_vec() };
    let request = OffsetFetchRequest {
        group_id: group.to_owned(),
        topics: Some(vec![asked]),
        ..OffsetFetchRequest::default()
    };
    let answer: OffsetFetchResponse = broker.call(&request, OFFSET_FETCH_VERSION)?;
    let answers = || answer.topics.iter().flat_map(|topic| &topic.partitions);
    let codes = answers().map(|partition| partition.error_code);
    let unknown = KafkaCode::UnknownTopicOrPartition.number();
    check(codes.chain([answer.error_code]).filter(|code| *code != unknown), "read offsets")?;
    let offset = |index: &i32| {
        let found = answers().find(|partition| partition.partition_index == *index);
        found.map_or(-1, |partition| partition.committed_offset)
    };
    Ok(partitions.iter().map(offset).collect())
}
