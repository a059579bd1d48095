//! A look at the record batches at an offset as they are, for when `rskafka` shows nothing there,
//! or cannot make sense of it.
//!
//! **Invariants.** An offset counts as empty only when the header of the batch that covers it
//! says so: a control batch, or one whose records are all gone. Anything else is told as
//! unreadable, never passed over.
//!
//! **References.** Kafka protocol guide: `Metadata`, `Fetch`, "Record batch".
use bytes::Bytes;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic,
};
use pagi_protocol::kafka::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse,
};
use pagi_protocol::kafka::record_batch::{BatchHeader, batches};

use super::connection::{Connection, LinkError};
use super::topic_partition::TopicPartition;

/// The first with which a missing topic is not created by asking.
const METADATA_VERSION: i16 = 4;
/// The one that `rskafka` speaks too.
const FETCH_VERSION: i16 = 4;
const READ_COMMITTED: i8 = 1;

/// What is at an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing yet.
    Nothing,
    /// No event before this offset.
    Gap {
        /// The first offset that may hold one.
        next: i64,
    },
    /// Something that this program cannot read.
    Unreadable(String),
}

/// Asks the partition's leader what is at `offset`, over connections of its own.
pub(super) async fn look(
    brokers: &[String],
    client_id: &str,
    id: &TopicPartition,
    offset: i64,
    bytes_max: usize,
) -> Result<Found, LinkError> {
    let leader = leader(brokers, client_id, id, bytes_max).await?;
    let connection = Connection::open(&leader, client_id, bytes_max).await?;
    // The first batch comes whole, however large: a byte is enough to ask for.
    let request = FetchRequest {
        max_bytes: 1,
        isolation_level: READ_COMMITTED,
        topics: vec![FetchTopic {
            topic: id.topic.as_str().to_owned(),
            partitions: vec![FetchPartition {
                partition: id.partition,
                fetch_offset: offset,
                partition_max_bytes: 1,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    let (answer, _): (FetchResponse, _) = connection.call(&request, FETCH_VERSION).await?;
    let partition = answer.responses.into_iter().flat_map(|topic| topic.partitions).next();
    let Some(partition) = partition else {
        return Ok(Found::Unreadable("the broker's answer leaves the partition out".to_owned()));
    };
    if partition.error_code != KafkaCode::None.number() {
        return Ok(Found::Unreadable(format!("the broker says error {}", partition.error_code)));
    }
    Ok(classify(partition.records.0.concat().into(), offset))
}

/// What the batches, from the one that covers `offset` on, hold at it.
fn classify(records: Bytes, offset: i64) -> Found {
    let mut next = offset;
    for batch in batches(records) {
        match batch {
            Ok((header, _)) if header.next_offset() <= next => {}
            Ok((header, _)) if header.is_control() || header.records == 0 => {
                next = header.next_offset();
            }
            Ok((header, _)) if next == offset => return Found::Unreadable(describe(&header)),
            Err(error) if next == offset => return Found::Unreadable(error.to_string()),
            _ => break,
        }
    }
    if next > offset { Found::Gap { next } } else { Found::Nothing }
}

fn describe(header: &BatchHeader) -> String {
    let codec = match header.attributes & 0b111 {
        0 => "not compressed",
        1 => "compressed with gzip",
        2 => "compressed with snappy",
        3 => "compressed with lz4, which this build cannot read",
        4 => "compressed with zstd, which this build cannot read",
        _ => "compressed with an unknown codec",
    };
    format!("the batch of {} records from offset {} is {codec}", header.records, header.base_offset)
}

async fn leader(
    brokers: &[String],
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
    let mut result = Err(LinkError::NoLeader);
    for broker in brokers {
        result = async {
            let connection = Connection::open(broker, client_id, bytes_max).await?;
            let (answer, _): (MetadataResponse, _) =
                connection.call(&request, METADATA_VERSION).await?;
            let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            let partition = partitions.find(|p| p.partition_index == id.partition);
            let leader = partition.map(|partition| partition.leader_id);
            let leader = answer.brokers.iter().find(|broker| Some(broker.node_id) == leader);
            leader
                .map(|leader| format!("{}:{}", leader.host, leader.port))
                .ok_or(LinkError::NoLeader)
        }
        .await;
        if result.is_ok() {
            break;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch's header with these bits, and nothing behind it.
    fn batch(base_offset: i64, last_offset_delta: i32, attributes: i16, records: i32) -> Vec<u8> {
        let mut bytes = vec![0; 61];
        bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
        bytes[8..12].copy_from_slice(&49_i32.to_be_bytes());
        bytes[16] = 2;
        bytes[21..23].copy_from_slice(&attributes.to_be_bytes());
        bytes[23..27].copy_from_slice(&last_offset_delta.to_be_bytes());
        bytes[57..61].copy_from_slice(&records.to_be_bytes());
        bytes
    }

    const CONTROL: i16 = 0b11_0000;

    #[test]
    fn control_batches_and_emptied_ones_are_gaps() {
        let bytes = [batch(10, 0, CONTROL, 1), batch(11, 4, 0, 0), batch(16, 0, 0, 1)].concat();
        assert_eq!(classify(bytes.into(), 10), Found::Gap { next: 16 });
    }

    #[test]
    fn a_batch_with_records_is_no_gap_whatever_stands_behind_it() {
        let bytes = [batch(10, 2, 1, 3), batch(13, 0, CONTROL, 1)].concat();
        let Found::Unreadable(why) = classify(bytes.into(), 11) else { panic!() };
        assert_eq!(why, "the batch of 3 records from offset 10 is compressed with gzip");
    }

    #[test]
    fn damage_is_told_and_emptiness_is_nothing_yet() {
        assert!(matches!(classify(vec![1; 100].into(), 0), Found::Unreadable(_)));
        assert_eq!(classify(Bytes::new(), 7), Found::Nothing);
        assert_eq!(classify(batch(0, 6, 0, 7).into(), 7), Found::Nothing, "all of it was read");
    }
}
