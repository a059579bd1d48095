//! Checking one segment from its first batch to its last.
//!
//! **Invariants.** Every batch passes its CRC and stands where the one before it ended; the index
//! is what the batches give when they are indexed again; the last batch ends where the checkpoint
//! says.
use std::io;

use bytes::BytesMut;

use super::super::store::layout::{SegmentFile, segment_file};
use super::super::store::storage::Storage;
use super::finding::Finding;
use super::walk::{Step, Walk};
use crate::core::log::index::{ENTRY_BYTES, Progress};
use crate::core::log::partition::Segment;

/// What was found on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Sound batches.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// The two files of a segment.
#[must_use]
pub fn paths(dir: &str, partition: u32, segment: &Segment) -> [String; 2] {
    [SegmentFile::Log, SegmentFile::Index]
        .map(|kind| segment_file(dir, partition, segment.base_offset, kind))
}

/// Walks through the segment of a partition, whose topic's folder is `dir`.
///
/// # Errors
/// As the file system gives them.
pub fn check(
    storage: &dyn Storage,
    (dir, partition): (&str, u32),
    segment: &Segment,
    findings: &mut Vec<Finding>,
) -> io::Result<Counted> {
    let mut walk = Walk::begin(storage, (dir, partition), segment)?;
    let (mut progress, mut rebuilt) = (Progress::EMPTY, BytesMut::new());
    let mut counted = Counted::default();
    let mut sound = true;
    while let Some(step) = walk.next() {
        match step {
            Step::Batch { header, position, .. } => {
                let delta = header.base_offset - segment.base_offset;
                progress.note(&mut rebuilt, delta, position, header.max_timestamp);
                counted.batches += 1;
                counted.records += u64::try_from(header.records).unwrap_or_default();
                counted.bytes += header.total_bytes as u64;
            }
            Step::Lost(lost) => {
                sound = false;
                let what = format!(
                    "{}. Records from offset {} up to {} may not be readable",
                    lost.what, lost.from, lost.until
                );
                findings.push(Finding::damage(walk.path(), lost.position, what));
            }
        }
    }
    if sound {
        let [_, index_path] = paths(dir, partition, segment);
        let rebuilt = (&progress, &rebuilt[..]);
        check_index(segment, walk.path(), (&index_path, walk.index()), rebuilt, findings);
    }
    Ok(counted)
}

fn check_index(
    segment: &Segment,
    path: &str,
    (index_path, index): (&str, &[u8]),
    (progress, rebuilt): (&Progress, &[u8]),
    findings: &mut Vec<Finding>,
) {
    if *progress != segment.progress {
        let said = segment.progress;
        let what = format!("the checkpoint tells of {said:?}, the batches of {progress:?}");
        findings.push(Finding::damage(path, None, what));
    }
    let same = index.iter().zip(rebuilt).take_while(|(a, b)| a == b).count();
    if same < rebuilt.len() || same < index.len() {
        let at = same / ENTRY_BYTES * ENTRY_BYTES;
        let what = "an entry is not what its batch gives; reading does without it, slower";
        findings.push(Finding::damage(index_path, at as u64, what));
    }
}
