//! Batches and their records, held against the `kafka-protocol` crate, which is tried and tested
//! with friendly bytes, and against bytes that are not friendly.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may panic")]

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, Record as TheirRecord, RecordBatchDecoder, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};
use pagi_protocol::kafka::batch_builder::{BatchBuilder, Producer};
use pagi_protocol::kafka::record::{Header, Record, RecordError, RecordReader};
use pagi_protocol::kafka::record_batch::{BatchHeader, assign, batches};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;

const BATCH_BYTES_MAX: usize = 1 << 20;

fn bytes(length_max: usize) -> impl Strategy<Value = Option<Bytes>> {
    prop::option::of(vec(any::<u8>(), 0..length_max).prop_map(Bytes::from))
}

/// Records as anyone may write them: headers repeat, anything may be null.
fn records() -> impl Strategy<Value = Vec<Record>> {
    let header = ("[a-cä]{0,2}", bytes(20)).prop_map(|(key, value)| Header { key, value });
    let record = (any::<i64>(), bytes(40), bytes(200), vec(header, 0..5)).prop_map(
        |(timestamp_ms, key, value, headers)| Record { timestamp_ms, key, value, headers },
    );
    vec(record, 1..8)
}

/// Records as `kafka-protocol` can have them: its headers are a map, and it subtracts timestamps
/// without regard for overflow.
fn plain_records() -> impl Strategy<Value = Vec<Record>> {
    let headers = btree_map("[a-zä]{0,9}", bytes(20), 0..5).prop_map(|headers| {
        headers.into_iter().map(|(key, value)| Header { key, value }).collect()
    });
    let record = (0..i64::from(u32::MAX) * 1000, bytes(40), bytes(2000), headers).prop_map(
        |(timestamp_ms, key, value, headers)| Record { timestamp_ms, key, value, headers },
    );
    vec(record, 1..8)
}

fn producer() -> impl Strategy<Value = Producer> {
    let idempotent = (0..i64::MAX, 0..i16::MAX, 0..i32::MAX - 8)
        .prop_map(|(id, epoch, base_sequence)| Producer { id, epoch, base_sequence });
    prop_oneof![Just(Producer::NONE), idempotent]
}

fn build(records: &[Record], producer: Producer) -> Bytes {
    let mut builder = BatchBuilder::new(BATCH_BYTES_MAX);
    records.iter().for_each(|record| builder.push(record).unwrap());
    let bytes = builder.bytes();
    let batch = builder.finish(producer).unwrap();
    assert_eq!(batch.len(), bytes);
    batch
}

fn read(batch: &Bytes) -> Result<Vec<(i64, Record)>, RecordError> {
    RecordReader::of_batch(batch)?.collect()
}

fn is_valid(batch: &[u8]) -> bool {
    BatchHeader::parse(batch).is_ok_and(|header| header.validate(batch).is_ok())
}

/// A batch with this header but for the length and the CRC, which fit, and with this body.
fn patched(header: &[u8], body: &[u8]) -> Bytes {
    let mut batch = [&header[..61], body].concat();
    let length = i32::try_from(batch.len() - 12).unwrap();
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

fn ours(record: &TheirRecord) -> Record {
    let header = |(key, value): (&StrBytes, &Option<Bytes>)| Header {
        key: key.to_string(),
        value: value.clone(),
    };
    Record {
        timestamp_ms: record.timestamp,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.iter().map(header).collect(),
    }
}

fn theirs(records: &[Record], base_offset: i64, producer: Producer) -> Vec<TheirRecord> {
    let header =
        |header: &Header| (StrBytes::from_string(header.key.clone()), header.value.clone());
    (0..)
        .zip(records)
        .map(|(number, record)| TheirRecord {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            timestamp_type: TimestampType::Creation,
            offset: base_offset + i64::from(number),
            sequence: producer.base_sequence.wrapping_add(number),
            timestamp: record.timestamp_ms,
            key: record.key.clone(),
            value: record.value.clone(),
            headers: record.headers.iter().map(header).collect::<IndexMap<_, _>>(),
        })
        .collect()
}

proptest! {
    #[test]
    fn what_is_built_is_read(
        records in records(), producer in producer(), offset in 0..1_i64 << 60,
    ) {
        let mut batch = BytesMut::from(build(&records, producer));
        assign(&mut batch, offset, 3);
        let batch = batch.freeze();

        let header = BatchHeader::parse(&batch).unwrap();
        prop_assert_eq!(header.validate(&batch), Ok(()));
        prop_assert_eq!((header.base_offset, header.leader_epoch), (offset, 3));
        prop_assert_eq!(header.producer_id, producer.id);
        prop_assert_eq!(header.producer_epoch, producer.epoch);
        prop_assert_eq!(header.base_sequence, producer.base_sequence);
        prop_assert_eq!(header.base_timestamp, records[0].timestamp_ms);
        let latest = records.iter().map(|record| record.timestamp_ms).max();
        prop_assert_eq!(Some(header.max_timestamp), latest);
        let expected: Vec<_> = (offset..).zip(records).collect();
        prop_assert_eq!(read(&batch).unwrap(), expected);
    }

    #[test]
    fn kafka_protocol_reads_what_is_built(records in plain_records(), producer in producer()) {
        let mut batch = build(&records, producer);
        let set = RecordBatchDecoder::decode(&mut batch).unwrap();
        prop_assert_eq!(set.records, theirs(&records, 0, producer));
    }

    #[test]
    fn what_kafka_protocol_builds_is_read(
        records in plain_records(), producer in producer(), offset in 0..1_i64 << 31,
    ) {
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        let mut batch = BytesMut::new();
        let list = theirs(&records, offset, producer);
        RecordBatchEncoder::encode(&mut batch, &list, &options).unwrap();

        let found: Vec<_> = batches(batch.freeze()).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(found.len(), 1);
        let (header, batch) = &found[0];
        prop_assert_eq!(header.validate(batch), Ok(()));
        prop_assert_eq!(header.producer_id, producer.id);
        prop_assert_eq!(header.producer_epoch, producer.epoch);
        prop_assert_eq!(header.base_sequence, producer.base_sequence);
        let expected: Vec<_> = (offset..).zip(records.clone()).collect();
        prop_assert_eq!(read(batch).unwrap(), expected);
        prop_assert_eq!(list.iter().map(ours).collect::<Vec<_>>(), records);
    }

    #[test]
    fn batches_behind_each_other_are_told_apart(
        first in records(), second in records(), cut in any::<Index>(),
    ) {
        let (first, second) = (build(&first, Producer::NONE), build(&second, Producer::NONE));
        let both = Bytes::from([&first[..], &second[..]].concat());
        let found: Vec<_> = batches(both.clone()).map(|batch| batch.unwrap().1).collect();
        prop_assert_eq!(found, [first.clone(), second.clone()]);

        let end = first.len() + 1 + cut.index(second.len() - 1);
        let found: Vec<_> = batches(both.slice(..end)).collect();
        prop_assert_eq!(found.len(), 2);
        prop_assert!(found[0].is_ok() && found[1].is_err());
    }

    #[test]
    fn each_prefix_is_an_error(records in records(), producer in producer()) {
        let batch = build(&records, producer);
        for end in 0..batch.len() {
            let prefix = batch.slice(..end);
            prop_assert!(!is_valid(&prefix), "{end}");
            prop_assert!(read(&prefix).is_err(), "{end}");
        }
    }

    #[test]
    fn records_that_are_cut_short_are_an_error_though_the_crc_fits(
        records in records(), cut in any::<Index>(),
    ) {
        let batch = build(&records, Producer::NONE);
        let body = &batch[61..];
        let cut = patched(&batch, &body[..cut.index(body.len())]);
        prop_assert!(is_valid(&cut));
        prop_assert!(read(&cut).is_err());
    }

    #[test]
    fn changed_bytes_never_panic_and_never_make_more_of_a_batch_than_it_is(
        records in records(), changes in vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        let mut batch = build(&records, Producer::NONE).to_vec();
        for (at, byte) in changes {
            let at = at.index(batch.len());
            batch[at] = byte;
        }
        let batch = patched(&batch, &batch[61..]);
        let payload = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let records = RecordReader::of_batch(&batch).into_iter().flatten().flatten();
        let total: usize =
            records.map(|(_, record)| payload(&record.key) + payload(&record.value)).sum();
        prop_assert!(total <= batch.len());
    }

    #[test]
    fn random_bytes_never_panic(body in vec(any::<u8>(), 0..200), count in any::<i32>()) {
        let mut header = build(&[Record::default()], Producer::NONE)[..61].to_vec();
        header[57..61].copy_from_slice(&count.to_be_bytes());
        let batch = patched(&header, &body);
        prop_assert!(RecordReader::of_batch(&batch).into_iter().flatten().count() <= batch.len());
        prop_assert!(batches(body.into()).count() <= 4);
    }
}
