//! A connection of our own to the leader of a partition, over which it is read. `rskafka` cannot
//! read what other clients write: see ARCHITECTURE.md, "What rskafka is guarded against".
//!
//! **Invariants.** The leader is asked for anew for each connection. Only what is committed is
//! read. A topic is not created by reading it.
//!
//! **References.** Kafka protocol guide: `Metadata`, `ListOffsets`, `Fetch`.
use std::time::Duration;

use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::exchange::Message;
use pagi_protocol::kafka::messages::fetch::{
    FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, FetchTopic,
};
use pagi_protocol::kafka::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use pagi_protocol::kafka::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse,
};

use super::connection::{Connection, LinkError};
use super::topic_partition::TopicPartition;
use crate::limits::{BROKER_CALL_TIMEOUT, FETCH_WAIT, FETCH_WAIT_MS};

/// The first with which a missing topic is not created by asking.
const METADATA_VERSION: i16 = 4;
/// With an isolation level.
const LIST_OFFSETS_VERSION: i16 = 2;
/// With aborted transactions; every broker since Kafka 0.11 speaks it, and no client an older one.
const FETCH_VERSION: i16 = 4;
const READ_COMMITTED: i8 = 1;

/// An end of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The oldest event.
    Earliest,
    /// Behind the last event.
    Latest,
}

/// See the module.
pub(super) struct Leader {
    id: TopicPartition,
    connection: Option<Connection>,
}

impl Leader {
    /// Asks the first of `brokers` that answers for the leader, and connects to it.
    pub(super) async fn open(
        brokers: &[String],
        client_id: &str,
        id: &TopicPartition,
        bytes_max: usize,
    ) -> Result<Self, LinkError> {
        let mut found = Err(LinkError::NoLeader);
        for broker in brokers {
            found = find(broker, client_id, id, bytes_max).await;
            if found.is_ok() {
                break;
            }
        }
        let connection = Connection::open(&found?, client_id, bytes_max).await?;
        Ok(Self { id: id.clone(), connection: Some(connection) })
    }

    /// Where the partition begins or ends.
    pub(super) async fn offset(&mut self, end: End) -> Result<i64, LinkError> {
        let timestamp = match end {
            End::Earliest => -2,
            End::Latest => -1,
        };
        let partition = ListOffsetsPartition {
            partition_index: self.id.partition,
            timestamp,
            ..ListOffsetsPartition::default()
        };
        let request = ListOffsetsRequest {
            isolation_level: READ_COMMITTED,
            topics: vec![ListOffsetsTopic {
                name: self.id.topic.as_str().to_owned(),
                partitions: vec![partition],
            }],
            ..ListOffsetsRequest::default()
        };
        let answer: ListOffsetsResponse =
            self.call(BROKER_CALL_TIMEOUT, &request, LIST_OFFSETS_VERSION).await?;
        let partition = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
        let partition = partition.ok_or(LinkError::LeftOut)?;
        accept(partition.error_code)?;
        Ok(partition.offset)
    }

    /// What there is from `offset` on, after some time if there is nothing yet: not much more
    /// than `bytes_max`, but at least one batch.
    pub(super) async fn fetch(
        &mut self,
        offset: i64,
        bytes_max: i32,
    ) -> Result<FetchPartitionResponse, LinkError> {
        let partition = FetchPartition {
            partition: self.id.partition,
            fetch_offset: offset,
            partition_max_bytes: bytes_max,
            ..FetchPartition::default()
        };
        let request = FetchRequest {
            max_wait_ms: FETCH_WAIT_MS,
            min_bytes: 1,
            max_bytes: bytes_max,
            isolation_level: READ_COMMITTED,
            topics: vec![FetchTopic {
                topic: self.id.topic.as_str().to_owned(),
                partitions: vec![partition],
                ..FetchTopic::default()
            }],
            ..FetchRequest::default()
        };
        let patience = FETCH_WAIT + BROKER_CALL_TIMEOUT;
        let answer: FetchResponse = self.call(patience, &request, FETCH_VERSION).await?;
        let partition = answer.responses.into_iter().flat_map(|topic| topic.partitions).next();
        let partition = partition.ok_or(LinkError::LeftOut)?;
        accept(partition.error_code)?;
        Ok(partition)
    }

    async fn call<A: Message>(
        &mut self,
        patience: Duration,
        request: &impl Message,
        version: i16,
    ) -> Result<A, LinkError> {
        let broken = || LinkError::Io(std::io::ErrorKind::NotConnected.into());
        let connection = self.connection.take().ok_or_else(broken)?;
        let (answer, connection) = connection.call_within(patience, request, version).await?;
        self.connection = Some(connection);
        Ok(answer)
    }
}

fn accept(code: i16) -> Result<(), LinkError> {
    if code == KafkaCode::None.number() { Ok(()) } else { Err(LinkError::Refused(code)) }
}

/// The address of the partition's leader.
async fn find(
    broker: &str,
    client_id: &str,
    id: &TopicPartition,
    bytes_max: usize,
) -> Result<String, LinkError> {
    let request = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(id.topic.as_str().to_owned()),
            ..MetadataRequestTopic::default()
        }]),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    let connection = Connection::open(broker, client_id, bytes_max).await?;
    let (answer, _): (MetadataResponse, _) = connection.call(&request, METADATA_VERSION).await?;
    let topic = answer.topics.first().ok_or(LinkError::LeftOut)?;
    accept(topic.error_code)?;
    let partition = topic.partitions.iter().find(|p| p.partition_index == id.partition);
    let leader_id = partition.ok_or(LinkError::NoPartition)?.leader_id;
    let leader = answer.brokers.iter().find(|broker| broker.node_id == leader_id);
    leader.map(|leader| format!("{}:{}", leader.host, leader.port)).ok_or(LinkError::NoLeader)
}
