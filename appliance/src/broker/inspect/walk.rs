//! Walking through the batches of one segment, past what is damaged.
//!
//! **Invariants.** Steps follow each other without a gap, from the segment's first offset to its
//! last: each is a batch that passes its CRC and stands where the one before it ended, or a loss.
//! Behind damage the walk goes on where the damaged batch says that it ends, if a sound one is
//! there, or at an entry of the index: nowhere else, for bytes inside a batch are a client's.
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use pagi_protocol::kafka::record_batch::{BATCH_HEADER_BYTES, BatchHeader};

use super::super::store::layout::{SegmentFile, segment_file};
use super::super::store::storage::{File, Storage};
use crate::core::log::batch_run::header_at;
use crate::core::log::index::{ENTRY_BYTES, Entry};
use crate::core::log::partition::Segment;

const WINDOW_BYTES: usize = 1 << 20;

/// One step.
#[derive(Debug)]
pub enum Step {
    /// A sound batch.
    Batch {
        /// Its header.
        header: BatchHeader,
        /// Bytes from the beginning of the file.
        position: u64,
        /// All of it.
        bytes: Bytes,
    },
    /// Offsets whose batches cannot be read.
    Lost(Lost),
}

/// Offsets that cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Where the damage begins, in bytes from the beginning of the file.
    pub position: u64,
    /// The first offset.
    pub from: i64,
    /// The offset behind the last.
    pub until: i64,
    /// What is wrong there.
    pub what: String,
}

/// See the module.
#[derive(Debug)]
pub struct Walk<'a> {
    segment: &'a Segment,
    path: String,
    window: Window,
    index: Bytes,
    position: u64,
    expected: i64,
    ended: bool,
}

impl<'a> Walk<'a> {
    /// Begins at the first batch of a partition's segment, whose topic's folder is `dir`.
    ///
    /// # Errors
    /// As the file system gives them. A file that is missing or too short is a loss instead.
    pub fn begin(
        storage: &dyn Storage,
        (dir, partition): (&str, u32),
        segment: &'a Segment,
    ) -> io::Result<Self> {
        let path = |kind| segment_file(dir, partition, segment.base_offset, kind);
        let file = open(storage, &path(SegmentFile::Log))?;
        let index = match open(storage, &path(SegmentFile::Index))? {
            // One that cannot be read is as good as none.
            Some(file) => file.read(0, length(segment.index_bytes)).unwrap_or_default(),
            None => Bytes::new(),
        };
        let held = Bytes::new();
        Ok(Self {
            segment,
            path: path(SegmentFile::Log),
            window: Window { file, bytes: segment.log_bytes, at: 0, held },
            index,
            position: 0,
            expected: segment.base_offset,
            ended: false,
        })
    }

    /// The file with the batches, relative to the data folder.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What there is of the segment's index.
    #[must_use]
    pub fn index(&self) -> &[u8] {
        &self.index
    }

    fn lose(&mut self, what: String) -> Step {
        let (position, from) = (self.position, self.expected);
        let next = self.behind_damage();
        (self.position, self.expected) =
            next.unwrap_or((self.segment.log_bytes, self.segment.next_offset));
        self.ended = next.is_none();
        Step::Lost(Lost { position, from, until: self.expected, what })
    }

    /// Where to go on behind the batch that cannot be read, and the offset there.
    fn behind_damage(&mut self) -> Option<(u64, i64)> {
        let head = self.window.get(self.position, BATCH_HEADER_BYTES).unwrap_or_default();
        let end = BatchHeader::parse(&head).ok();
        let end = end.and_then(|header| self.position.checked_add(header.total_bytes as u64));
        if let Some(end) = end.filter(|end| *end < self.segment.log_bytes) {
            let offset = self.window.get(end, BATCH_HEADER_BYTES).ok();
            let offset = offset.and_then(|head| BatchHeader::parse(&head).ok());
            let offset = offset.map(|header| header.base_offset);
            let is_behind = |offset: &i64| self.is_behind(*offset);
            if let Some(offset) = offset.filter(is_behind)
                && self.batch(end, offset).is_ok()
            {
                return Some((end, offset));
            }
        }
        let entries = self.index.chunks_exact(ENTRY_BYTES);
        let mut entries = entries.filter_map(|e| Entry::parse(e, self.segment.base_offset));
        let behind = self.position + 1..self.segment.log_bytes;
        entries
            .find(|entry| behind.contains(&entry.position) && self.is_behind(entry.offset))
            .map(|entry| (entry.position, entry.offset))
    }

    fn is_behind(&self, offset: i64) -> bool {
        (self.expected.saturating_add(1)..self.segment.next_offset).contains(&offset)
    }

    /// The batch at `position`, when it is the one that has to be there, and sound.
    fn batch(&mut self, position: u64, expected: i64) -> Result<(BatchHeader, Bytes), String> {
        let read = |error: io::Error| format!("it cannot be read: {error}");
        let head = self.window.get(position, BATCH_HEADER_BYTES).map_err(read)?;
        let header = header_at(&head, expected).map_err(|damage| damage.to_string())?;
        let header = header.ok_or_else(|| self.window.too_short(position))?;
        if position.saturating_add(header.total_bytes as u64) > self.segment.log_bytes {
            return Err(format!("a batch claims to have {} bytes", header.total_bytes));
        }
        if header.next_offset() > self.segment.next_offset {
            return Err(format!("a batch claims to end at offset {}", header.next_offset()));
        }
        let mut batch = self.window.get(position, header.total_bytes).map_err(read)?;
        header.validate_stored(&batch).map_err(|error| error.to_string())?;
        batch.truncate(header.total_bytes);
        Ok((header, batch))
    }
}

impl Iterator for Walk<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let (position, segment) = (self.position, self.segment);
        if self.ended || (position, self.expected) == (segment.log_bytes, segment.next_offset) {
            return None;
        }
        if position >= segment.log_bytes {
            let what = format!(
                "the last batch ends at offset {}; the checkpoint says {}",
                self.expected, segment.next_offset
            );
            return Some(self.lose(what));
        }
        Some(match self.batch(position, self.expected) {
            Ok((header, bytes)) => {
                self.position += header.total_bytes as u64;
                self.expected = header.next_offset();
                Step::Batch { header, position, bytes }
            }
            Err(what) => self.lose(what),
        })
    }
}

fn open(storage: &dyn Storage, path: &str) -> io::Result<Option<Arc<dyn File>>> {
    match storage.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => Ok(Some(file?)),
    }
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// A piece of a file that moves on.
#[derive(Debug)]
struct Window {
    /// None where the file is missing.
    file: Option<Arc<dyn File>>,
    /// Where the file ends, for us.
    bytes: u64,
    at: u64,
    held: Bytes,
}

impl Window {
    /// The bytes from `position`: `needs` of them, or more, or fewer at the end.
    fn get(&mut self, position: u64, needs: usize) -> io::Result<Bytes> {
        let Some(file) = &self.file else { return Ok(Bytes::new()) };
        let skip = position.checked_sub(self.at).and_then(|skip| usize::try_from(skip).ok());
        let has = skip.and_then(|skip| self.held.len().checked_sub(skip)).unwrap_or_default();
        if has < needs {
            let left = length(self.bytes.saturating_sub(position));
            // What a sick disk cannot read may be further on.
            self.held = file
                .read(position, needs.max(WINDOW_BYTES).min(left))
                .or_else(|_| file.read(position, needs.min(left)))?;
            self.at = position;
        }
        let skip = length(position - self.at);
        Ok(self.held.slice(skip.min(self.held.len())..))
    }

    fn too_short(&self, position: u64) -> String {
        match self.file.as_ref().map(|file| file.size()) {
            None => "the checkpoint names it; it is missing".to_owned(),
            Some(Ok(size)) if size < self.bytes => {
                let bytes = self.bytes;
                format!("it has {size} bytes; the checkpoint says that it has {bytes}")
            }
            _ => format!("a batch is cut short at byte {position}"),
        }
    }
}
