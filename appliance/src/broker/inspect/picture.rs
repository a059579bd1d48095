//! What a data folder holds: its checkpoint, and the write-ahead log replayed over it in memory.
//!
//! **Invariants.** The readers are the store's own, so that what is seen here is what the next
//! start would see. Where that start would be refused, what is before the damage is here, and the
//! damage is a finding.
use std::sync::Arc;

use pagi_protocol::kafka::record_batch::BatchHeader;

use super::super::store::files::ReadFiles;
use super::super::store::groups::Groups;
use super::super::store::layout::{CHECKPOINT, wal_file};
use super::super::store::open::{OpenError, check_sizes, open_wal_files, read_checkpoint};
use super::super::store::reader::Reader;
use super::super::store::replay::{ReplayError, Replayed, replay};
use super::super::store::storage::Storage;
use super::super::store::view::View;
use super::super::store::wal::WalFile;
use super::finding::Finding;
use crate::core::log::checkpoint::{Checkpoint, WalPosition};
use crate::core::log::entry::Entry;
use crate::core::log::ids::{PartitionId, Sequence};
use crate::core::log::state::LogState;

/// See the module.
#[derive(Debug)]
pub struct Picture {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Files that the write-ahead log has.
    pub wal_files: Vec<WalFile>,
    /// Topics, ends and producers behind the last round that could be read.
    pub state: LogState,
    /// The records up to there; those of the write-ahead log are in memory.
    pub view: View,
    /// Reads those in segments.
    pub reader: Reader,
    /// How the write-ahead log ended, when it could be read to its end.
    pub replayed: Option<Replayed>,
    /// Batches in the write-ahead log behind the checkpoint.
    pub wal_batches: u64,
    /// What is wrong with checkpoint and write-ahead log.
    pub findings: Vec<Finding>,
}

impl Picture {
    /// Reads the folder; none when it has no checkpoint.
    ///
    /// # Errors
    /// [`OpenError`]: the checkpoint cannot be used, or a file cannot be read.
    pub fn of(storage: &Arc<dyn Storage>) -> Result<Option<Self>, OpenError> {
        let Some(checkpoint) = read_checkpoint(&**storage)? else { return Ok(None) };
        let wal_files = open_wal_files(&**storage)
            .map_err(|error| OpenError::Io { what: "the folder 'wal' could not be read", error })?;
        let topics: Vec<_> = checkpoint.state.topics().map(|topic| topic.made.clone()).collect();
        let files = checkpoint.files.clone();
        let groups = Groups::restored(checkpoint.offsets.clone(), checkpoint.groups.clone());
        let view = View::restored(topics.into_iter(), files, groups);
        let mut picture = Self {
            state: checkpoint.state.clone(),
            checkpoint,
            wal_files,
            view,
            reader: Reader(Arc::new(ReadFiles::new(Arc::clone(storage)))),
            replayed: None,
            wal_batches: 0,
            findings: Vec::new(),
        };
        picture.replay();
        Ok(Some(picture))
    }

    fn replay(&mut self) {
        let Checkpoint { salt, position, sequence, .. } = self.checkpoint;
        // A crash at the very first start: the next one makes the file.
        if self.wal_files.is_empty() && sequence == Sequence(0) {
            return;
        }
        if let Err(error) = check_sizes(&self.wal_files, &self.checkpoint.wal_files) {
            self.findings.push(finding(&error));
        }
        let files = self.wal_files.clone();
        let replayed = replay(&files, salt, position, sequence, |at, entry| self.apply(at, entry));
        match replayed {
            Ok(replayed) => {
                if let Some(torn) = replayed.torn {
                    let what = format!(
                        "round {} was not written to its end: it was never acknowledged, and will \
                         be cut off",
                        torn.round.0
                    );
                    let path = wal_file(torn.at.file);
                    self.findings.push(Finding::leftover(&path, torn.at.offset, what));
                }
                self.replayed = Some(replayed);
            }
            Err(error) => self.findings.push(finding(&error)),
        }
    }

    fn apply(&mut self, at: WalPosition, entry: Entry) {
        if let Entry::Append { partition, batch } = &entry {
            self.wal_batches += 1;
            if let Err(what) = self.check_append(*partition, batch) {
                let what = format!("a batch of partition {partition}: {what}");
                self.findings.push(Finding::damage(&wal_file(at.file), at.offset, what));
            }
        }
        // No producer grows old here: nothing is forgotten.
        self.state.apply(&entry, 0);
        self.view.apply(entry);
    }

    /// An appended batch is sound, and goes right behind the last one of its partition.
    fn check_append(&self, partition: PartitionId, batch: &[u8]) -> Result<(), String> {
        let header = BatchHeader::parse(batch).map_err(|error| error.to_string())?;
        header.validate_stored(batch).map_err(|error| error.to_string())?;
        match self.state.next_offset(partition) {
            None => Err("there is no such partition".to_owned()),
            Some(next) if next != header.base_offset => {
                Err(format!("it begins at offset {}, not at {next}", header.base_offset))
            }
            Some(_) => Ok(()),
        }
    }
}

fn finding(error: &ReplayError) -> Finding {
    let (path, offset) = match error {
        ReplayError::Damaged { path, offset, .. } => (path.clone(), Some(*offset)),
        ReplayError::Missing(path)
        | ReplayError::Io { path, .. }
        | ReplayError::Cut { path, .. }
        | ReplayError::Unknown { path, .. } => (path.clone(), None),
    };
    Finding::damage(&path, offset, error)
}

/// What kept a folder from being looked into, as a finding where it is damage.
#[must_use]
pub fn damaged_checkpoint(error: &OpenError) -> Option<Finding> {
    match error {
        OpenError::Checkpoint(error) => Some(Finding::damage(CHECKPOINT, 0, error)),
        OpenError::Replay(error) => Some(finding(error)),
        OpenError::Io { .. } | OpenError::NotOurs(_) | OpenError::Repair => None,
    }
}
