//! Behind the acknowledgements: brings durable records from the write-ahead log's memory into
//! segment files, writes checkpoints, and makes room in the write-ahead log.
//!
//! **Invariants.** A file of the write-ahead log is free only after a checkpoint that holds
//! everything in it is durable: segments synced, then the checkpoint written beside, synced,
//! renamed, and its folder synced. A segment is removed only after a checkpoint without it is
//! durable.
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::files::{FileKey, ReadFiles};
use super::layout::{
    CHECKPOINT, CHECKPOINT_NEW, SegmentFile, TOPICS, is_topic_dir, segment_file, topic_dir_name,
};
use super::retired::Retired;
use super::sizes::Sizes;
use super::storage::{File, Storage};
use super::view::{Partition, View};
use super::wal::Ring;
use super::writer::Snapshot;
use crate::core::log::checkpoint::{Checkpoint, PartitionFiles};
use crate::core::log::ids::{PartitionId, Salt};
use crate::core::log::partition::{Roll, SegmentWrite};

/// See the module.
#[derive(Debug)]
pub struct Maintenance {
    storage: Arc<dyn Storage>,
    view: Arc<View>,
    ring: Arc<Ring>,
    read_files: Arc<ReadFiles>,
    identity: Identity,
    sizes: Sizes,
    unsynced: BTreeMap<FileKey, Arc<dyn File>>,
    /// Of batches in those.
    unsynced_bytes: u64,
    unsynced_dirs: BTreeSet<Arc<str>>,
    retired: Retired,
}

/// What makes a data folder itself.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// The cluster's id, as clients see it.
    pub cluster_id: [u8; 16],
    /// The folder's random number.
    pub salt: Salt,
}

impl Maintenance {
    /// Nothing is under way.
    #[must_use]
    pub fn new(
        storage: Arc<dyn Storage>,
        view: Arc<View>,
        ring: Arc<Ring>,
        read_files: Arc<ReadFiles>,
        identity: Identity,
        sizes: Sizes,
    ) -> Self {
        Self {
            storage,
            view,
            ring,
            read_files,
            identity,
            sizes,
            unsynced: BTreeMap::new(),
            unsynced_bytes: 0,
            unsynced_dirs: BTreeSet::new(),
            retired: Retired::default(),
        }
    }

    /// Writes all tails to segment files; syncs nothing that need not be.
    ///
    /// # Errors
    /// As the file system gives them. After [`io::ErrorKind::StorageFull`] nothing is lost and
    /// this may be called again; after any other error the process must end.
    pub fn flush(&mut self) -> io::Result<()> {
        self.flush_below(|_| i64::MAX)
    }

    /// Makes everything up to `snapshot` independent of the write-ahead log.
    ///
    /// # Errors
    /// As for [`Maintenance::flush`].
    pub fn checkpoint(&mut self, snapshot: Snapshot) -> io::Result<()> {
        let state = &snapshot.state;
        self.flush_below(|partition| state.next_offset(partition).unwrap_or(0))?;
        self.sync()?;
        self.retired.collect(&self.view);
        let files = self.partition_files(&snapshot);
        let Identity { cluster_id, salt } = self.identity;
        let Snapshot { sequence, position, state, offsets, groups } = snapshot;
        let wal_files = self.ring.files();
        let checkpoint = Checkpoint {
            cluster_id,
            salt,
            sequence,
            position,
            wal_files,
            state,
            files,
            offsets,
            groups,
        };
        write_checkpoint(&*self.storage, &checkpoint)?;
        self.ring.recycle(sequence);
        self.retired.remove(&*self.storage, &self.view, &self.read_files)?;
        self.remove_deleted(&checkpoint)
    }

    /// Makes another file for the write-ahead log when it needs one. Whether it did.
    ///
    /// # Errors
    /// As for [`Maintenance::flush`].
    pub fn extend_wal(&self) -> io::Result<bool> {
        self.ring.extend(&*self.storage)
    }

    fn flush_below(&mut self, limit: impl Fn(PartitionId) -> i64) -> io::Result<()> {
        let mut partitions = self.view.take_dirty().into_iter();
        while let Some(partition) = partitions.next() {
            match self.flush_partition(&partition, limit(partition.id)) {
                Ok(true) => {}
                Ok(false) => self.view.put_dirty(partition),
                Err(error) => {
                    self.view.put_dirty(partition);
                    partitions.for_each(|partition| self.view.put_dirty(partition));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Writes a tail; whether all of it was.
    fn flush_partition(&mut self, partition: &Partition, limit: i64) -> io::Result<bool> {
        if partition.is_deleted() {
            return Ok(true);
        }
        let writes = partition.log.lock().plan_flush(limit, self.roll(partition));
        for write in &writes {
            self.write_segment(partition, write)?;
        }
        let mut log = partition.log.lock();
        self.view.note_flushed(log.flushed(&writes));
        // Looked at under the same lock: whoever appends to an empty tail notes it as not empty.
        Ok(log.tail().next().is_none())
    }

    fn roll(&self, partition: &Partition) -> Roll {
        let topic = self.view.topic_by_id(partition.id.topic);
        let settings = topic.map(|topic| topic.made.settings.clone()).unwrap_or_default();
        settings.roll(self.sizes.segment_bytes)
    }

    fn write_segment(&mut self, partition: &Partition, write: &SegmentWrite) -> io::Result<()> {
        let before = &write.before;
        if before.log_bytes == 0 {
            self.storage.create_dir(&format!("{TOPICS}/{}", partition.dir))?;
            self.unsynced_dirs.insert(Arc::clone(&partition.dir));
        }
        let mut at = before.log_bytes;
        for piece in pieces(&write.batches, self.sizes.unsynced_bytes_max) {
            if self.unsynced_bytes >= self.unsynced_bytes_max() {
                self.sync_files()?;
            }
            let log = self.open(partition, before.base_offset, SegmentFile::Log)?;
            log.write(at, piece)?;
            let bytes: u64 = piece.iter().map(|batch| batch.len() as u64).sum();
            at += bytes;
            self.unsynced_bytes += bytes;
        }
        if !write.index.is_empty() {
            let index = self.open(partition, before.base_offset, SegmentFile::Index)?;
            index.write(before.index_bytes, std::slice::from_ref(&write.index))?;
        }
        Ok(())
    }

    /// Each file is a call and a commit of the file system's journal, whatever is in it.
    fn unsynced_bytes_max(&self) -> u64 {
        let logs = self.unsynced.keys().filter(|key| key.kind == SegmentFile::Log).count();
        self.sizes.unsynced_bytes_max.saturating_mul(logs.max(1) as u64)
    }

    /// The file, opened for writing and noted as not synced.
    fn open(
        &mut self,
        partition: &Partition,
        base_offset: i64,
        kind: SegmentFile,
    ) -> io::Result<Arc<dyn File>> {
        let key = FileKey { partition: partition.id, base_offset, kind };
        if let Some(file) = self.unsynced.get(&key) {
            return Ok(Arc::clone(file));
        }
        if self.unsynced.len() >= self.sizes.unsynced_files_max {
            self.sync_files()?;
        }
        let path = segment_file(&partition.dir, partition.id.index, base_offset, kind);
        let file = self.storage.create(&path)?;
        self.unsynced_dirs.insert(Arc::clone(&partition.dir));
        self.unsynced.insert(key, Arc::clone(&file));
        Ok(file)
    }

    /// Makes what was written to segments durable, and the names of new ones.
    fn sync(&mut self) -> io::Result<()> {
        self.sync_files()?;
        if self.unsynced_dirs.is_empty() {
            return Ok(());
        }
        while let Some(dir) = self.unsynced_dirs.pop_first() {
            match self.storage.sync_dir(&format!("{TOPICS}/{dir}")) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                synced => synced.map_err(sync_failed)?,
            }
        }
        self.storage.sync_dir(TOPICS).map_err(sync_failed)
    }

    fn sync_files(&mut self) -> io::Result<()> {
        self.unsynced_bytes = 0;
        let files: Vec<_> = std::mem::take(&mut self.unsynced).into_values().collect();
        self.storage.sync_all(&files).map_err(sync_failed)
    }

    /// The partitions with files, as they are at the snapshot: nothing was flushed beyond it, and
    /// a log start that was moved since goes no further than its end.
    fn partition_files(&self, snapshot: &Snapshot) -> Vec<PartitionFiles> {
        let mut files = Vec::new();
        for topic in snapshot.state.topics() {
            let Some(topic) = self.view.topic_by_id(topic.made.id) else { continue };
            for partition in &topic.partitions {
                let end = snapshot.state.next_offset(partition.id).unwrap_or(0);
                let log = partition.log.lock();
                let (log_start, segments) = (log.log_start().min(end), log.segments().to_vec());
                if !segments.is_empty() || log_start > 0 {
                    files.push(PartitionFiles { partition: partition.id, log_start, segments });
                }
            }
        }
        files
    }

    /// Removes the folders of topics that the checkpoint no longer knows.
    fn remove_deleted(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let mut keep: HashSet<String> =
            checkpoint.state.topics().map(|topic| topic_dir_name(&topic.made)).collect();
        keep.extend(self.view.topics().iter().map(|topic| topic_dir_name(&topic.made)));
        let mut gone = self.storage.list(TOPICS)?;
        gone.retain(|dir| is_topic_dir(dir) && !keep.contains(dir));
        for dir in &gone {
            self.storage.remove_dir(&format!("{TOPICS}/{dir}"))?;
        }
        if !gone.is_empty() {
            self.read_files.retain(|partition| self.view.topic_by_id(partition.topic).is_some());
        }
        Ok(())
    }
}

/// Cuts what is to be written into pieces of at most so many bytes, or of one batch.
fn pieces(mut batches: &[Bytes], bytes_max: u64) -> impl Iterator<Item = &[Bytes]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |batch: &&Bytes| {
            bytes += batch.len() as u64;
            bytes <= bytes_max
        };
        let count = batches.iter().take_while(fits).count().max(1);
        let (piece, rest) = batches.split_at_checked(count)?;
        batches = rest;
        Some(piece)
    })
}

/// Puts a checkpoint in place of the last one, so that one of the two is there whatever happens.
///
/// # Errors
/// As the file system gives them.
pub fn write_checkpoint(storage: &dyn Storage, checkpoint: &Checkpoint) -> io::Result<()> {
    let file = storage.create(CHECKPOINT_NEW)?;
    let bytes = checkpoint.encode();
    file.set_len(bytes.len() as u64)?;
    file.write(0, &[bytes])?;
    file.sync().map_err(sync_failed)?;
    storage.rename(CHECKPOINT_NEW, CHECKPOINT)?;
    storage.sync_dir("").map_err(sync_failed)
}

/// A sync that failed is never tried again, whatever the reason: not even a full disk, which a
/// caller would otherwise wait for.
fn sync_failed(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("sync failed: {error}"))
}
