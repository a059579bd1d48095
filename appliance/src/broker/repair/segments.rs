//! Writing what is left of a damaged segment into files of its own.
//!
//! **Invariants.** The new files have every sound batch of the old ones, with vacant batches where
//! some are gone: the segment begins and ends at the same offsets.
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pagi_protocol::kafka::vacant::vacant;

use super::super::inspect::walk::{Step, Walk};
use super::super::store::layout::{SegmentFile, TOPICS, segment_file};
use super::super::store::storage::{File, Storage};
use super::loss::{Loss, Lost};
use super::swap::repaired;
use crate::core::log::ids::LEADER_EPOCH;
use crate::core::log::index::Progress;
use crate::core::log::partition::Segment;

/// A segment, and where it belongs.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The topic's folder.
    pub dir: &'a str,
    /// The partition.
    pub partition: u32,
    /// The log start offset: what is before it was deleted.
    pub log_start: i64,
    /// The segment.
    pub segment: &'a Segment,
}

/// What is lost in a segment.
///
/// # Errors
/// As the file system gives them.
pub fn losses(storage: &dyn Storage, target: Target<'_>) -> io::Result<Vec<Loss>> {
    let place = (target.dir, target.partition);
    let mut walk = Walk::begin(storage, place, target.segment)?;
    let mut losses = Vec::new();
    while let Some(step) = walk.next() {
        let Step::Lost(lost) = step else { continue };
        let (from, until) = (lost.from.max(target.log_start), lost.until);
        if from < until {
            let (topic, partition) = (target.topic.to_owned(), target.partition);
            let place = Some((walk.path().to_owned(), lost.position));
            let lost_records = Lost::Records { topic, partition, from, until };
            losses.push(Loss { lost: lost_records, place, why: lost.what });
        }
    }
    Ok(losses)
}

/// Writes the new files, makes them durable, and gives the segment as it is in them.
///
/// # Errors
/// As the file system gives them.
pub fn rebuild(storage: &dyn Storage, target: Target<'_>) -> io::Result<Segment> {
    let Target { dir, partition, segment, .. } = target;
    let path = |kind| repaired(&segment_file(dir, partition, segment.base_offset, kind));
    storage.create_dir(&format!("{TOPICS}/{dir}"))?;
    let walk = Walk::begin(storage, (dir, partition), segment)?;
    let mut out = Out {
        file: storage.create(&path(SegmentFile::Log))?,
        held: Vec::new(),
        held_bytes: 0,
        index: BytesMut::new(),
        segment: Segment { log_bytes: 0, progress: Progress::EMPTY, ..*segment },
    };
    for step in walk {
        match step {
            Step::Batch { header, bytes, .. } => {
                out.push(header.base_offset, header.max_timestamp, bytes)?;
            }
            Step::Lost(lost) => {
                // Time goes on in a segment; where nothing is left of it, it is as old as it was.
                let before = out.segment.progress.max_timestamp;
                let timestamp_ms =
                    if before > i64::MIN { before } else { segment.progress.max_timestamp };
                let mut from = lost.from;
                for batch in vacant(lost.from, lost.until, LEADER_EPOCH, timestamp_ms) {
                    out.push(from, timestamp_ms, batch)?;
                    from = from.saturating_add(1 << 31);
                }
            }
        }
    }
    out.flush()?;
    out.file.sync()?;
    let index = storage.create(&path(SegmentFile::Index))?;
    out.segment.index_bytes = out.index.len() as u64;
    index.write(0, &[out.index.freeze()])?;
    index.sync()?;
    Ok(out.segment)
}

struct Out {
    file: Arc<dyn File>,
    held: Vec<Bytes>,
    held_bytes: u64,
    index: BytesMut,
    segment: Segment,
}

const HELD_BYTES_MAX: u64 = 1 << 20;

impl Out {
    fn push(&mut self, base_offset: i64, max_timestamp: i64, batch: Bytes) -> io::Result<()> {
        let delta = base_offset.saturating_sub(self.segment.base_offset);
        let position = self.segment.log_bytes + self.held_bytes;
        self.segment.progress.note(&mut self.index, delta, position, max_timestamp);
        self.held_bytes += batch.len() as u64;
        self.held.push(batch);
        if self.held_bytes >= HELD_BYTES_MAX { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write(self.segment.log_bytes, &std::mem::take(&mut self.held))?;
        self.segment.log_bytes += std::mem::take(&mut self.held_bytes);
        Ok(())
    }
}
