//! Record batches for tests, as other clients and brokers write them.
use bytes::Bytes;
use pagi_protocol::kafka::batch_builder::{BatchBuilder, Producer};
use pagi_protocol::kafka::record::{Header, Record};
use pagi_protocol::kafka::record_batch::assign;

/// What is different in a batch: bytes from this place on.
pub(super) type Patch<'a> = (usize, &'a [u8]);

/// Makes it a marker at the end of a transaction.
pub(super) const CONTROL: Patch<'_> = (21, &[0, 0b11_0000]);
/// Says that it is compressed.
pub(super) const GZIP: Patch<'_> = (21, &[0, 1]);
/// Says that it is part of a transaction.
pub(super) const TRANSACTIONAL: Patch<'_> = (21, &[0, 0b1_0000]);
/// Says that the broker's time counts, which is in the last timestamp.
pub(super) const APPEND_TIME: Patch<'_> = (21, &[0, 0b1000]);
/// Where the last offset delta is.
pub(super) const LAST_OFFSET_DELTA: usize = 23;
/// Where the last timestamp is.
pub(super) const MAX_TIMESTAMP: usize = 35;
/// Where the producer's id is.
pub(super) const PRODUCER_ID: usize = 43;
/// Where the number of records is.
pub(super) const RECORDS: usize = 57;
/// Where the records begin.
pub(super) const BODY: usize = 61;

/// A record with this payload, and the same header twice, both times null.
pub(super) fn record(value: &'static str) -> Record {
    let null = Header { key: "h".to_owned(), value: None };
    Record {
        timestamp_ms: 1,
        key: None,
        value: Some(Bytes::from_static(value.as_bytes())),
        headers: vec![null.clone(), null],
    }
}

/// A batch at `base_offset` of leader epoch 0, with these patches and a CRC that is right.
pub(super) fn batch(base_offset: i64, values: &[&'static str], patches: &[Patch<'_>]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(1 << 20);
    for value in values {
        builder.push(&record(value)).unwrap();
    }
    let mut bytes = builder.finish(Producer::NONE).unwrap().to_vec();
    assign(&mut bytes, base_offset, 0);
    for (at, patch) in patches {
        bytes[*at..at + patch.len()].copy_from_slice(patch);
    }
    seal(&mut bytes);
    bytes
}

/// The batch with another body.
pub(super) fn with_body(batch: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = [&batch[..BODY], body].concat();
    let length = i32::try_from(bytes.len() - 12).unwrap();
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    seal(&mut bytes);
    bytes
}

/// The batch with another leader epoch.
pub(super) fn with_epoch(mut batch: Vec<u8>, epoch: i32) -> Vec<u8> {
    batch[12..16].copy_from_slice(&epoch.to_be_bytes());
    batch
}

fn seal(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}
