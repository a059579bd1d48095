//! Segments whose records are all deleted, on their way from the checkpoint to the disk's free space.
//!
//! **Invariants.** A segment's files are removed only when a checkpoint that does not name it is
//! durable. What a crash leaves behind is found at the first checkpoint after it: by then every
//! file that is somebody's is in the view, for only maintenance makes them.
use std::io;
use std::sync::Arc;

use super::files::{FileKey, ReadFiles};
use super::layout::{SegmentFile, TOPICS, segment_file, segment_file_name};
use super::storage::Storage;
use super::view::{Partition, Topic, View};

/// See the module.
#[derive(Debug, Default)]
pub struct Retired {
    segments: Vec<(Arc<Partition>, i64)>,
    /// Whether what a crash may have left was looked for.
    swept: bool,
}

impl Retired {
    /// Takes the segments that hold only deleted records out of the view: the next checkpoint does
    /// not name them.
    pub fn collect(&mut self, view: &View) {
        for topic in view.topics() {
            for partition in &topic.partitions {
                let pruned = partition.log.lock().prune();
                self.segments.extend(pruned.into_iter().map(|base| (Arc::clone(partition), base)));
            }
        }
    }

    /// Removes their files. A checkpoint without them is durable.
    ///
    /// # Errors
    /// As the file system gives them; it may be called again.
    pub fn remove(
        &mut self,
        storage: &dyn Storage,
        view: &View,
        read_files: &ReadFiles,
    ) -> io::Result<()> {
        while let Some((partition, base_offset)) = self.segments.last() {
            for kind in [SegmentFile::Log, SegmentFile::Index] {
                let (id, base_offset) = (partition.id, *base_offset);
                read_files.forget(&FileKey { partition: id, base_offset, kind });
                storage.remove(&segment_file(&partition.dir, id.index, base_offset, kind))?;
            }
            self.segments.pop();
        }
        if !self.swept {
            view.topics().iter().try_for_each(|topic| sweep(storage, topic))?;
            self.swept = true;
        }
        Ok(())
    }
}

/// Removes the segment files of a topic that are not in the view.
fn sweep(storage: &dyn Storage, topic: &Topic) -> io::Result<()> {
    let Some(dir) = topic.partitions.first().map(|partition| &partition.dir) else { return Ok(()) };
    for name in storage.list(&format!("{TOPICS}/{dir}"))? {
        let Some((index, base_offset)) = segment_file_name(&name) else { continue };
        let partition = i32::try_from(index).ok().and_then(|index| topic.partition(index));
        if partition.is_some_and(|partition| !partition.log.lock().has_segment(base_offset)) {
            storage.remove(&format!("{TOPICS}/{dir}/{name}"))?;
        }
    }
    Ok(())
}
