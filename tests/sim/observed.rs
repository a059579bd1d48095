//! What a reader of the log gets to see, read to the end, and how it compares with the model.
use std::collections::BTreeMap;

use pagi_appliance::broker::store::reader::{ReadError, Reader, Source, locate};
use pagi_appliance::broker::store::view::{Partition, View};
use pagi_appliance::core::log::entry::NewTopic;
use pagi_appliance::core::log::group_metadata::GroupMetadata;
use pagi_appliance::core::log::ids::{PartitionId, TopicId};
use pagi_protocol::kafka::record_batch::BatchHeader;

use crate::model::{Groups, Model, end};
use crate::rng::Rng;

/// Everything a reader can see.
#[derive(Debug)]
pub(crate) struct Observed {
    topics: BTreeMap<TopicId, NewTopic>,
    /// The log start offset, and all records from there.
    pub(crate) records: BTreeMap<PartitionId, (i64, Vec<u8>)>,
    groups: Groups,
    members: BTreeMap<String, GroupMetadata>,
}

/// The high watermarks: what a reader may have seen, without looking at the disk.
pub(crate) fn high_watermarks(view: &View) -> BTreeMap<PartitionId, i64> {
    let topics = view.topics();
    let partitions = topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|partition| (partition.id, partition.log.lock().high_watermark())).collect()
}

impl Observed {
    pub(crate) fn of(view: &View, reader: &Reader, rng: &mut Rng) -> Result<Self, ReadError> {
        let mut records = BTreeMap::new();
        for partition in view.topics().iter().flat_map(|topic| &topic.partitions) {
            let start = partition.log.lock().log_start();
            records.insert(partition.id, (start, read_all(reader, partition, rng)?));
        }
        let topics =
            view.topics().iter().map(|topic| (topic.made.id, topic.made.clone())).collect();
        let committed = view.groups.all_committed().into_iter();
        let groups = committed
            .map(|(group, offsets)| (group, offsets.into_iter().collect()))
            .filter(|(_, offsets): &(_, BTreeMap<_, _>)| !offsets.is_empty())
            .collect();
        let members = view.groups.all_metadata().into_iter();
        let members = members.map(|group| (group.group.clone(), (*group).clone())).collect();
        Ok(Self { topics, records, groups, members })
    }

    /// Where this differs from the model; empty when it does not.
    pub(crate) fn differences(&self, model: &Model) -> Vec<String> {
        let mut found = Vec::new();
        let made: BTreeMap<_, _> =
            model.topics.iter().map(|(id, topic)| (*id, topic.made.clone())).collect();
        if self.topics != made {
            found.push(format!("topics: {:?} instead of {made:?}", self.topics));
        }
        for (id, stored) in model.partitions() {
            let (wanted_start, readable) = model.readable(id).unwrap();
            let wanted: Vec<u8> =
                readable.iter().map(|s| &s.bytes[..]).collect::<Vec<_>>().concat();
            let Some((start, records)) = self.records.get(&id) else { continue };
            if *start != wanted_start {
                found.push(format!("partition {id} starts at {start} instead of {wanted_start}"));
            }
            if *records != wanted {
                let same = records.iter().zip(&wanted).take_while(|(a, b)| a == b).count();
                found.push(format!(
                    "partition {id}: {} bytes instead of {}, up to offset {}; the first {same} \
                     are the same",
                    records.len(),
                    wanted.len(),
                    end(stored),
                ));
            }
        }
        let mut groups = model.groups.clone();
        groups.retain(|_, offsets| !offsets.is_empty());
        if self.groups != groups {
            found.push(format!("groups: {:?} instead of {groups:?}", self.groups));
        }
        if self.members != model.members {
            found.push(format!("members: {:?} instead of {:?}", self.members, model.members));
        }
        found
    }
}

/// All bytes of a partition, in requests of many sizes. Each answer begins with the batch that
/// holds the offset.
pub(crate) fn read_all(
    reader: &Reader,
    partition: &Partition,
    rng: &mut Rng,
) -> Result<Vec<u8>, ReadError> {
    let mut all: Vec<u8> = Vec::new();
    let high_watermark = partition.log.lock().high_watermark();
    let log_start = partition.log.lock().log_start();
    let mut offset = log_start;
    while offset < high_watermark {
        let bytes = read_at(reader, partition, offset, rng.below(9000))?;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let header = BatchHeader::parse(rest).unwrap();
            header.validate_stored(rest).unwrap();
            // Records may be deleted up to the middle of a batch.
            let whole = header.base_offset == offset || offset == log_start;
            assert!(whole && header.base_offset <= offset, "a hole in partition {}", partition.id);
            offset = header.next_offset();
            rest = &rest[header.total_bytes..];
        }
        all.extend(bytes);
    }
    assert_eq!(offset, high_watermark, "partition {}", partition.id);
    if high_watermark > log_start {
        let readable = usize::try_from(high_watermark - log_start).unwrap();
        let any = log_start + i64::try_from(rng.below(readable)).unwrap();
        let bytes = read_at(reader, partition, any, rng.below(9000))?;
        let header = BatchHeader::parse(&bytes).unwrap();
        assert!((header.base_offset..header.next_offset()).contains(&any), "offset {any}");
    }
    Ok(all)
}

fn read_at(
    reader: &Reader,
    partition: &Partition,
    offset: i64,
    bytes_max: usize,
) -> Result<Vec<u8>, ReadError> {
    match locate(partition, offset, bytes_max)? {
        Source::Memory(batches) => Ok(batches.concat()),
        Source::Segment(segment) => {
            Ok(reader.read_segment(partition, &segment, offset, bytes_max)?.to_vec())
        }
    }
}
