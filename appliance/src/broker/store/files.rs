//! Open segment files: the ones read lately, and the ones written but not yet synced.
//!
//! **Invariants.** A file that was written stays open until it was synced, so that the kernel
//! tells this descriptor of a failed write-back.
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::layout::{SegmentFile, segment_file};
use super::storage::{File, Storage};
use crate::core::log::ids::PartitionId;
use crate::limits::READ_FILES_MAX;

/// Which segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey {
    /// The partition.
    pub partition: PartitionId,
    /// The segment.
    pub base_offset: i64,
    /// Batches or index.
    pub kind: SegmentFile,
}

/// Files open for reading, the ones used lately kept.
#[derive(Debug)]
pub struct ReadFiles {
    storage: Arc<dyn Storage>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    clock: u64,
    files: HashMap<FileKey, (u64, Arc<dyn File>)>,
}

impl ReadFiles {
    /// No file is open yet.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, open: Mutex::default() }
    }

    /// The file, opened when it is not.
    ///
    /// # Errors
    /// As the file system gives them.
    pub fn get(&self, dir: &str, key: FileKey) -> io::Result<Arc<dyn File>> {
        let mut open = self.open.lock();
        open.clock += 1;
        let now = open.clock;
        if let Some((used, file)) = open.files.get_mut(&key) {
            *used = now;
            return Ok(Arc::clone(file));
        }
        let path = segment_file(dir, key.partition.index, key.base_offset, key.kind);
        let file = self.storage.open(&path)?;
        if open.files.len() >= READ_FILES_MAX {
            let oldest = open.files.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                open.files.remove(&oldest);
            }
        }
        open.files.insert(key, (now, Arc::clone(&file)));
        Ok(file)
    }

    /// Lets go of a file that is about to be removed.
    pub fn forget(&self, key: &FileKey) {
        self.open.lock().files.remove(key);
    }

    /// Lets go of the files of topics that are gone.
    pub fn retain(&self, keep: impl Fn(PartitionId) -> bool) {
        self.open.lock().files.retain(|key, _| keep(key.partition));
    }
}
