//! Walking through one segment from its first batch to its last.
//!
//! **Invariants.** Every batch passes its CRC and stands where the one before it ended; the index
//! is what the batches give when they are indexed again; the last batch ends where the checkpoint
//! says. Behind damage the walk goes on at the next entry of the index.
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pagi_protocol::kafka::record_batch::{BATCH_HEADER_BYTES, BatchHeader};

use super::super::store::layout::{SegmentFile, segment_file};
use super::super::store::storage::{File, Storage};
use super::finding::Finding;
use crate::core::log::batch_run::header_at;
use crate::core::log::index::{ENTRY_BYTES, Entry, Progress};
use crate::core::log::partition::Segment;

const WINDOW_BYTES: usize = 1 << 20;

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
    let path = |kind| segment_file(dir, partition, segment.base_offset, kind);
    let (log_path, index_path) = (path(SegmentFile::Log), path(SegmentFile::Index));
    let log = open(storage, &log_path, segment.log_bytes, findings)?;
    let index = match segment.index_bytes {
        0 => Bytes::new(),
        bytes => match open(storage, &index_path, bytes, findings)? {
            Some(file) => file.read(0, usize::try_from(bytes).unwrap_or(usize::MAX))?,
            None => Bytes::new(),
        },
    };
    let Some(log) = log else { return Ok(Counted::default()) };
    let mut walk = Walk {
        segment,
        path: &log_path,
        window: Window { file: log, bytes: segment.log_bytes, at: 0, held: Bytes::new() },
        index: &index,
        progress: Progress::EMPTY,
        rebuilt: BytesMut::new(),
        counted: Counted::default(),
        sound: true,
    };
    walk.run(findings)?;
    walk.check_end(&index_path, findings);
    Ok(walk.counted)
}

/// The file, when it is there. One that is shorter than it should be is a finding.
fn open(
    storage: &dyn Storage,
    path: &str,
    bytes: u64,
    findings: &mut Vec<Finding>,
) -> io::Result<Option<Arc<dyn File>>> {
    let file = match storage.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            findings.push(Finding::damage(path, None, "the checkpoint names it; it is missing"));
            return Ok(None);
        }
        file => file?,
    };
    let size = file.size()?;
    if size < bytes {
        let what = format!("it ends here; the checkpoint says that it has {bytes} bytes");
        findings.push(Finding::damage(path, size, what));
    }
    Ok(Some(file))
}

struct Walk<'a> {
    segment: &'a Segment,
    path: &'a str,
    window: Window,
    index: &'a [u8],
    progress: Progress,
    rebuilt: BytesMut,
    counted: Counted,
    /// Whether there was no damage so far.
    sound: bool,
}

impl Walk<'_> {
    fn run(&mut self, findings: &mut Vec<Finding>) -> io::Result<()> {
        let (mut position, mut expected) = (0, self.segment.base_offset);
        while position < self.segment.log_bytes {
            match self.batch(position, expected)? {
                Ok(header) => {
                    self.note(&header, position);
                    position += header.total_bytes as u64;
                    expected = header.next_offset();
                }
                Err(what) => {
                    self.sound = false;
                    let next = self.next_indexed(position, expected);
                    let lost = next.map_or(self.segment.next_offset, |entry| entry.offset);
                    let what = format!(
                        "{what}. Records from offset {expected} up to {lost} may not be readable"
                    );
                    findings.push(Finding::damage(self.path, position, what));
                    let Some(next) = next else { return Ok(()) };
                    (position, expected) = (next.position, next.offset);
                }
            }
        }
        if self.sound && (position, expected) != (self.segment.log_bytes, self.segment.next_offset)
        {
            let what = format!(
                "the last batch ends at byte {position} and offset {expected}; the checkpoint says \
                 {} and {}",
                self.segment.log_bytes, self.segment.next_offset
            );
            findings.push(Finding::damage(self.path, position, what));
        }
        Ok(())
    }

    /// The batch at `position`, when it is the one that has to be there, and sound.
    fn batch(&mut self, position: u64, expected: i64) -> io::Result<Result<BatchHeader, String>> {
        let head = self.window.get(position, BATCH_HEADER_BYTES)?;
        let header = match header_at(&head, expected) {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(Err("a batch is cut short".to_owned())),
            Err(damage) => return Ok(Err(damage.to_string())),
        };
        if position.saturating_add(header.total_bytes as u64) > self.segment.log_bytes {
            return Ok(Err(format!("a batch claims to have {} bytes", header.total_bytes)));
        }
        let batch = self.window.get(position, header.total_bytes)?;
        Ok(header.validate(&batch).map(|()| header).map_err(|error| error.to_string()))
    }

    fn note(&mut self, header: &BatchHeader, position: u64) {
        let delta = header.base_offset - self.segment.base_offset;
        self.progress.note(&mut self.rebuilt, delta, position, header.max_timestamp);
        self.counted.batches += 1;
        self.counted.records += u64::try_from(header.records).unwrap_or_default();
        self.counted.bytes += header.total_bytes as u64;
    }

    /// The first entry of the index behind damage, where batches may be sound again.
    fn next_indexed(&self, position: u64, offset: i64) -> Option<Entry> {
        let entries = self.index.chunks_exact(ENTRY_BYTES);
        let mut entries = entries.filter_map(|e| Entry::parse(e, self.segment.base_offset));
        let segment = self.segment;
        entries.find(|entry| {
            (position + 1..segment.log_bytes).contains(&entry.position)
                && (offset + 1..segment.next_offset).contains(&entry.offset)
        })
    }

    fn check_end(&self, index_path: &str, findings: &mut Vec<Finding>) {
        if !self.sound {
            return;
        }
        if self.progress != self.segment.progress {
            let (found, said) = (self.progress, self.segment.progress);
            let what = format!("the checkpoint tells of {said:?}, the batches of {found:?}");
            findings.push(Finding::damage(self.path, None, what));
        }
        let same = self.index.iter().zip(&self.rebuilt).take_while(|(a, b)| a == b).count();
        if same < self.rebuilt.len() || same < self.index.len() {
            let at = same / ENTRY_BYTES * ENTRY_BYTES;
            let what = "an entry is not what its batch gives; reading does without it, slower";
            findings.push(Finding::damage(index_path, at as u64, what));
        }
    }
}

/// A piece of a file that moves on.
struct Window {
    file: Arc<dyn File>,
    /// Where the file ends, for us.
    bytes: u64,
    at: u64,
    held: Bytes,
}

impl Window {
    /// The bytes from `position`: `needs` of them, or more, or fewer at the end.
    fn get(&mut self, position: u64, needs: usize) -> io::Result<Bytes> {
        let skip = position.checked_sub(self.at).and_then(|skip| usize::try_from(skip).ok());
        let has = skip.and_then(|skip| self.held.len().checked_sub(skip)).unwrap_or_default();
        if has < needs {
            let left = usize::try_from(self.bytes.saturating_sub(position)).unwrap_or(usize::MAX);
            self.held = self.file.read(position, needs.max(WINDOW_BYTES).min(left))?;
            self.at = position;
        }
        let skip = usize::try_from(position - self.at).unwrap_or_default();
        Ok(self.held.slice(skip.min(self.held.len())..))
    }
}
