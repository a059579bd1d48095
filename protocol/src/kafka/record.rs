//! The records inside a batch of format v2.
//!
//! **Invariants.** Every length and count is held against the bytes that are left before anything
//! is made of it. Keys and values share the batch's memory, or that of its decompressed records,
//! which is at most [`DECOMPRESSED_BYTES_MAX`]. Headers keep their order, their
//! duplicates and their null values.
//!
//! **References.** Kafka protocol guide, "Record"; KIP-82 (headers); KIP-32 (timestamp types).
use bytes::Bytes;

use super::compression::{CompressionError, decompress};
use super::cursor::{Cursor, DecodeError};
use super::record_batch::{BATCH_HEADER_BYTES, BatchError, BatchHeader};

/// The most bytes that the records of one batch may have when decompressed.
pub const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

/// The fewest bytes a header takes: two lengths.
const HEADER_BYTES_MIN: usize = 2;

/// A record, without its place in a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// In milliseconds since 1970.
    pub timestamp_ms: i64,
    /// What decides the partition.
    pub key: Option<Bytes>,
    /// The payload; null deletes the key in a compacted topic.
    pub value: Option<Bytes>,
    /// In the order of the wire.
    pub headers: Vec<Header>,
}

/// A header of a record; several may have the same key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// The name. Bytes on the wire that are not UTF-8 are replaced, as Kafka's own client does.
    pub key: String,
    /// The value.
    pub value: Option<Bytes>,
}

/// Why the records of a batch cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The batch itself is wrong.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The records cannot be decompressed.
    #[error(transparent)]
    Compression(#[from] CompressionError),
    /// The batch claims to hold less than no records.
    #[error("a record count of {0} makes no sense")]
    Count(i32),
    /// A record is wrong.
    #[error("record {number}: {error}")]
    Field {
        /// The record's place in the batch, from 0.
        number: i32,
        /// What is wrong.
        error: DecodeError,
    },
    /// A record's offset is not one of those that the batch covers.
    #[error("record {number} has an offset delta of {offset_delta}")]
    OffsetDelta {
        /// The record's place in the batch, from 0.
        number: i32,
        /// Its offset less the base offset.
        offset_delta: i64,
    },
    /// Bytes are left that belong to no field of the record, or, in the last one, to no record.
    #[error("{bytes} bytes are left behind record {number}")]
    Excess {
        /// The record's place in the batch, from 0.
        number: i32,
        /// The bytes that are left.
        bytes: usize,
    },
}

/// The records of one batch, each with its offset. An error is the last item.
#[derive(Debug, Clone)]
pub struct RecordReader {
    header: BatchHeader,
    cursor: Cursor,
    number: i32,
    failed: bool,
}

impl RecordReader {
    /// Reads the batch at the front of `batch`; what follows is not looked at. The CRC is not
    /// checked: bytes from outside pass [`BatchHeader::validate`] first.
    ///
    /// # Errors
    /// [`RecordError::Batch`], [`RecordError::Compression`] or [`RecordError::Count`].
    pub fn of_batch(batch: &Bytes) -> Result<Self, RecordError> {
        let header = BatchHeader::parse(batch)?;
        if header.records < 0 {
            return Err(RecordError::Count(header.records));
        }
        if header.total_bytes > batch.len() {
            let (needed, left) = (header.total_bytes, batch.len());
            return Err(BatchError::Short { needed, left }.into());
        }
        let mut records = batch.slice(BATCH_HEADER_BYTES..header.total_bytes);
        if header.is_compressed() {
            records = decompress(header.compression(), &records, DECOMPRESSED_BYTES_MAX)?;
        }
        Ok(Self { header, cursor: Cursor::new(records), number: 0, failed: false })
    }

    fn read(&mut self) -> Result<(i64, Record), RecordError> {
        let number = self.number;
        let field = |error| RecordError::Field { number, error };
        let mut fields = length(&mut self.cursor)
            .and_then(|bytes| self.cursor.take(bytes))
            .map(Cursor::new)
            .map_err(field)?;
        let (offset_delta, record) = read_fields(&mut fields, &self.header).map_err(field)?;
        if !(0..=i64::from(self.header.last_offset_delta)).contains(&offset_delta) {
            return Err(RecordError::OffsetDelta { number, offset_delta });
        }
        let is_last = number.saturating_add(1) == self.header.records;
        let bytes = fields.left() + if is_last { self.cursor.left() } else { 0 };
        if bytes > 0 {
            return Err(RecordError::Excess { number, bytes });
        }
        Ok((self.header.base_offset.saturating_add(offset_delta), record))
    }
}

impl Iterator for RecordReader {
    type Item = Result<(i64, Record), RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.number >= self.header.records {
            return None;
        }
        let item = self.read();
        self.failed = item.is_err();
        self.number = self.number.saturating_add(1);
        Some(item)
    }
}

fn read_fields(fields: &mut Cursor, batch: &BatchHeader) -> Result<(i64, Record), DecodeError> {
    let [_attributes] = fields.array()?;
    let timestamp_delta = fields.varlong()?;
    let offset_delta = fields.varlong()?;
    let timestamp_ms = if batch.has_append_time() {
        batch.max_timestamp
    } else {
        // Wraps, as it does in Kafka: the builder's difference does so, too.
        batch.base_timestamp.wrapping_add(timestamp_delta)
    };
    let key = nullable(fields)?;
    let value = nullable(fields)?;
    let count = length(fields)?;
    let mut headers = fields.room(count, HEADER_BYTES_MIN)?;
    for _ in 0..count {
        let key = nullable(fields)?.ok_or(DecodeError::Null)?;
        let key = String::from_utf8_lossy(&key).into_owned();
        headers.push(Header { key, value: nullable(fields)? });
    }
    Ok((offset_delta, Record { timestamp_ms, key, value, headers }))
}

/// A length or count that may not be null.
fn length(cursor: &mut Cursor) -> Result<usize, DecodeError> {
    let length = cursor.varlong()?;
    usize::try_from(length).map_err(|_| DecodeError::Length(length))
}

/// Bytes behind their length, where -1 stands for null.
fn nullable(cursor: &mut Cursor) -> Result<Option<Bytes>, DecodeError> {
    match cursor.varlong()? {
        -1 => Ok(None),
        bytes => {
            let bytes = usize::try_from(bytes).map_err(|_| DecodeError::Length(bytes))?;
            cursor.take(bytes).map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::batch_builder::{BatchBuilder, Producer};
    use crate::kafka::encoder::Encoder;

    const HUGE: i64 = i32::MAX as i64;

    /// A batch at offset 5 with these attributes and counts, whose body is what `write` writes.
    fn batch(attributes: i16, records: i32, write: impl FnOnce(&mut Encoder)) -> Bytes {
        let mut builder = BatchBuilder::new(1000);
        builder.push(&Record { timestamp_ms: 1000, ..Record::default() }).unwrap();
        let built = builder.finish(Producer::NONE).unwrap();
        let mut header = BatchHeader::parse(&built).unwrap();
        header.base_offset = 5;
        header.attributes = attributes;
        header.records = records;
        header.last_offset_delta = records.saturating_sub(1);
        header.max_timestamp = 9000;
        let mut body = Encoder::default();
        write(&mut body);
        let mut batch = [&built[..BATCH_HEADER_BYTES], &body.into_bytes()[..]].concat();
        header.write(&mut batch);
        batch.into()
    }

    /// A record whose fields behind the attributes are these variable-length integers.
    fn record(out: &mut Encoder, fields: &[i64]) {
        let mut record = Encoder::default();
        record.put(&[0]);
        fields.iter().for_each(|field| record.put_varlong(*field));
        let record = record.into_bytes();
        out.put_varlong(i64::try_from(record.len()).unwrap());
        out.put(&record);
    }

    fn first(batch: &Bytes) -> Result<(i64, Record), RecordError> {
        RecordReader::of_batch(batch)?.next().unwrap()
    }

    /// The error of a batch with one record with these fields.
    fn error_of(fields: &[i64]) -> RecordError {
        first(&batch(0, 1, |out| record(out, fields))).unwrap_err()
    }

    #[test]
    fn headers_keep_their_order_their_duplicates_and_their_nulls() {
        let header = |key: &str, value: Option<&'static str>| Header {
            key: key.to_owned(),
            value: value.map(Bytes::from),
        };
        let headers = vec![
            header("b", Some("1")),
            header("a", None),
            header("b", Some("2")),
            header("", Some("")),
        ];
        let record = Record { headers: headers.clone(), ..Record::default() };
        let mut builder = BatchBuilder::new(1000);
        builder.push(&record).unwrap();
        let batch = builder.finish(Producer::NONE).unwrap();
        assert_eq!(first(&batch).unwrap().1.headers, headers);
    }

    #[test]
    fn keys_and_values_share_the_memory_of_the_batch() {
        let mut builder = BatchBuilder::new(1000);
        let value = Some(Bytes::from_static(b"value"));
        builder.push(&Record { value, ..Record::default() }).unwrap();
        let batch = builder.finish(Producer::NONE).unwrap();
        let read = first(&batch).unwrap().1.value.unwrap();
        assert!(batch.as_ptr_range().contains(&read.as_ptr()));
    }

    #[test]
    fn the_time_of_a_record_is_its_own_unless_the_broker_sets_it() {
        let body = |out: &mut Encoder| record(out, &[-30, 0, -1, -1, 0]);
        let time = |attributes| first(&batch(attributes, 1, body)).unwrap().1.timestamp_ms;
        assert_eq!(time(0), 970);
        assert_eq!(time(0b1000), 9000);
    }

    #[test]
    fn a_compacted_batch_may_lack_records() {
        let mut batch = batch(0, 2, |out| {
            record(out, &[0, 3, -1, -1, 0]);
            record(out, &[0, 8, -1, -1, 0]);
        })
        .to_vec();
        batch[26] = 9;
        let offsets: Vec<_> =
            RecordReader::of_batch(&batch.into()).unwrap().map(|item| item.unwrap().0).collect();
        assert_eq!(offsets, [8, 13]);
    }

    #[test]
    fn a_header_key_that_is_not_utf8_does_not_hide_the_record() {
        let batch = batch(0, 1, |out| {
            let fields = [0, 0, 0, 1, 1, 2, 2, 0xff, 1];
            out.put_varlong(9);
            out.put(&fields);
        });
        assert_eq!(first(&batch).unwrap().1.headers[0].key, "\u{fffd}");
    }

    #[test]
    fn counts_and_lengths_beyond_the_bytes_are_errors() {
        let number = 0;
        let short = |needed: usize, left: usize| RecordError::Field {
            number,
            error: DecodeError::Short { needed, left },
        };
        let bytes = |length: i64| usize::try_from(length).unwrap();
        let huge = bytes(HUGE);
        assert_eq!(error_of(&[0, 0, HUGE]), short(huge, 0));
        assert_eq!(error_of(&[0, 0, -1, HUGE]), short(huge, 0));
        assert_eq!(error_of(&[0, 0, -1, -1, HUGE]), short(2 * huge, 0));
        assert_eq!(error_of(&[0, 0, -1, -1, 1, HUGE, 0]), short(huge, 1));
        assert_eq!(error_of(&[0, 0, i64::MAX]), short(bytes(i64::MAX), 0));
        let long = batch(0, 1, |out| out.put_varlong(HUGE));
        assert_eq!(first(&long), Err(short(huge, 0)));
        let many = batch(0, i32::MAX, |out| record(out, &[0, 0, -1, -1, 0]));
        let items: Vec<_> = RecordReader::of_batch(&many).unwrap().collect();
        assert_eq!(items.len(), 2);
        assert!(items[0].is_ok() && items[1].is_err());
    }

    #[test]
    fn lengths_below_null_are_errors() {
        for fields in [&[0, 0, -2][..], &[0, 0, -1, -2], &[0, 0, -1, -1, -1]] {
            let length = *fields.last().unwrap();
            let error = DecodeError::Length(length);
            assert_eq!(error_of(fields), RecordError::Field { number: 0, error });
        }
        let null_key = RecordError::Field { number: 0, error: DecodeError::Null };
        assert_eq!(error_of(&[0, 0, -1, -1, 1, -1, -1]), null_key);
    }

    #[test]
    fn an_offset_outside_the_batch_is_an_error() {
        for offset_delta in [-1, 1, i64::MAX] {
            let error = RecordError::OffsetDelta { number: 0, offset_delta };
            assert_eq!(error_of(&[0, offset_delta, -1, -1, 0]), error);
        }
    }

    #[test]
    fn bytes_that_belong_to_nothing_are_errors() {
        let excess = RecordError::Excess { number: 0, bytes: 1 };
        assert_eq!(error_of(&[0, 0, -1, -1, 0, 7]), excess);
        let behind = batch(0, 1, |out| {
            record(out, &[0, 0, -1, -1, 0]);
            out.put(&[7]);
        });
        assert_eq!(first(&behind), Err(excess));
    }

    #[test]
    fn what_follows_a_batch_is_not_looked_at() {
        let one = batch(0, 1, |out| record(out, &[0, 0, -1, -1, 0]));
        let two = Bytes::from([&one[..], &one[..]].concat());
        assert_eq!(first(&two), first(&one));
    }

    #[test]
    fn compressed_records_are_read_like_others() {
        let plain = batch(0, 2, |out| {
            record(out, &[0, 0, -1, -1, 0]);
            record(out, &[5, 1, -1, -1, 0]);
        });
        let body = snap::raw::Encoder::new().compress_vec(&plain[BATCH_HEADER_BYTES..]).unwrap();
        let compressed = batch(0b010, 2, |out| out.put(&body));
        let read = |batch| RecordReader::of_batch(&batch).unwrap().collect::<Result<Vec<_>, _>>();
        assert_eq!(read(compressed).unwrap(), read(plain).unwrap());
    }

    #[test]
    fn an_error_is_the_last_item() {
        let batch = batch(0, 3, |out| {
            record(out, &[0, 0, -1, -1, 0]);
            record(out, &[0, 1, -2]);
            record(out, &[0, 2, -1, -1, 0]);
        });
        let items: Vec<_> = RecordReader::of_batch(&batch).unwrap().collect();
        assert_eq!(items.len(), 2);
        assert_eq!(items[1], Err(RecordError::Field { number: 1, error: DecodeError::Length(-2) }));
    }

    #[test]
    fn a_batch_that_cannot_be_read_is_told_from_one_that_is_wrong() {
        let compressed = batch(0b101, 1, |_| ());
        let codec = RecordError::Compression(CompressionError::Codec(5));
        assert_eq!(RecordReader::of_batch(&compressed).err(), Some(codec));
        let negative = batch(0, -1, |_| ());
        assert_eq!(RecordReader::of_batch(&negative).err(), Some(RecordError::Count(-1)));
    }
}
