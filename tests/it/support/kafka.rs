//! A blocking Kafka connection that sends what it is told, right or wrong.
use std::io::{self, Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::exchange::{Message, decode_response, encode_request};
use pagi_protocol::kafka::messages::create_topics::{
    CreatableTopic, CreateTopicsRequest, CreateTopicsResponse,
};

use super::wait::PATIENCE;

/// A connection to a broker.
#[derive(Debug)]
pub(crate) struct Kafka {
    stream: TcpStream,
}

impl Kafka {
    pub(crate) fn connect(brokers: &str) -> Self {
        let stream = TcpStream::connect(brokers).expect("the broker accepts connections");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream }
    }

    /// Sends bytes that need not make sense.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends no more, but goes on reading.
    pub(crate) fn finish_sending(&self) {
        // The other side may have closed the connection already.
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// Reads until the broker closes the connection; gives what it said before.
    pub(crate) fn rest(self) -> Vec<u8> {
        match self.rest_or_reset() {
            (rest, Ok(())) => rest,
            (rest, Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => rest,
            (_, Err(error)) => panic!("the connection was not closed: {error}"),
        }
    }

    /// As [`Self::rest`], and how the connection ended.
    pub(crate) fn rest_or_reset(mut self) -> (Vec<u8>, io::Result<()>) {
        let mut rest = Vec::new();
        let end = self.stream.read_to_end(&mut rest).map(|_| ());
        (rest, end)
    }

    /// Creates a topic of one partition unless it is there.
    pub(crate) fn create_topic(&mut self, name: &str) {
        let topic = CreatableTopic {
            name: name.to_owned(),
            num_partitions: 1,
            replication_factor: 1,
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
        let answer: CreateTopicsResponse = self.call(&request, 2);
        let fine = [KafkaCode::None.number(), KafkaCode::TopicAlreadyExists.number()];
        assert!(fine.contains(&answer.topics[0].error_code), "{answer:?}");
    }

    /// Sends a request and reads its answer.
    pub(crate) fn call<A: Message>(&mut self, request: &impl Message, version: i16) -> A {
        self.ask(request, version);
        self.answer(version)
    }

    /// Sends a request whose answer may take long.
    pub(crate) fn ask(&mut self, request: &impl Message, version: i16) {
        let frame = encode_request(request, version, 7, "it").expect("a version of the table");
        self.send(&frame.concat()).expect("the broker reads");
    }

    /// Reads the answer to the first request that has none yet.
    pub(crate) fn answer<A: Message>(&mut self, version: i16) -> A {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).expect("the broker answers");
        let mut answer = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
        self.stream.read_exact(&mut answer).expect("the broker answers");
        let (correlation, answer) = decode_response(Bytes::from(answer), version).unwrap();
        assert_eq!(correlation, 7);
        answer
    }
}
