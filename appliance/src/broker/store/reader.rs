//! Reading records: from the tail in memory, or from segment files.
//!
//! **Invariants.** Only durable records are given, only whole batches, and from files only what
//! passes its CRC.
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use pagi_protocol::kafka::record_batch::BatchError;

use super::files::{FileKey, ReadFiles};
use super::layout::{SegmentFile, segment_file};
use super::view::Partition;
use crate::core::log::batch_run::{Damage, Run, select};
use crate::core::log::index::{self, ENTRY_BYTES, Entry};
use crate::core::log::partition::{Place, Segment};
use crate::limits::INDEX_INTERVAL_BYTES;

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The offset is before the log start or behind the high watermark.
    #[error("the offset is out of range")]
    OutOfRange,
    /// The process is about to end.
    #[error("the process is about to end")]
    Ended,
    /// The file system failed.
    #[error("{path} could not be read: {error}")]
    Io {
        /// The file.
        path: String,
        /// What it said.
        error: io::Error,
    },
    /// A stored batch is not what was written.
    #[error("{path} is damaged at byte {position}: {error}")]
    Damaged {
        /// The file.
        path: String,
        /// Bytes from its beginning.
        position: u64,
        /// What is wrong there.
        error: Damage,
    },
}

/// Where the records from an offset are.
#[derive(Debug)]
pub enum Source {
    /// These, from memory; none at the high watermark.
    Memory(Vec<Bytes>),
    /// In a file: use [`Reader::read_segment`], where blocking is fine.
    Segment(Segment),
}

/// Finds out where the records from `offset` are; takes them if they are in memory.
///
/// # Errors
/// [`ReadError::OutOfRange`].
pub fn locate(partition: &Partition, offset: i64, bytes_max: usize) -> Result<Source, ReadError> {
    let log = partition.log.lock();
    match log.locate(offset) {
        Place::OutOfRange => Err(ReadError::OutOfRange),
        Place::End => Ok(Source::Memory(Vec::new())),
        Place::Tail => Ok(Source::Memory(log.from_tail(offset, bytes_max))),
        Place::Segment(segment) => Ok(Source::Segment(segment)),
    }
}

/// Reads segment files.
#[derive(Debug, Clone)]
pub struct Reader(pub Arc<ReadFiles>);

impl Reader {
    /// As [`Reader::read_segment`], for a segment that was found some time ago: its records may
    /// have been deleted meanwhile, and its file removed.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read_located(
        &self,
        partition: &Partition,
        segment: &Segment,
        offset: i64,
        bytes_max: usize,
    ) -> Result<Bytes, ReadError> {
        let read = self.read_segment(partition, segment, offset, bytes_max);
        if read.is_err() && offset < partition.log.lock().log_start() {
            return Err(ReadError::OutOfRange);
        }
        read
    }

    /// Whole batches from the one that holds `offset`: at least one, then as many as fit into
    /// `bytes_max`. Blocks on the disk.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read_segment(
        &self,
        partition: &Partition,
        segment: &Segment,
        offset: i64,
        bytes_max: usize,
    ) -> Result<Bytes, ReadError> {
        let start = self.look_up(partition, segment, |entry| entry.offset <= offset);
        let beginning = Entry::start(segment.base_offset);
        match self.read_from(partition, segment, start, offset, bytes_max) {
            // It may be the index that is damaged: the segment tells without it.
            Err(ReadError::Damaged { .. }) if start != beginning => {
                self.read_from(partition, segment, beginning, offset, bytes_max)
            }
            read => read,
        }
    }

    fn read_from(
        &self,
        partition: &Partition,
        segment: &Segment,
        start: Entry,
        offset: i64,
        bytes_max: usize,
    ) -> Result<Bytes, ReadError> {
        let slack = usize::try_from(INDEX_INTERVAL_BYTES).unwrap_or_default();
        let usual = bytes_max.saturating_add(slack);
        let (mut position, mut first, mut wanted) = (start.position, start.offset, usual);
        loop {
            let piece = self.piece(partition, segment, position, wanted)?;
            let at = |bytes: usize| position.saturating_add(bytes as u64);
            match select(&piece, first, offset, bytes_max) {
                Ok(Run::Found(batches)) => return Ok(batches),
                Ok(Run::Ends { at: 0, needs, .. }) if needs <= wanted => {
                    let short = BatchError::Short { needed: needs, left: piece.len() };
                    return Err(damaged(partition, segment, at(0), short.into()));
                }
                Ok(Run::Ends { at: bytes, first_offset, needs }) => {
                    (position, first, wanted) = (at(bytes), first_offset, usual.max(needs));
                }
                Err((bytes, damage)) => {
                    return Err(damaged(partition, segment, at(bytes), damage));
                }
            }
        }
    }

    /// An offset of the segment before which no record is as new as `timestamp`. Blocks on the
    /// disk.
    #[must_use]
    pub fn start_of(&self, partition: &Partition, segment: &Segment, timestamp: i64) -> i64 {
        self.look_up(partition, segment, |entry| entry.max_timestamp_before < timestamp).offset
    }

    /// The last index entry that holds, or the segment's beginning. An index that cannot be read
    /// only makes the search longer.
    fn look_up(
        &self,
        partition: &Partition,
        segment: &Segment,
        holds: impl Fn(&Entry) -> bool,
    ) -> Entry {
        let start = Entry::start(segment.base_offset);
        let Ok(file) = self.0.get(&partition.dir, key(partition, segment, SegmentFile::Index))
        else {
            return start;
        };
        let sound = |entry: &Entry| {
            entry.position < segment.log_bytes && entry.offset < segment.next_offset
        };
        let entry_at = |n: u64| {
            let bytes = file.read(n * ENTRY_BYTES as u64, ENTRY_BYTES).ok()?;
            Entry::parse(&bytes, segment.base_offset).filter(sound)
        };
        let count = segment.index_bytes / ENTRY_BYTES as u64;
        index::last_where(count, entry_at, holds).unwrap_or(start)
    }

    fn piece(
        &self,
        partition: &Partition,
        segment: &Segment,
        position: u64,
        wanted: usize,
    ) -> Result<Bytes, ReadError> {
        let left = segment.log_bytes.saturating_sub(position);
        let bytes = usize::try_from(left).map_or(wanted, |left| left.min(wanted));
        self.0
            .get(&partition.dir, key(partition, segment, SegmentFile::Log))
            .and_then(|file| file.read(position, bytes))
            .map_err(|error| ReadError::Io { path: log_path(partition, segment), error })
    }
}

fn key(partition: &Partition, segment: &Segment, kind: SegmentFile) -> FileKey {
    FileKey { partition: partition.id, base_offset: segment.base_offset, kind }
}

fn log_path(partition: &Partition, segment: &Segment) -> String {
    segment_file(&partition.dir, partition.id.index, segment.base_offset, SegmentFile::Log)
}

fn damaged(partition: &Partition, segment: &Segment, position: u64, error: Damage) -> ReadError {
    ReadError::Damaged { path: log_path(partition, segment), position, error }
}
