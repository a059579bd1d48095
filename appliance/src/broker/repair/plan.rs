//! What a repair has to do, what it cannot save, and doing it.
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::super::inspect::finding::Finding;
use super::super::inspect::picture::Picture;
use super::super::inspect::segment;
use super::super::inspect::verify::verify;
use super::super::store::layout::{CHECKPOINT, WAL, topic_dir_name};
use super::super::store::open::OpenError;
use super::super::store::sizes::Sizes;
use super::super::store::storage::Storage;
use super::loss::{Loss, Lost};
use super::mend::{MendError, mend};
use super::rounds::{Place, find};
use super::segments::{Target, losses, rebuild};
use super::swap::{clear, commit, next_number, repaired, report};
use super::wal_writer::WalWriter;
use crate::core::log::checkpoint::{Checkpoint, WalFileSize, WalPosition};
use crate::core::log::ids::{PartitionId, Sequence};
use crate::core::log::round::BLOCK_BYTES;

/// Why a folder could not be repaired. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// There is no way to look into it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Nothing tells what belongs where.
    #[error(
        "the checkpoint itself is damaged, which says what the other files are: {0}. Restore the \
         data folder from a copy"
    )]
    Checkpoint(String),
    /// The write-ahead log cannot be mended.
    #[error("the write-ahead log could not be mended: {0}")]
    Mend(#[from] MendError),
}

/// See the module.
#[derive(Debug)]
pub struct Plan {
    /// What is damaged.
    pub findings: Vec<Finding>,
    /// What a repair loses.
    pub losses: Vec<Loss>,
    picture: Picture,
    segments: Vec<(PartitionId, i64)>,
    rounds: Option<BTreeMap<Sequence, Place>>,
    now_ms: i64,
}

/// Looks at everything; changes nothing. None where there is no checkpoint. `now_ms` is the time in
/// milliseconds since 1970.
///
/// # Errors
/// [`RepairError`].
pub fn plan(storage: &Arc<dyn Storage>, now_ms: i64) -> Result<Option<Plan>, RepairError> {
    let picture = match Picture::of(storage) {
        Ok(picture) => picture,
        Err(OpenError::Checkpoint(error)) => {
            return Err(RepairError::Checkpoint(error.to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    let Some(picture) = picture else { return Ok(None) };
    let mut findings = verify(storage, &picture)?.findings;
    findings.retain(Finding::is_damage);
    if let Some(finding) = findings.iter().find(|finding| finding.path == CHECKPOINT) {
        return Err(RepairError::Checkpoint(finding.what.clone()));
    }
    let mut plan =
        Plan { findings, losses: Vec::new(), picture, segments: Vec::new(), rounds: None, now_ms };
    plan.look_at_wal()?;
    plan.look_at_segments(&**storage)?;
    Ok(Some(plan))
}

impl Plan {
    fn look_at_wal(&mut self) -> Result<(), RepairError> {
        let in_wal = |finding: &&Finding| finding.path.starts_with(WAL);
        let mut in_wal = self.findings.iter().filter(in_wal).peekable();
        if in_wal.peek().is_none() {
            return Ok(());
        }
        let Checkpoint { salt, sequence, .. } = self.picture.checkpoint;
        let found = find(&self.picture.wal_files, salt, sequence);
        // A file as a whole: nobody knows what it had.
        if let Some(finding) = in_wal.find(|finding| finding.offset.is_none()) {
            let behind = found.keys().last().map_or(sequence.0, |last| last.0);
            let place = Some((finding.path.clone(), 0));
            let lost = Lost::End { behind };
            self.losses.push(Loss { lost, place, why: finding.what.clone() });
        }
        let Picture { checkpoint, wal_files, .. } = &self.picture;
        self.losses.extend(mend(checkpoint, wal_files, &found, self.now_ms, &mut |_| Ok(()))?);
        self.rounds = Some(found);
        Ok(())
    }

    fn look_at_segments(&mut self, storage: &dyn Storage) -> Result<(), RepairError> {
        let damaged: BTreeSet<&str> = self.findings.iter().map(|f| f.path.as_str()).collect();
        for files in &self.picture.checkpoint.files {
            let Some((topic, dir)) = name_and_dir(&self.picture.checkpoint, files.partition) else {
                continue;
            };
            for segment in &files.segments {
                let paths = segment::paths(&dir, files.partition.index, segment);
                if !paths.iter().any(|path| damaged.contains(path.as_str())) {
                    continue;
                }
                let (partition, log_start) = (files.partition.index, files.log_start);
                let target = Target { topic: &topic, dir: &dir, partition, log_start, segment };
                self.losses.extend(losses(storage, target)?);
                self.segments.push((files.partition, segment.base_offset));
            }
        }
        Ok(())
    }

    /// Carries it out; gives the name of the file that tells what was lost.
    ///
    /// # Errors
    /// [`RepairError`]: the folder is as it was, or a repair goes on where this one ended.
    pub fn carry_out(&self, storage: &dyn Storage, sizes: &Sizes) -> Result<String, RepairError> {
        clear(storage)?;
        let number = next_number(storage)?;
        let prepared = self.prepare(storage, sizes, number);
        if prepared.is_err() {
            // What was written so far would keep a full disk full.
            clear(storage)?;
        }
        prepared?;
        commit(storage, number)?;
        Ok(report(number))
    }

    fn prepare(
        &self,
        storage: &dyn Storage,
        sizes: &Sizes,
        number: u32,
    ) -> Result<(), RepairError> {
        let mut lines = BytesMut::new();
        for loss in &self.losses {
            lines.extend_from_slice(loss.to_json().to_string().as_bytes());
            lines.extend_from_slice(b"\n");
        }
        write_file(storage, &report(number), lines.freeze())?;
        let mut checkpoint = self.picture.checkpoint.clone();
        self.rebuild_segments(storage, &mut checkpoint)?;
        self.mend_wal(storage, sizes, &mut checkpoint)?;
        write_file(storage, &repaired(CHECKPOINT), checkpoint.encode())?;
        Ok(())
    }

    fn rebuild_segments(
        &self,
        storage: &dyn Storage,
        checkpoint: &mut Checkpoint,
    ) -> Result<(), RepairError> {
        let mut all = std::mem::take(&mut checkpoint.files);
        for files in &mut all {
            let Some((topic, dir)) = name_and_dir(checkpoint, files.partition) else { continue };
            let (partition, log_start) = (files.partition.index, files.log_start);
            for segment in &mut files.segments {
                if self.segments.contains(&(files.partition, segment.base_offset)) {
                    let target = Target { topic: &topic, dir: &dir, partition, log_start, segment };
                    *segment = rebuild(storage, target)?;
                }
            }
        }
        checkpoint.files = all;
        Ok(())
    }

    fn mend_wal(
        &self,
        storage: &dyn Storage,
        sizes: &Sizes,
        checkpoint: &mut Checkpoint,
    ) -> Result<(), RepairError> {
        let Some(found) = &self.rounds else { return Ok(()) };
        let files = &self.picture.wal_files;
        let there = files.iter().map(|file| (file.number, file.bytes));
        let named = checkpoint.wal_files.iter().map(|file| (file.number, file.bytes));
        let all = there.chain(named);
        let (number, bytes) = all.fold((0, sizes.wal_first_file_bytes), |(number, bytes), file| {
            (number.max(file.0), bytes.max(file.1))
        });
        // Room for what stands for the lost rounds, so that there are no more files than before.
        let bytes = bytes.saturating_add(sizes.round_bytes_max as u64);
        let bytes = bytes.next_multiple_of(BLOCK_BYTES as u64);
        let first = WalFileSize { number: number.saturating_add(1), bytes };
        storage.create_dir(WAL)?;
        let Checkpoint { salt, sequence, .. } = *checkpoint;
        let mut writer = WalWriter::new(storage, salt, sequence, sizes.round_bytes_max, first);
        mend(checkpoint, files, found, self.now_ms, &mut |entries| writer.write(entries))?;
        checkpoint.wal_files = writer.finish()?;
        checkpoint.position = WalPosition { file: first.number, offset: 0 };
        Ok(())
    }
}

fn name_and_dir(checkpoint: &Checkpoint, partition: PartitionId) -> Option<(String, String)> {
    let topic = checkpoint.state.topics().find(|topic| topic.made.id == partition.topic)?;
    Some((topic.made.name.as_str().to_owned(), topic_dir_name(&topic.made)))
}

fn write_file(storage: &dyn Storage, path: &str, bytes: Bytes) -> io::Result<()> {
    let file = storage.create(path)?;
    file.set_len(bytes.len() as u64)?;
    file.write(0, &[bytes])?;
    file.sync()?;
    storage.sync_dir("")
}
