//! `log verify`: everything in a data folder that has a checksum or a rule is checked.
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::super::store::layout::{
    TOPICS, WAL, is_topic_dir, is_unfinished, segment_file_name, topic_dir_name,
};
use super::super::store::storage::Storage;
use super::finding::Finding;
use super::picture::Picture;
use super::segment::{self, Counted};
use crate::core::log::checkpoint::{Checkpoint, FORMAT, PartitionFiles};

/// What there is, and what is wrong with it.
#[derive(Debug)]
pub struct Report {
    summary: Summary,
    /// In the order of the folder.
    pub findings: Vec<Finding>,
}

#[derive(Debug, Default)]
struct Summary {
    round: u64,
    topics: usize,
    partitions: usize,
    groups: usize,
    segments: u64,
    in_segments: Counted,
    wal_files: usize,
    wal_rounds: u64,
    wal_bytes: u64,
    wal_batches: u64,
}

/// Checks a folder, whose picture this is.
///
/// # Errors
/// As the file system gives them.
pub fn verify(storage: &Arc<dyn Storage>, picture: &Picture) -> io::Result<Report> {
    let checkpoint = &picture.checkpoint;
    let mut summary = Summary {
        round: checkpoint.sequence.0,
        topics: checkpoint.state.topics().count(),
        groups: checkpoint.offsets.len(),
        wal_files: picture.wal_files.len(),
        wal_batches: picture.wal_batches,
        ..Summary::default()
    };
    if let Some(replayed) = &picture.replayed {
        (summary.wal_rounds, summary.wal_bytes) = (replayed.rounds, replayed.bytes);
    }
    let mut findings = picture.findings.clone();
    for files in &checkpoint.files {
        summary.partitions += 1;
        check_partition(&**storage, checkpoint, files, &mut summary, &mut findings)?;
    }
    find_leftovers(&**storage, checkpoint, &mut findings)?;
    Ok(Report { summary, findings })
}

fn check_partition(
    storage: &dyn Storage,
    checkpoint: &Checkpoint,
    files: &PartitionFiles,
    summary: &mut Summary,
    findings: &mut Vec<Finding>,
) -> io::Result<()> {
    let PartitionFiles { partition, log_start, segments } = files;
    let wrong = |what: String| Finding::damage("checkpoint", None, what);
    let topic = checkpoint.state.topics().find(|topic| topic.made.id == partition.topic);
    let (Some(topic), Some(end)) = (topic, checkpoint.state.next_offset(*partition)) else {
        findings
            .push(wrong(format!("it names files of partition {partition}, which is not there")));
        return Ok(());
    };
    let dir = topic_dir_name(&topic.made);
    let mut expected = None;
    for segment in segments {
        if expected.is_some_and(|expected| expected != segment.base_offset) {
            let base = segment.base_offset;
            findings.push(wrong(format!("{dir}/{}: a hole before offset {base}", partition.index)));
        }
        expected = Some(segment.next_offset);
        let counted = segment::check(storage, (&dir, partition.index), segment, findings)?;
        summary.segments += 1;
        summary.in_segments.batches += counted.batches;
        summary.in_segments.records += counted.records;
        summary.in_segments.bytes += counted.bytes;
    }
    let first = segments.first().map_or(end, |first| first.base_offset);
    let sound = expected.unwrap_or(end) == end && (first..=end).contains(log_start);
    if !sound {
        findings.push(wrong(format!(
            "{dir}/{}: its segments hold offsets {first} to {}, its records are {log_start} to {end}",
            partition.index,
            expected.unwrap_or(first),
        )));
    }
    Ok(())
}

/// Files that nobody names: a crash left them behind, and the next start or checkpoint removes them.
fn find_leftovers(
    storage: &dyn Storage,
    checkpoint: &Checkpoint,
    findings: &mut Vec<Finding>,
) -> io::Result<()> {
    let unnamed = "no checkpoint names it; the next one removes it";
    for name in storage.list(WAL)?.iter().filter(|name| is_unfinished(name)) {
        let path = format!("{WAL}/{name}");
        findings.push(Finding::leftover(&path, None, "it was being made; a start removes it"));
    }
    let dirs: BTreeSet<String> =
        checkpoint.state.topics().map(|topic| topic_dir_name(&topic.made)).collect();
    for dir in storage.list(TOPICS)?.iter().filter(|dir| is_topic_dir(dir)) {
        if !dirs.contains(dir) {
            findings.push(Finding::leftover(&format!("{TOPICS}/{dir}"), None, unnamed));
        }
    }
    for topic in checkpoint.state.topics() {
        let dir = topic_dir_name(&topic.made);
        for name in storage.list(&format!("{TOPICS}/{dir}"))? {
            let Some((index, base_offset)) = segment_file_name(&name) else { continue };
            let named = checkpoint.files.iter().any(|files| {
                (files.partition.topic, files.partition.index) == (topic.made.id, index)
                    && files.segments.iter().any(|segment| segment.base_offset == base_offset)
            });
            if !named {
                findings.push(Finding::leftover(&format!("{TOPICS}/{dir}/{name}"), None, unnamed));
            }
        }
    }
    Ok(())
}

impl Report {
    /// How many findings are damage.
    #[must_use]
    pub fn damages(&self) -> usize {
        self.findings.iter().filter(|finding| finding.is_damage()).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { round, topics, partitions, groups, .. } = self.summary;
        let Summary { segments, in_segments, .. } = self.summary;
        let Summary { wal_files, wal_rounds, wal_bytes, wal_batches, .. } = self.summary;
        writeln!(
            f,
            "checkpoint       format {FORMAT}, up to round {round}: {topics} topics, {partitions} \
             partitions with files, {groups} groups"
        )?;
        let Counted { batches, records, bytes } = in_segments;
        writeln!(
            f,
            "segments         {segments}: {batches} batches, {records} records, {bytes} bytes"
        )?;
        writeln!(
            f,
            "write-ahead log  {wal_files} files: {wal_rounds} rounds behind the checkpoint, \
             {wal_bytes} bytes, {wal_batches} batches"
        )?;
        self.findings.iter().try_for_each(|finding| writeln!(f, "{finding}"))?;
        match self.damages() {
            0 => writeln!(f, "no damage"),
            1 => writeln!(f, "1 place is damaged"),
            many => writeln!(f, "{many} places are damaged"),
        }
    }
}
