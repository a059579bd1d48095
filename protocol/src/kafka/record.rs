//! The records inside an uncompressed batch of format v2.
//!
//! **Invariants.** Every length and count is held against the bytes that are left before anything
//! is made of it. Keys and values share the batch's memory. Headers keep their order, their
//! duplicates and their null values.
//!
//! **References.** Kafka protocol guide, "Record"; KIP-82 (headers); KIP-32 (timestamp types).
use bytes::Bytes;

use super::cursor::{Cursor, DecodeError};
use super::record_batch::{BATCH_HEADER_BYTES, BatchError, BatchHeader};

/// The fewest bytes a header takes: two lengths.
const HEADER_BYTES_MIN: usize = 2;
/// Headers for which room is made before the first is read.
const HEADERS_RESERVED_MAX: usize = 16;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The batch itself is wrong.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The records are compressed with the codec of this number.
    #[error("the records are compressed (codec {0})")]
    Compressed(i16),
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
pub struct Records {
    header: BatchHeader,
    cursor: Cursor,
    number: i32,
    failed: bool,
}

impl Records {
    /// Reads the batch at the front of `batch`; what follows is not looked at. The CRC is not
    /// checked: bytes from outside pass [`BatchHeader::validate`] first.
    ///
    /// # Errors
    /// [`RecordError::Batch`], [`RecordError::Compressed`] or [`RecordError::Count`].
    pub fn of_batch(batch: &Bytes) -> Result<Self, RecordError> {
        let header = BatchHeader::parse(batch)?;
        if header.is_compressed() {
            return Err(RecordError::Compressed(header.compression()));
        }
        if header.records < 0 {
            return Err(RecordError::Count(header.records));
        }
        if header.total_bytes > batch.len() {
            let (needed, left) = (header.total_bytes, batch.len());
            return Err(BatchError::Short { needed, left }.into());
        }
        let records = batch.slice(BATCH_HEADER_BYTES..header.total_bytes);
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

impl Iterator for Records {
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
    fields.announce(count, HEADER_BYTES_MIN)?;
    let mut headers = Vec::with_capacity(count.min(HEADERS_RESERVED_MAX));
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
