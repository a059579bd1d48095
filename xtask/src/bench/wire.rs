//! The requests that the load sends, built once and sent often, and what is read of their answers.
use bytes::Bytes;
use pagi_protocol::kafka::batch_builder::{BatchBuilder, Producer};
use pagi_protocol::kafka::messages::produce::{
    ProducePartition, ProduceRequest, ProduceResponse, ProduceTopic,
};
use pagi_protocol::kafka::record::Record;
use pagi_protocol::kafka::record_batch::batches;

use crate::failure::{Failure, Outcome};
use crate::kafka::{Broker, TIMEOUT_MS, check, frame};

const PRODUCE_VERSION: i16 = 7;

/// A Produce frame with acks=all and the same batch for partitions 0 to `partitions` - 1.
pub(super) fn produce(topic: &str, partitions: i32, batch: &Bytes) -> Outcome<Vec<u8>> {
    let partition = |index| ProducePartition { index, records: Some(batch.clone()) };
    let partition_data = (0..partitions).map(partition).collect();
    let topic_data = vec![ProduceTopic { name: topic.to_owned(), partition_data }];
    let request =
        ProduceRequest { transactional_id: None, acks: -1, timeout_ms: TIMEOUT_MS, topic_data };
    frame(&request, PRODUCE_VERSION)
}

/// Waits for the answer to a Produce request; fails unless every batch was stored.
pub(super) fn receive_produced(broker: &mut Broker) -> Outcome {
    let answer: ProduceResponse = broker.receive(PRODUCE_VERSION)?;
    let partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
    check(partitions.map(|partition| partition.error_code), "produce")
}

/// Waits for the answer to a Fetch request; gives how many records its whole batches have.
pub(super) fn receive_fetched(broker: &mut Broker) -> Outcome<u64> {
    let partition = broker.receive_fetched()?;
    check([partition.error_code], "fetch")?;
    let whole = partition.records.0.into_iter().flat_map(batches).map_while(Result::ok);
    Ok(whole.map(|(header, _)| u64::try_from(header.records).unwrap_or(0)).sum())
}

/// A record batch of `records` values of `value_bytes` each, without keys or compression.
pub(super) fn batch(records: i32, value_bytes: usize) -> Outcome<Bytes> {
    // Not one letter again and again: a broker must not profit from what no event looks like.
    let value: Bytes = (0_u32..).map(noise).take(value_bytes).collect();
    let mut batch = BatchBuilder::new(usize::MAX);
    for _ in 0..records {
        let value = Some(value.clone());
        batch.push(&Record { timestamp_ms: 1_700_000_000_000, value, ..Record::default() })?;
    }
    batch.finish(Producer::NONE).ok_or_else(|| Failure::new("a batch needs a record"))
}

const fn noise(number: u32) -> u8 {
    let [byte, ..] = number.wrapping_mul(2_654_435_761).to_be_bytes();
    byte
}

#[cfg(test)]
mod tests {
    use pagi_protocol::kafka::record_batch::BatchHeader;

    use super::*;

    #[test]
    fn the_batch_has_the_records_and_bytes_that_were_asked_for() {
        let batch = batch(4, 1024).unwrap();
        let header = BatchHeader::parse(&batch).unwrap();
        header.validate(&batch).unwrap();
        assert_eq!(header.records, 4);
        assert!((4096..4096 + 128).contains(&batch.len()), "{}", batch.len());
    }
}
