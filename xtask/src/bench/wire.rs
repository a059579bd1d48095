//! A blocking Kafka connection, and the requests that the load sends: built once, sent often.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use pagi_protocol::kafka::batch_builder::{BatchBuilder, Producer};
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::exchange::{Message, decode_response, encode_request};
use pagi_protocol::kafka::messages::create_topics::{
    CreatableTopic, CreateTopicsRequest, CreateTopicsResponse,
};
use pagi_protocol::kafka::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic,
};
use pagi_protocol::kafka::messages::produce::{
    ProducePartition, ProduceRequest, ProduceResponse, ProduceTopic,
};
use pagi_protocol::kafka::record::Record;
use pagi_protocol::kafka::record_batch::batches;

use crate::failure::{Failure, Outcome, While};

const PRODUCE_VERSION: i16 = 7;
const FETCH_VERSION: i16 = 4;
const CREATE_TOPICS_VERSION: i16 = 2;
const TIMEOUT_MS: i32 = 30_000;
/// Longer than any answer takes unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a broker.
#[derive(Debug)]
pub(super) struct Broker {
    stream: TcpStream,
}

impl Broker {
    pub(super) fn connect(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).on(format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream })
    }

    /// Sends a whole frame.
    pub(super) fn send(&mut self, frame: &[u8]) -> Outcome {
        self.stream.write_all(frame).on("send to the broker")
    }

    /// Waits for the next answer.
    fn receive<M: Message>(&mut self, version: i16) -> Outcome<M> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).on("read the broker's answer")?;
        let length = usize::try_from(i32::from_be_bytes(length)).on("read a length")?;
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).on("read the broker's answer")?;
        let (_, message) = decode_response(Bytes::from(answer), version)?;
        Ok(message)
    }

    /// Creates `topic` unless it is there.
    pub(super) fn create_topic(&mut self, topic: &str, partitions: i32) -> Outcome {
        let topic = CreatableTopic {
            name: topic.to_owned(),
            num_partitions: partitions,
            replication_factor: 1,
            ..CreatableTopic::default()
        };
        let topics = vec![topic];
        let request = CreateTopicsRequest { topics, timeout_ms: TIMEOUT_MS, validate_only: false };
        self.send(&frame(&request, CREATE_TOPICS_VERSION)?)?;
        let answer: CreateTopicsResponse = self.receive(CREATE_TOPICS_VERSION)?;
        let codes = answer.topics.iter().map(|topic| topic.error_code);
        check(
            codes.filter(|code| *code != KafkaCode::TopicAlreadyExists.number()),
            "create a topic",
        )
    }

    /// Waits for the answer to a Produce request; fails unless every batch was stored.
    pub(super) fn receive_produced(&mut self) -> Outcome {
        let answer: ProduceResponse = self.receive(PRODUCE_VERSION)?;
        let partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
        check(partitions.map(|partition| partition.error_code), "produce")
    }

    /// Waits for the answer to a Fetch request; gives how many records its whole batches have.
    pub(super) fn receive_fetched(&mut self) -> Outcome<u64> {
        let answer: FetchResponse = self.receive(FETCH_VERSION)?;
        let mut records = 0;
        for partition in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
            check([partition.error_code], "fetch")?;
            let whole = partition.records.0.into_iter().flat_map(batches).map_while(Result::ok);
            records += whole.map(|(h, _)| u64::try_from(h.records).unwrap_or(0)).sum::<u64>();
        }
        Ok(records)
    }
}

fn check(codes: impl IntoIterator<Item = i16>, doing: &str) -> Outcome {
    match codes.into_iter().find(|code| *code != KafkaCode::None.number()) {
        None => Ok(()),
        Some(code) => Err(Failure::new(format!(
            "cannot {doing}: Kafka's error {code} ({:?})",
            KafkaCode::from_number(code)
        ))),
    }
}

fn frame(request: &impl Message, version: i16) -> Outcome<Vec<u8>> {
    Ok(encode_request(request, version, 0, "pagi-bench")?.concat())
}

/// A Produce frame with acks=all and the same batch for partitions 0 to `partitions` - 1.
pub(super) fn produce(topic: &str, partitions: i32, batch: &Bytes) -> Outcome<Vec<u8>> {
    let partition = |index| ProducePartition { index, records: Some(batch.clone()) };
    let partition_data = (0..partitions).map(partition).collect();
    let topic_data = vec![ProduceTopic { name: topic.to_owned(), partition_data }];
    let request =
        ProduceRequest { transactional_id: None, acks: -1, timeout_ms: TIMEOUT_MS, topic_data };
    frame(&request, PRODUCE_VERSION)
}

/// A Fetch frame for one partition, which does not wait for more to come.
pub(super) fn fetch(
    topic: &str,
    partition: i32,
    fetch_offset: i64,
    bytes_max: i32,
) -> Outcome<Vec<u8>> {
    let partition = FetchPartition {
        partition,
        fetch_offset,
        partition_max_bytes: bytes_max,
        ..FetchPartition::default()
    };
    let topic = FetchTopic {
        topic: topic.to_owned(),
        partitions: vec![partition],
        ..FetchTopic::default()
    };
    let request = FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: bytes_max,
        topics: vec![topic],
        ..FetchRequest::default()
    };
    frame(&request, FETCH_VERSION)
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

    #[test]
    fn an_error_code_is_named() {
        assert!(check([0, 0], "x").is_ok());
        let failure = check([0, 3], "produce").unwrap_err().to_string();
        assert!(failure.contains("UnknownTopicOrPartition"), "{failure}");
    }
}
