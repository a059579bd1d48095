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

impl Entry {
    /// The beginning of a segment, where every search may start.
    #[must_use]
    pub const fn start(base_offset: i64) -> Self {
        Self { offset: base_offset, position: 0, max_timestamp_before: i64::MIN }
    }

    /// Reads an entry of the segment that begins at `base_offset`.
    #[must_use]
    pub fn parse(bytes: &[u8], base_offset: i64) -> Option<Self> {
        let (delta, rest) = bytes.split_first_chunk::<4>()?;
        let (position, rest) = rest.split_first_chunk::<4>()?;
        let timestamp = rest.first_chunk::<8>()?;
        Some(Self {
            offset: base_offset.saturating_add(u32::from_be_bytes(*delta).into()),
            position: u32::from_be_bytes(*position).into(),
            max_timestamp_before: i64::from_be_bytes(*timestamp),
        })
    }
}

/// The last of `count` entries for which `holds` is true, when it is true for all before it.
/// An entry that `entry_at` cannot give is taken for one that does not hold: looking then begins
/// further ahead, and finds the same.
pub fn last_where(
    count: u64,
    mut entry_at: impl FnMut(u64) -> Option<Entry>,
    holds: impl Fn(&Entry) -> bool,
) -> Option<Entry> {
    let (mut low, mut high, mut found) = (0, count, None);
    while low < high {
        let middle = low.midpoint(high);
        match entry_at(middle).filter(&holds) {
            Some(entry) => (found, low) = (Some(entry), middle + 1),
            None => high = middle,
        }
    }
    found
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
            let start = look_up(&index, |entry| entry.offset <= offset);
            prop_assert!(start.position <= holding.0.position);
            prop_assert!(holding.0.position - start.position <= 4096 + 9000);
            let start = look_up(&index, |entry| entry.max_timestamp_before < timestamp);
            for (batch, max_timestamp) in batches {
                prop_assert!(batch.position >= start.position || max_timestamp < timestamp);
            }
        }
    }

    fn look_up(index: &[u8], holds: impl Fn(&Entry) -> bool) -> Entry {
        let entry_at = |n: u64| {
            let at = usize::try_from(n).unwrap() * ENTRY_BYTES;
            Entry::parse(&index[at..at + ENTRY_BYTES], 1000)
        };
        let count = u64::try_from(index.len() / ENTRY_BYTES).unwrap();
        last_where(count, entry_at, holds).unwrap_or(Entry::start(1000))
    }

    #[test]
    fn entries_that_cannot_be_read_only_widen_the_search() {
        let entry = |offset| Entry { offset, ..Entry::start(0) };
        let entry_at = |n: u64| (n < 3).then(|| entry(i64::try_from(n).unwrap() * 10));
        assert_eq!(last_where(8, entry_at, |entry| entry.offset <= 70), Some(entry(20)));
    }
}
