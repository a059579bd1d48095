//! Producing without ids and sequences, one request at a time: for records that are filling, or that
//! somebody else is to read.
use bytes::Bytes;
use pagi_protocol::kafka::batch_builder::{BatchBuilder, Producer};
use pagi_protocol::kafka::messages::produce::{
    ProducePartition, ProduceRequest, ProduceResponse, ProduceTopic,
};
use pagi_protocol::kafka::record::Record;

use crate::failure::Outcome;
use crate::kafka::{Broker, TIMEOUT_MS};

const PRODUCE_VERSION: i16 = 7;
const TIMESTAMP_MS: i64 = 1_700_000_000_000;

/// The records that one partition is to get.
pub(crate) fn batch(
    index: i32,
    values: impl IntoIterator<Item = Bytes>,
) -> Outcome<ProducePartition> {
    let mut batch = BatchBuilder::new(usize::MAX);
    for value in values {
        let value = Some(value);
        batch.push(&Record { timestamp_ms: TIMESTAMP_MS, value, ..Record::default() })?;
    }
    Ok(ProducePartition { index, records: batch.finish(Producer::NONE) })
}

/// Produces with acks=all, and gives the error code of each partition.
pub(crate) fn produce(
    broker: &mut Broker,
    topic: &str,
    partition_data: Vec<ProducePartition>,
) -> Outcome<Vec<i16>> {
    let topic_data = vec![ProduceTopic { name: topic.to_owned(), partition_data }];
    let request =
        ProduceRequest { transactional_id: None, acks: -1, timeout_ms: TIMEOUT_MS, topic_data };
    let answer: ProduceResponse = broker.call(&request, PRODUCE_VERSION)?;
    let partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
    Ok(partitions.map(|partition| partition.error_code).collect())
}
