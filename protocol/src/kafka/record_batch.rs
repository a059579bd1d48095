//! Record batches of format v2: the header as a view, the checks a broker makes, and the two
//! fields that it may set.
//!
//! **Invariants.** Only the base offset and the leader epoch lie outside the CRC: nothing else
//! of a producer's batch is ever touched. Records stay opaque, compressed or not.
//!
//! **References.** Kafka protocol guide, "Record batch"; KIP-98.
use bytes::{BufMut, Bytes};

/// The bytes of a batch's header; the records follow.
pub const BATCH_HEADER_BYTES: usize = 61;

/// The bytes of the base offset and the length, which the length does not count.
const LENGTH_END: usize = 12;
const CRC_AT: usize = 17;
const CRC_FROM: usize = 21;
const MAX_TIMESTAMP_AT: usize = 35;
const MAGIC_AT: usize = 16;
const MAGIC_V2: i8 = 2;

/// Why bytes are not a record batch that a broker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end inside the batch.
    #[error("the batch is cut short: {needed} bytes were needed, {left} are left")]
    Short {
        /// What the batch needs.
        needed: usize,
        /// What there is.
        left: usize,
    },
    /// The batch is of an older message format (0 or 1), or of none that is known.
    #[error("message format {0} is not supported, only 2")]
    Magic(i8),
    /// The length is less than a header's, or negative.
    #[error("a batch length of {0} makes no sense")]
    Length(i32),
    /// The CRC32C does not match the bytes.
    #[error("the CRC32C does not match")]
    Crc,
    /// The record count and the last offset delta do not agree, or there is no record.
    #[error("{records} records with a last offset delta of {last_offset_delta}")]
    Count {
        /// The record count.
        records: i32,
        /// The last offset delta.
        last_offset_delta: i32,
    },
}

/// The header of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// The offset of the first record.
    pub base_offset: i64,
    /// Bytes of the whole batch, the base offset and length fields included.
    pub total_bytes: usize,
    /// The leader epoch, or -1.
    pub leader_epoch: i32,
    /// CRC32C of everything behind it.
    pub crc: u32,
    /// Compression (bits 0-2), timestamp type (3), transactional (4), control (5).
    pub attributes: i16,
    /// The last record's offset less the base offset.
    pub last_offset_delta: i32,
    /// The first record's timestamp, in milliseconds since 1970.
    pub base_timestamp: i64,
    /// The largest timestamp, in milliseconds since 1970.
    pub max_timestamp: i64,
    /// The producer's id, or -1.
    pub producer_id: i64,
    /// The producer's epoch, or -1.
    pub producer_epoch: i16,
    /// The sequence of the first record, or -1.
    pub base_sequence: i32,
    /// How many records.
    pub records: i32,
}

impl BatchHeader {
    /// Reads the header of the batch at the front of `bytes`; what follows is not looked at.
    ///
    /// # Errors
    /// [`BatchError::Short`], [`BatchError::Magic`] or [`BatchError::Length`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let length = i32::from_be_bytes(field(bytes, 8)?);
        let magic = i8::from_be_bytes(field(bytes, MAGIC_AT)?);
        if magic != MAGIC_V2 {
            return Err(BatchError::Magic(magic));
        }
        let total_bytes = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(LENGTH_END))
            .filter(|total| *total >= BATCH_HEADER_BYTES)
            .ok_or(BatchError::Length(length))?;
        Ok(Self {
            base_offset: i64::from_be_bytes(field(bytes, 0)?),
            total_bytes,
            leader_epoch: i32::from_be_bytes(field(bytes, 12)?),
            crc: u32::from_be_bytes(field(bytes, CRC_AT)?),
            attributes: i16::from_be_bytes(field(bytes, CRC_FROM)?),
            last_offset_delta: i32::from_be_bytes(field(bytes, 23)?),
            base_timestamp: i64::from_be_bytes(field(bytes, 27)?),
            max_timestamp: i64::from_be_bytes(field(bytes, 35)?),
            producer_id: i64::from_be_bytes(field(bytes, 43)?),
            producer_epoch: i16::from_be_bytes(field(bytes, 51)?),
            base_sequence: i32::from_be_bytes(field(bytes, 53)?),
            records: i32::from_be_bytes(field(bytes, 57)?),
        })
    }

    /// Checks the batch at the front of `bytes` as a broker must: whole, CRC, counts.
    ///
    /// # Errors
    /// [`BatchError`], the first that is found.
    pub fn validate(&self, bytes: &[u8]) -> Result<(), BatchError> {
        self.check_crc(bytes)?;
        let Self { records, last_offset_delta, .. } = *self;
        if records < 1 || last_offset_delta != records - 1 {
            return Err(BatchError::Count { records, last_offset_delta });
        }
        Ok(())
    }

    /// As [`BatchHeader::validate`], for a batch that a broker stored: it may also be a
    /// [vacant](super::vacant) one.
    ///
    /// # Errors
    /// [`BatchError`], the first that is found.
    pub fn validate_stored(&self, bytes: &[u8]) -> Result<(), BatchError> {
        match self.is_vacant() {
            true => self.check_crc(bytes),
            false => self.validate(bytes),
        }
    }

    fn check_crc(&self, bytes: &[u8]) -> Result<(), BatchError> {
        let short = BatchError::Short { needed: self.total_bytes, left: bytes.len() };
        let covered = bytes.get(CRC_FROM..self.total_bytes).ok_or(short)?;
        if crc32c::crc32c(covered) == self.crc { Ok(()) } else { Err(BatchError::Crc) }
    }

    /// Whether it has offsets and no records.
    #[must_use]
    pub const fn is_vacant(&self) -> bool {
        self.records == 0 && self.last_offset_delta >= 0 && self.total_bytes == BATCH_HEADER_BYTES
    }

    /// Writes the header over the front of `batch`, with the length of the whole of it and the
    /// CRC of what is in it. Bytes too short for a header stay as they are.
    pub(super) fn write(&self, batch: &mut [u8]) {
        let length = i32::try_from(batch.len().saturating_sub(LENGTH_END)).unwrap_or(i32::MAX);
        let Some((header, records)) = batch.split_first_chunk_mut::<BATCH_HEADER_BYTES>() else {
            return;
        };
        let mut out = &mut header[..];
        out.put_i64(self.base_offset);
        out.put_i32(length);
        out.put_i32(self.leader_epoch);
        out.put_i8(MAGIC_V2);
        out.put_u32(0);
        out.put_i16(self.attributes);
        out.put_i32(self.last_offset_delta);
        out.put_i64(self.base_timestamp);
        out.put_i64(self.max_timestamp);
        out.put_i64(self.producer_id);
        out.put_i16(self.producer_epoch);
        out.put_i32(self.base_sequence);
        out.put_i32(self.records);
        let crc = crc32c::crc32c(header.get(CRC_FROM..).unwrap_or_default());
        let crc = crc32c::crc32c_append(crc, records);
        if let Some(field) = header.get_mut(CRC_AT..CRC_FROM) {
            field.copy_from_slice(&crc.to_be_bytes());
        }
    }

    /// The offset behind the last record.
    #[must_use]
    pub const fn next_offset(&self) -> i64 {
        self.base_offset.saturating_add(self.last_offset_delta as i64).saturating_add(1)
    }

    /// The number of the codec that the records are compressed with; 0 stands for none.
    #[must_use]
    pub const fn compression(&self) -> i16 {
        self.attributes & 0b111
    }

    /// Whether the records are compressed.
    #[must_use]
    pub const fn is_compressed(&self) -> bool {
        self.compression() != 0
    }

    /// Whether the largest timestamp is that of every record: the time of a broker that took it.
    #[must_use]
    pub const fn has_append_time(&self) -> bool {
        self.attributes & 0b1000 != 0
    }

    /// Whether the batch is part of a transaction.
    #[must_use]
    pub const fn is_transactional(&self) -> bool {
        self.attributes & 0b1_0000 != 0
    }

    /// Whether the batch holds control records, which only a broker writes.
    #[must_use]
    pub const fn is_control(&self) -> bool {
        self.attributes & 0b10_0000 != 0
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], BatchError> {
    let short = BatchError::Short { needed: BATCH_HEADER_BYTES, left: bytes.len() };
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().ok_or(short)
}

/// Sets what a broker sets: the base offset and the leader epoch of the batch at the front of
/// `batch`. Bytes too short for a batch stay as they are.
pub fn assign(batch: &mut [u8], base_offset: i64, leader_epoch: i32) {
    if let Some(field) = batch.first_chunk_mut::<8>() {
        *field = base_offset.to_be_bytes();
    }
    if let Some(field) = batch.get_mut(LENGTH_END..MAGIC_AT) {
        field.copy_from_slice(&leader_epoch.to_be_bytes());
    }
}

/// Gives the records of a checked batch the broker's time (KIP-32): a mark, the largest timestamp
/// and a new CRC. What is too short is left as it is.
pub fn set_append_time(batch: &mut [u8], now_ms: i64) {
    const APPEND_TIME: u8 = 0b1000;
    let Some(max_timestamp) = batch.get_mut(MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8) else { return };
    max_timestamp.copy_from_slice(&now_ms.to_be_bytes());
    // The attributes are the first that the CRC covers; the mark is in their second byte.
    if let Some(attributes) = batch.get_mut(CRC_FROM + 1) {
        *attributes |= APPEND_TIME;
    }
    let crc = batch.get(CRC_FROM..).map_or(0, crc32c::crc32c);
    if let Some(stored) = batch.get_mut(CRC_AT..CRC_FROM) {
        stored.copy_from_slice(&crc.to_be_bytes());
    }
}

/// The whole batches in `bytes`, one after the other. An error is the last item.
pub fn batches(bytes: Bytes) -> impl Iterator<Item = Result<(BatchHeader, Bytes), BatchError>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let next = BatchHeader::parse(&rest).and_then(|header| {
            let left = rest.len();
            if header.total_bytes > left {
                return Err(BatchError::Short { needed: header.total_bytes, left });
            }
            Ok((header, rest.split_to(header.total_bytes)))
        });
        if next.is_err() {
            rest = Bytes::new();
        }
        Some(next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each field has a value of its own; the CRC is written from the bytes.
    const HEADER: BatchHeader = BatchHeader {
        base_offset: 41,
        total_bytes: BATCH_HEADER_BYTES + 5,
        leader_epoch: 2,
        crc: 0,
        attributes: 0b1_0000,
        last_offset_delta: 2,
        base_timestamp: 1_700_000_000_000,
        max_timestamp: 1_700_000_000_100,
        producer_id: 9000,
        producer_epoch: 1,
        base_sequence: 77,
        records: 3,
    };

    /// The batch of a header: its records are opaque.
    fn batch(header: &BatchHeader) -> Vec<u8> {
        let mut batch = vec![0xa5; BATCH_HEADER_BYTES + 5];
        header.write(&mut batch);
        batch
    }

    fn check(batch: &[u8]) -> Result<(), BatchError> {
        BatchHeader::parse(batch)?.validate(batch)
    }

    #[test]
    fn a_header_is_read_as_it_is_written() {
        let batch = batch(&HEADER);
        let header = BatchHeader::parse(&batch).unwrap();
        assert_eq!(header, BatchHeader { crc: header.crc, ..HEADER });
        assert_eq!(header.crc, crc32c::crc32c(&batch[21..]));
        assert_eq!(header.next_offset(), 44);
        assert!(header.is_transactional() && !header.is_control());
    }

    #[test]
    fn each_changed_bit_is_noticed_but_for_those_that_a_broker_sets() {
        let batch = batch(&HEADER);
        assert_eq!(check(&batch), Ok(()));
        for at in 0..batch.len() {
            for bit in 0..8 {
                let mut changed = batch.clone();
                changed[at] ^= 1 << bit;
                let is_base_offset_or_leader_epoch = at < 8 || (12..16).contains(&at);
                let ok = check(&changed).is_ok();
                assert_eq!(ok, is_base_offset_or_leader_epoch, "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn the_broker_sets_base_offset_and_leader_epoch_and_the_crc_still_fits() {
        let mut batch = batch(&HEADER);
        assign(&mut batch, i64::MAX - 3, 7);
        let header = BatchHeader::parse(&batch).unwrap();
        assert_eq!((header.base_offset, header.leader_epoch), (i64::MAX - 3, 7));
        assert_eq!(header.validate(&batch), Ok(()));
    }

    #[test]
    fn each_prefix_is_short() {
        let batch = batch(&HEADER);
        for end in 0..batch.len() {
            assert!(matches!(check(&batch[..end]), Err(BatchError::Short { .. })), "{end}");
        }
    }

    #[test]
    fn what_follows_a_batch_does_not_matter() {
        let mut batch = batch(&HEADER);
        batch.push(1);
        assert_eq!(check(&batch), Ok(()));
    }

    #[test]
    fn lengths_below_a_header_are_errors() {
        for length in [i32::MIN, -1, 0, 48] {
            let mut batch = batch(&HEADER);
            batch[8..12].copy_from_slice(&length.to_be_bytes());
            assert_eq!(check(&batch), Err(BatchError::Length(length)));
        }
    }

    #[test]
    fn older_formats_are_told_apart_from_damage() {
        for magic in [0, 1, 3, -1_i8] {
            let mut batch = batch(&HEADER);
            batch[MAGIC_AT] = magic.to_be_bytes()[0];
            assert_eq!(check(&batch), Err(BatchError::Magic(magic)));
        }
    }

    #[test]
    fn counts_must_agree() {
        let pairs = [(0, -1), (-1, -2), (1, 1), (3, 1), (i32::MIN, i32::MAX), (i32::MAX, i32::MIN)];
        for (records, last_offset_delta) in pairs {
            let batch = batch(&BatchHeader { records, last_offset_delta, ..HEADER });
            assert_eq!(check(&batch), Err(BatchError::Count { records, last_offset_delta }));
        }
    }

    #[test]
    fn an_error_ends_the_list_of_batches() {
        let one = batch(&HEADER);
        let three = [&one[..], &[0xff; 70], &one].concat();
        let found: Vec<_> = batches(three.into()).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].clone().unwrap().1, one);
        assert_eq!(found[1], Err(BatchError::Magic(-1)));
    }
}
