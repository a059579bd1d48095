//! Building an uncompressed batch of format v2 from records.
//!
//! **Invariants.** A batch never grows beyond the bytes it was given, and a record that does not
//! fit leaves it as it was. The offsets of its records follow each other without a gap.
//!
//! **References.** Kafka protocol guide, "Record batch"; KIP-98 (producer id, epoch, sequence).
use bytes::{Bytes, BytesMut};

use super::encoder::Encoder;
use super::record::Record;
use super::record_batch::{BATCH_HEADER_BYTES, BatchHeader};

/// The longest batch whose length can be written.
const BATCH_BYTES_MAX: usize = i32::MAX as usize;

/// The record does not fit into the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of {record_bytes} bytes does not fit into a batch with {left} bytes left")]
pub struct BatchFull {
    /// What the record takes in this batch, its length field included.
    pub record_bytes: usize,
    /// The bytes that the batch may still grow by.
    pub left: usize,
}

/// Who writes a batch: with it, a broker recognizes a batch that is sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Producer {
    /// The producer's id, or -1.
    pub id: i64,
    /// The producer's epoch, or -1.
    pub epoch: i16,
    /// The sequence of the batch's first record, or -1.
    pub base_sequence: i32,
}

impl Producer {
    /// A producer that is not idempotent.
    pub const NONE: Self = Self { id: -1, epoch: -1, base_sequence: -1 };
}

/// Collects records into a batch.
#[derive(Debug)]
pub struct BatchBuilder {
    out: Encoder,
    bytes: usize,
    bytes_max: usize,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchBuilder {
    /// A batch without records that may grow to so many bytes, at most 2 GiB, its header included.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        let mut out = Encoder::default();
        out.put(&[0; BATCH_HEADER_BYTES]);
        Self {
            out,
            bytes: BATCH_HEADER_BYTES,
            bytes_max: bytes_max.min(BATCH_BYTES_MAX),
            count: 0,
            base_timestamp: -1,
            max_timestamp: -1,
        }
    }

    /// Adds a record behind the others.
    ///
    /// # Errors
    /// [`BatchFull`]; the batch is as it was.
    pub fn push(&mut self, record: &Record) -> Result<(), BatchFull> {
        let is_first = self.count == 0;
        let base_timestamp = if is_first { record.timestamp_ms } else { self.base_timestamp };
        let fields = fields(record, base_timestamp, self.count);
        let mut length = Encoder::default();
        length.put_varlong(wire_length(fields.len()));
        let length = length.into_bytes();

        let record_bytes = length.len().saturating_add(fields.len());
        let left = self.bytes_max.saturating_sub(self.bytes);
        if record_bytes > left {
            return Err(BatchFull { record_bytes, left });
        }
        self.out.put(&length);
        self.out.put(&fields);
        self.bytes += record_bytes;
        self.count += 1;
        self.base_timestamp = base_timestamp;
        self.max_timestamp =
            if is_first { base_timestamp } else { self.max_timestamp.max(record.timestamp_ms) };
        Ok(())
    }

    /// The bytes that the batch takes so far.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The batch, from base offset 0 and without a leader epoch, which
    /// [`assign`](super::record_batch::assign) can set. `None` without a record: Kafka takes no
    /// empty batch.
    #[must_use]
    pub fn finish(self, producer: Producer) -> Option<Bytes> {
        if self.count == 0 {
            return None;
        }
        let header = BatchHeader {
            base_offset: 0,
            total_bytes: self.bytes,
            leader_epoch: -1,
            crc: 0,
            attributes: 0,
            last_offset_delta: self.count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            base_sequence: producer.base_sequence,
            records: self.count,
        };
        let mut batch = BytesMut::from(self.out.into_bytes());
        header.write(&mut batch);
        Some(batch.freeze())
    }
}

/// A record without its length.
fn fields(record: &Record, base_timestamp: i64, offset_delta: i32) -> Bytes {
    let mut out = Encoder::default();
    out.put(&[0]);
    // Wraps, as it does in Kafka: the reader's sum does so, too.
    out.put_varlong(record.timestamp_ms.wrapping_sub(base_timestamp));
    out.put_varlong(offset_delta.into());
    put_nullable(&mut out, record.key.as_ref());
    put_nullable(&mut out, record.value.as_ref());
    out.put_varlong(wire_length(record.headers.len()));
    for header in &record.headers {
        out.put_varlong(wire_length(header.key.len()));
        out.put(header.key.as_bytes());
        put_nullable(&mut out, header.value.as_ref());
    }
    out.into_bytes()
}

fn put_nullable(out: &mut Encoder, bytes: Option<&Bytes>) {
    out.put_varlong(bytes.map_or(-1, |bytes| wire_length(bytes.len())));
    out.put(bytes.map_or(&[], |bytes| bytes));
}

/// A length as the wire has it; one that a batch cannot hold is refused before it is written.
fn wire_length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value_bytes: usize) -> Record {
        Record { value: Some(vec![0; value_bytes].into()), ..Record::default() }
    }

    #[test]
    fn a_record_that_does_not_fit_leaves_the_batch_as_it_was() {
        let mut builder = BatchBuilder::new(200);
        builder.push(&record(50)).unwrap();
        let bytes = builder.bytes();
        let full = builder.push(&record(100)).unwrap_err();
        assert_eq!(full.left, 200 - bytes);
        assert_eq!(builder.bytes(), bytes);

        // What is said to be left can be used, to the last byte.
        let overhead = full.record_bytes - 100;
        builder.push(&record(full.left - overhead)).unwrap();
        let batch = builder.finish(Producer::NONE).unwrap();
        assert_eq!(batch.len(), 200);
        let header = BatchHeader::parse(&batch).unwrap();
        assert_eq!((header.records, header.validate(&batch)), (2, Ok(())));
    }

    #[test]
    fn a_batch_without_room_for_its_header_takes_nothing() {
        for bytes_max in [0, BATCH_HEADER_BYTES] {
            let full = BatchBuilder::new(bytes_max).push(&record(0)).unwrap_err();
            assert_eq!(full.left, 0);
        }
    }

    #[test]
    fn a_batch_without_records_is_not_built() {
        assert_eq!(BatchBuilder::new(1000).finish(Producer::NONE), None);
    }

    #[test]
    fn a_batch_says_who_wrote_it_and_when() {
        let mut builder = BatchBuilder::new(1000);
        for timestamp_ms in [-70, 90, 80] {
            builder.push(&Record { timestamp_ms, ..Record::default() }).unwrap();
        }
        let producer = Producer { id: 7, epoch: 3, base_sequence: 11 };
        let header = BatchHeader::parse(&builder.finish(producer).unwrap()).unwrap();
        assert_eq!((header.base_timestamp, header.max_timestamp), (-70, 90));
        assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (7, 3, 11));
        assert_eq!((header.base_offset, header.next_offset(), header.leader_epoch), (0, 3, -1));
    }
}
