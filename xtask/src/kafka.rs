//! A blocking Kafka connection, and the requests that several commands send.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::exchange::{Message, decode_response, encode_request};
use pagi_protocol::kafka::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};
use pagi_protocol::kafka::messages::fetch::{
    FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, FetchTopic,
};

use crate::failure::{Failure, Outcome, While};

/// How long the broker may take over a request, in milliseconds.
pub(crate) const TIMEOUT_MS: i32 = 30_000;
const FETCH_VERSION: i16 = 4;
const CREATE_TOPICS_VERSION: i16 = 2;
/// Longer than any answer takes unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a broker.
#[derive(Debug)]
pub(crate) struct Broker {
    stream: TcpStream,
}

impl Broker {
    pub(crate) fn connect(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).on(format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream })
    }

    /// Sends a whole frame.
    pub(crate) fn send(&mut self, frame: &[u8]) -> Outcome {
        self.stream.write_all(frame).on("send to the broker")
    }

    /// Waits for the next answer.
    pub(crate) fn receive<M: Message>(&mut self, version: i16) -> Outcome<M> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).on("read the broker's answer")?;
        let length = usize::try_from(i32::from_be_bytes(length)).on("read a length")?;
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).on("read the broker's answer")?;
        let (_, message) = decode_response(Bytes::from(answer), version)?;
        Ok(message)
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn call<A: Message>(&mut self, request: &impl Message, version: i16) -> Outcome<A> {
        self.send(&frame(request, version)?)?;
        self.receive(version)
    }

    /// Creates `topic` unless it is there. Its records stay, however old they say they are.
    pub(crate) fn create_topic(&mut self, topic: &str, partitions: i32) -> Outcome {
        let for_ever =
            CreatableTopicConfig { name: "retention.ms".to_owned(), value: Some("-1".to_owned()) };
        let topic = CreatableTopic {
            name: topic.to_owned(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: vec![for_ever],
            ..CreatableTopic::default()
        };
        let topics = vec![topic];
        let request = CreateTopicsRequest { topics, timeout_ms: TIMEOUT_MS, validate_only: false };
        let answer: CreateTopicsResponse = self.call(&request, CREATE_TOPICS_VERSION)?;
        let codes = answer.topics.iter().map(|topic| topic.error_code);
        check(
            codes.filter(|code| *code != KafkaCode::TopicAlreadyExists.number()),
            "create a topic",
        )
    }

    /// Waits for the answer to a frame made by [`fetch`]: the partition that it asked for.
    pub(crate) fn receive_fetched(&mut self) -> Outcome<FetchPartitionResponse> {
        let answer: FetchResponse = self.receive(FETCH_VERSION)?;
        let mut partitions = answer.responses.into_iter().flat_map(|topic| topic.partitions);
        partitions.next().ok_or_else(|| Failure::new("a fetch was answered without a partition"))
    }
}

/// Fails on the first code that is an error.
pub(crate) fn check(codes: impl IntoIterator<Item = i16>, doing: &str) -> Outcome {
    match codes.into_iter().find(|code| *code != KafkaCode::None.number()) {
        None => Ok(()),
        Some(code) => Err(Failure::new(format!("cannot {doing}: Kafka's error {}", name(code)))),
    }
}

/// An error code with its name, where it has one.
pub(crate) fn name(code: i16) -> String {
    match KafkaCode::from_number(code) {
        Some(name) => format!("{code} ({name:?})"),
        None => code.to_string(),
    }
}

/// A request as it is sent.
pub(crate) fn frame(request: &impl Message, version: i16) -> Outcome<Vec<u8>> {
    Ok(encode_request(request, version, 0, "pagi-xtask")?.concat())
}

/// A Fetch frame for one partition, which waits at most so long for records to come.
pub(crate) fn fetch(
    topic: &str,
    partition: i32,
    fetch_offset: i64,
    bytes_max: i32,
    max_wait_ms: i32,
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
        max_wait_ms,
        min_bytes: 1,
        max_bytes: bytes_max,
        topics: vec![topic],
        ..FetchRequest::default()
    };
    frame(&request, FETCH_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_code_is_named() {
        assert!(check([0, 0], "x").is_ok());
        let failure = check([0, 3], "produce").unwrap_err().to_string();
        assert!(failure.contains("UnknownTopicOrPartition"), "{failure}");
        assert_eq!(name(-999), "-999");
    }
}
