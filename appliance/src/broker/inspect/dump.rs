//! `log dump`: the records of a data folder, also those that only the write-ahead log has.
use std::io::{self, Write};

use bytes::Bytes;
use pagi_protocol::kafka::record::RecordReader;
use pagi_protocol::kafka::record_batch::batches;
use tracing::warn;

use super::super::store::reader::{ReadError, Source, locate};
use super::super::store::view::{Partition, Topic};
use super::finding::Finding;
use super::line::{self, Format};
use super::picture::Picture;

/// Which records to print, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The topic; all when it is not named.
    pub topic: Option<String>,
    /// The partition; all when it is not named.
    pub partition: Option<u32>,
    /// The first offset.
    pub from: Option<i64>,
    /// The offset behind the last.
    pub until: Option<i64>,
    /// How to print them.
    pub format: Format,
}

const READ_BYTES: usize = 1 << 20;

/// Prints records in the order of topics, partitions and offsets; gives what could not be read.
///
/// # Errors
/// As `out` gives them.
pub fn dump(
    picture: &Picture,
    selection: &Selection,
    out: &mut dyn Write,
) -> io::Result<Vec<Finding>> {
    let mut findings: Vec<Finding> =
        picture.findings.iter().filter(|finding| finding.is_damage()).cloned().collect();
    for topic in picture.view.topics() {
        let name = topic.made.name.as_str();
        if selection.topic.as_ref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        for partition in &topic.partitions {
            if selection.partition.is_none_or(|wanted| wanted == partition.id.index) {
                dump_partition(picture, &topic, partition, selection, out, &mut findings)?;
            }
        }
    }
    Ok(findings)
}

fn dump_partition(
    picture: &Picture,
    topic: &Topic,
    partition: &Partition,
    selection: &Selection,
    out: &mut dyn Write,
    findings: &mut Vec<Finding>,
) -> io::Result<()> {
    let (start, end) = {
        let log = partition.log.lock();
        (log.log_start(), log.high_watermark())
    };
    let end = end.min(selection.until.unwrap_or(i64::MAX));
    let mut offset = start.max(selection.from.unwrap_or_default());
    while offset < end {
        let found = match read(picture, partition, offset) {
            Ok(found) => found,
            Err((error, behind)) => {
                findings.push(unreadable(&error, &partition.dir));
                offset = behind;
                continue;
            }
        };
        for batch in found {
            let Some(Ok((header, batch))) = batches(batch).next() else { break };
            let records = RecordReader::of_batch(&batch).into_iter().flatten();
            for record in records {
                match record {
                    Ok((at, record)) if (offset..end).contains(&at) => {
                        let place = (topic.made.name.as_str(), partition.id.index, at);
                        line::write(out, selection.format, place, &record)?;
                    }
                    Ok(_) => {}
                    Err(error) => warn!(%error, offset = header.base_offset, "not readable"),
                }
            }
            offset = offset.max(header.next_offset());
        }
    }
    Ok(())
}

/// Whole batches from `offset`; else why not, and where to go on behind that segment.
fn read(
    picture: &Picture,
    partition: &Partition,
    offset: i64,
) -> Result<Vec<Bytes>, (ReadError, i64)> {
    let found = match locate(partition, offset, READ_BYTES).map_err(|error| (error, i64::MAX))? {
        Source::Memory(batches) => batches,
        Source::Segment(segment) => {
            let read = picture.reader.read_segment(partition, &segment, offset, READ_BYTES);
            vec![read.map_err(|error| (error, segment.next_offset))?]
        }
    };
    Ok(found.into_iter().flat_map(whole_batches).collect())
}

fn whole_batches(bytes: Bytes) -> impl Iterator<Item = Bytes> {
    batches(bytes).map_while(|batch| batch.ok().map(|(_, batch)| batch))
}

fn unreadable(error: &ReadError, dir: &str) -> Finding {
    match error {
        ReadError::Damaged { path, position, .. } => Finding::damage(path, *position, error),
        ReadError::Io { path, .. } => Finding::damage(path, None, error),
        ReadError::OutOfRange | ReadError::Ended => Finding::damage(dir, None, error),
    }
}
