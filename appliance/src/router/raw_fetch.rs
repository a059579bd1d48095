//! A look at the record batches at an offset as they are, for when `rskafka` shows nothing there,
//! or cannot make sense of it.
//!
//! **Invariants.** An offset counts as empty only when the batch that covers it, undamaged, shows
//! that there is no event: a control batch, or one whose records at and behind the offset are
//! gone. Anything else is told as unreadable, never passed over.
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
use pagi_protocol::kafka::record::{Record, RecordError, RecordReader};
use pagi_protocol::kafka::record_batch::{BatchError, BatchHeader, batches};

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
    /// These events, with their offsets; none for a gap.
    Records {
        /// In the order of their offsets.
        records: Vec<(i64, Record)>,
        /// The offset behind them, up to which there are no others.
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

/// What the first batch in `bytes` that goes beyond `offset` holds from there on.
fn classify(bytes: Bytes, offset: i64) -> Found {
    for batch in batches(bytes) {
        match batch {
            Ok((header, _)) if header.next_offset() <= offset => {}
            Ok((header, batch)) => {
                return read(&header, &batch, offset).unwrap_or_else(|error| {
                    let (records, base) = (header.records, header.base_offset);
                    let what = format!("{error}, in the batch of {records} records from {base}");
                    Found::Unreadable(what)
                });
            }
            Err(error) => return Found::Unreadable(error.to_string()),
        }
    }
    Found::Nothing
}

fn read(header: &BatchHeader, batch: &Bytes, offset: i64) -> Result<Found, RecordError> {
    match header.validate(batch) {
        // Compaction leaves fewer records than offsets. The CRC was checked before the counts.
        Ok(()) | Err(BatchError::Count { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let next = header.next_offset();
    if header.is_control() || header.records == 0 {
        return Ok(Found::Records { records: Vec::new(), next });
    }
    let records =
        RecordReader::of_batch(batch)?.filter(|r| !matches!(r, Ok((at, _)) if *at < offset));
    Ok(Found::Records { records: records.collect::<Result<_, _>>()?, next })
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
    use pagi_protocol::kafka::batch_builder::{BatchBuilder, Producer};
    use pagi_protocol::kafka::record::Header;
    use pagi_protocol::kafka::record_batch::assign;

    use super::*;

    fn record(value: &'static str) -> Record {
        let null = Header { key: "h".to_owned(), value: None };
        Record {
            timestamp_ms: 1,
            key: None,
            value: Some(Bytes::from_static(value.as_bytes())),
            headers: vec![null.clone(), null],
        }
    }

    /// A batch at `base_offset`, with this patch behind offset and epoch, and a CRC that is right.
    fn batch(base_offset: i64, values: &[&'static str], patch: &[(usize, &[u8])]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(1 << 20);
        for value in values {
            builder.push(&record(value)).unwrap();
        }
        let mut bytes = builder.finish(Producer::NONE).unwrap().to_vec();
        assign(&mut bytes, base_offset, 0);
        for (at, patch) in patch {
            bytes[*at..at + patch.len()].copy_from_slice(patch);
        }
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    const CONTROL: (usize, &[u8]) = (21, &[0, 0b11_0000]);
    const GZIP: (usize, &[u8]) = (21, &[0, 1]);

    fn offsets(found: Found) -> (Vec<i64>, i64) {
        let Found::Records { records, next } = found else { panic!("{found:?}") };
        (records.into_iter().map(|(offset, _)| offset).collect(), next)
    }

    #[test]
    fn a_transaction_marker_is_a_gap() {
        let bytes = [batch(10, &["x"], &[CONTROL]), batch(11, &["y"], &[])].concat();
        assert_eq!(offsets(classify(bytes.into(), 10)), (vec![], 11));
    }

    #[test]
    fn what_compaction_left_is_read_and_its_end_is_known() {
        // Offsets 10 to 19, of which 10 and 11 are left.
        let bytes = batch(10, &["x", "y"], &[(23, &9_i32.to_be_bytes())]);
        assert_eq!(offsets(classify(bytes.clone().into(), 11)), (vec![11], 20));
        assert_eq!(offsets(classify(bytes.into(), 12)), (vec![], 20));
    }

    #[test]
    fn null_and_repeated_headers_are_read() {
        let Found::Records { records, .. } = classify(batch(0, &["x"], &[]).into(), 0) else {
            panic!()
        };
        assert_eq!(records, [(0, record("x"))]);
    }

    #[test]
    fn what_cannot_be_read_is_told_and_never_a_gap() {
        let mut damaged = batch(10, &["x"], &[CONTROL]);
        damaged[30] ^= 1;
        for bytes in [batch(10, &["x"], &[GZIP]), damaged, vec![1; 100]] {
            let found = classify(bytes.into(), 10);
            assert!(matches!(found, Found::Unreadable(_)), "{found:?}");
        }
    }

    #[test]
    fn behind_the_last_batch_there_is_nothing_yet() {
        assert_eq!(classify(Bytes::new(), 7), Found::Nothing);
        assert_eq!(classify(batch(6, &["x"], &[]).into(), 7), Found::Nothing);
    }
}
