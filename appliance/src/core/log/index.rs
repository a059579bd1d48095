//! The sparse index of a segment: by offset and by time, one entry per
//! [`INDEX_INTERVAL_BYTES`] of records.
//!
//! ```text
//! offset - base offset u32 | position u32 | largest timestamp before the position i64
//! ```
//! **Invariants.** Entries rise in offset and position, and never fall in timestamp. Every entry
//! points at the beginning of a batch.
use bytes::{BufMut, BytesMut};

use crate::limits::INDEX_INTERVAL_BYTES;

/// The bytes of one entry.
pub const ENTRY_BYTES: usize = 16;

/// Where to begin looking in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The base offset of the batch at `position`.
    pub offset: i64,
    /// Bytes from the beginning of the segment.
    pub position: u64,
    /// The largest timestamp of all batches before it, in milliseconds since 1970.
    pub max_timestamp_before: i64,
}

/// How far the index of a growing segment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The position of the last entry, or 0.
    pub indexed_to: u64,
    /// The largest timestamp of the segment so far.
    pub max_timestamp: i64,
}

impl Progress {
    /// Nothing written yet.
    pub const EMPTY: Self = Self { indexed_to: 0, max_timestamp: i64::MIN };

    /// Takes note of a batch at `position`, and writes an entry behind `out` when one is due.
    /// `delta` is the batch's base offset less the segment's.
    pub fn note(&mut self, out: &mut BytesMut, delta: i64, position: u64, max_timestamp: i64) {
        if position.saturating_sub(self.indexed_to) >= INDEX_INTERVAL_BYTES {
            out.put_u32(u32::try_from(delta).unwrap_or(u32::MAX));
            out.put_u32(u32::try_from(position).unwrap_or(u32::MAX));
            out.put_i64(self.max_timestamp);
            self.indexed_to = position;
        }
        self.max_timestamp = self.max_timestamp.max(max_timestamp);
    }
}

/// The last entry that is not behind `offset`: its batch, or one that follows, holds it.
#[must_use]
pub fn by_offset(index: &[u8], base_offset: i64, offset: i64) -> Entry {
    last_where(index, base_offset, |entry| entry.offset <= offset)
}

/// The last entry before which every record is older than `timestamp`.
#[must_use]
pub fn by_timestamp(index: &[u8], base_offset: i64, timestamp: i64) -> Entry {
    last_where(index, base_offset, |entry| entry.max_timestamp_before < timestamp)
}

fn last_where(index: &[u8], base_offset: i64, holds: impl Fn(&Entry) -> bool) -> Entry {
    let (mut low, mut high) = (0, index.len() / ENTRY_BYTES);
    let mut found = Entry { offset: base_offset, position: 0, max_timestamp_before: i64::MIN };
    while low < high {
        let middle = low.midpoint(high);
        match entry_at(index, base_offset, middle).filter(&holds) {
            Some(entry) => (found, low) = (entry, middle + 1),
            None => high = middle,
        }
    }
    found
}

fn entry_at(index: &[u8], base_offset: i64, n: usize) -> Option<Entry> {
    let entry = index.get(n * ENTRY_BYTES..)?;
    let (delta, rest) = entry.split_first_chunk::<4>()?;
    let (position, rest) = rest.split_first_chunk::<4>()?;
    let timestamp = rest.first_chunk::<8>()?;
    Some(Entry {
        offset: base_offset.saturating_add(u32::from_be_bytes(*delta).into()),
        position: u32::from_be_bytes(*position).into(),
        max_timestamp_before: i64::from_be_bytes(*timestamp),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Batches as (base offset, position, max timestamp), and the index over them.
    fn indexed(sizes: &[(i64, u64, i64)]) -> (Vec<(Entry, i64)>, BytesMut) {
        let (mut offset, mut position) = (1000, 0);
        let (mut progress, mut out, mut batches) = (Progress::EMPTY, BytesMut::new(), vec![]);
        for &(records, bytes, timestamp) in sizes {
            let batch = Entry { offset, position, max_timestamp_before: 0 };
            progress.note(&mut out, offset - 1000, position, timestamp);
            batches.push((batch, timestamp));
            offset += records;
            position += bytes;
        }
        (batches, out)
    }

    proptest! {
        #[test]
        fn looking_up_never_skips_what_was_asked_for(
            sizes in prop::collection::vec((1..50_i64, 61..9000_u64, 0..1000_i64), 1..200),
            offset in 1000..6000_i64,
            timestamp in 0..1000_i64,
        ) {
            let (batches, index) = indexed(&sizes);
            let holding = batches.iter().rev().find(|(batch, _)| batch.offset <= offset).unwrap();
            let start = by_offset(&index, 1000, offset);
            prop_assert!(start.position <= holding.0.position);
            prop_assert!(holding.0.position - start.position <= 4096 + 9000);
            let start = by_timestamp(&index, 1000, timestamp);
            for (batch, max_timestamp) in batches {
                prop_assert!(batch.position >= start.position || max_timestamp < timestamp);
            }
        }
    }

    #[test]
    fn an_empty_index_points_at_the_beginning() {
        let start = Entry { offset: 5, position: 0, max_timestamp_before: i64::MIN };
        assert_eq!(by_offset(&[], 5, 100), start);
    }
}
