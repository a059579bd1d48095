//! What the log should hold: a `Vec` per partition, and the rules in their plainest form.
use std::collections::BTreeMap;

use bytes::Bytes;
use pagi_appliance::broker::store::Outcome;
use pagi_appliance::broker::store::writer::{Command, Done};
use pagi_appliance::core::log::entry::{CommittedOffset, NewTopic};
use pagi_appliance::core::log::group_metadata::GroupMetadata;
use pagi_appliance::core::log::ids::{PartitionId, TopicId};
use pagi_appliance::core::log::settings::TopicSettings;
use pagi_appliance::core::log::state::{Placed, Refusal};
use pagi_protocol::TopicName;
use pagi_protocol::kafka::record_batch::{self, BatchHeader};

/// Batches of a producer that a retry may name.
pub(crate) const BATCHES_KEPT: usize = 5;
/// A batch of so many bytes is always too large here; ones of half as many never are.
pub(crate) const TOO_LARGE_BYTES: usize = 16 << 10;

/// What a client asked for.
#[derive(Debug, Clone)]
pub(crate) enum Intent {
    Append { partition: PartitionId, batch: Bytes },
    Create { name: TopicName, partitions: u32, uuid: [u8; 16], settings: TopicSettings },
    SetSettings { name: TopicName, settings: TopicSettings },
    AddPartitions { name: TopicName, partitions: u32 },
    Delete { name: TopicName },
    Commit { group: String, offsets: Vec<(PartitionId, CommittedOffset)> },
    Reserve,
    MoveLogStart { partition: PartitionId, offset: i64 },
    StoreGroup(Box<GroupMetadata>),
    DeleteOffsets { group: String, partitions: Vec<PartitionId> },
    DeleteGroup(String),
}

impl Intent {
    /// Whether a full disk refuses it.
    pub(crate) fn needs_room(&self) -> bool {
        matches!(self, Self::Append { .. } | Self::Create { .. } | Self::AddPartitions { .. })
    }

    pub(crate) fn command(&self) -> Command {
        match self.clone() {
            Self::Append { partition, batch } => Command::Append { partition, batch },
            Self::Create { name, partitions, uuid, settings } => {
                Command::CreateTopic { name, partitions, uuid, settings }
            }
            Self::SetSettings { name, settings } => Command::SetTopicSettings { name, settings },
            Self::AddPartitions { name, partitions } => Command::AddPartitions { name, partitions },
            Self::Delete { name } => Command::DeleteTopic(name),
            Self::Commit { group, offsets } => Command::CommitOffsets { group, offsets },
            Self::Reserve => Command::ReserveProducerIds,
            Self::MoveLogStart { partition, offset } => Command::MoveLogStart { partition, offset },
            Self::StoreGroup(group) => Command::StoreGroup(group),
            Self::DeleteOffsets { group, partitions } => {
                Command::DeleteOffsets { group, partitions }
            }
            Self::DeleteGroup(group) => Command::DeleteGroup(group),
        }
    }
}

/// A batch where it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// As a reader gets it.
    pub(crate) bytes: Bytes,
    pub(crate) header: BatchHeader,
}

impl Stored {
    fn last_sequence(&self) -> i32 {
        self.header.base_sequence + self.header.last_offset_delta
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Topic {
    pub(crate) made: NewTopic,
    /// Everything that was ever stored, for retries of deleted records are known too.
    pub(crate) partitions: Vec<Vec<Stored>>,
    /// The partitions' log start offsets.
    pub(crate) starts: Vec<i64>,
}

pub(crate) type Groups = BTreeMap<String, BTreeMap<PartitionId, CommittedOffset>>;

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) topics: BTreeMap<TopicId, Topic>,
    pub(crate) groups: Groups,
    /// The groups' members.
    pub(crate) members: BTreeMap<String, GroupMetadata>,
    newest_topic: u32,
    producer_ids_end: i64,
}

impl Model {
    /// Carries out what was asked: what should come of it. `really` is what came of it, for the
    /// numbers that the log is free to choose, as long as it never chooses one again.
    pub(crate) fn apply(&mut self, intent: &Intent, really: Option<&Outcome>) -> Outcome {
        match intent {
            Intent::Append { partition, batch } => {
                self.append(*partition, batch).map(Done::Appended)
            }
            Intent::Create { name, partitions, uuid, settings } => {
                let id = match really {
                    Some(Ok(Done::TopicCreated(id))) => *id,
                    _ => TopicId(self.newest_topic + 1),
                };
                self.create(NewTopic {
                    id,
                    uuid: *uuid,
                    name: name.clone(),
                    partitions: *partitions,
                    settings: settings.clone(),
                })
            }
            Intent::SetSettings { name, settings } => self.set_settings(name, settings),
            Intent::AddPartitions { name, partitions } => self.add_partitions(name, *partitions),
            Intent::Delete { name } => {
                let id = self.topic_id(name).ok_or(Refusal::UnknownPartition)?;
                self.topics.remove(&id);
                self.groups.values_mut().for_each(|offsets| offsets.retain(|p, _| p.topic != id));
                Ok(Done::TopicDeleted)
            }
            Intent::Commit { group, offsets } => {
                for (partition, offset) in offsets {
                    if self.partition(*partition).is_some() {
                        let group = self.groups.entry(group.clone()).or_default();
                        group.insert(*partition, offset.clone());
                    }
                }
                Ok(Done::OffsetsCommitted)
            }
            Intent::StoreGroup(group) => {
                self.members.insert(group.group.clone(), (**group).clone());
                Ok(Done::GroupStored)
            }
            Intent::DeleteOffsets { group, partitions } => {
                if let Some(offsets) = self.groups.get_mut(group) {
                    offsets.retain(|partition, _| !partitions.contains(partition));
                }
                Ok(Done::OffsetsDeleted)
            }
            Intent::DeleteGroup(group) => {
                self.groups.remove(group);
                self.members.remove(group);
                Ok(Done::GroupDeleted)
            }
            Intent::Reserve => {
                let mut first = self.producer_ids_end.max(1);
                if let Some(Ok(Done::ProducerIds { first: really, .. })) = really {
                    assert!(*really >= first, "producer id {really} was given out before");
                    first = *really;
                }
                self.producer_ids_end = first + 1000;
                Ok(Done::ProducerIds { first, end: first + 1000 })
            }
            Intent::MoveLogStart { partition, offset } => {
                let stored = self.partition(*partition).ok_or(Refusal::UnknownPartition)?;
                if *offset > end(stored) {
                    return Err(Refusal::OffsetOutOfRange);
                }
                let topic = self.topics.get_mut(&partition.topic).unwrap();
                let start = &mut topic.starts[usize::try_from(partition.index).unwrap()];
                *start = (*start).max(*offset);
                Ok(Done::LogStartMoved)
            }
        }
    }

    fn create(&mut self, made: NewTopic) -> Outcome {
        if self.topic_id(&made.name).is_some() {
            return Err(Refusal::TopicExists);
        }
        if made.partitions == 0 {
            return Err(Refusal::PartitionCount);
        }
        let id = made.id;
        assert!(id.0 > self.newest_topic, "topic number {} was given out before", id.0);
        self.newest_topic = id.0;
        let count = usize::try_from(made.partitions).unwrap();
        let (partitions, starts) = (vec![Vec::new(); count], vec![0; count]);
        self.topics.insert(id, Topic { made, partitions, starts });
        Ok(Done::TopicCreated(id))
    }

    fn set_settings(&mut self, name: &TopicName, settings: &TopicSettings) -> Outcome {
        let id = self.topic_id(name).ok_or(Refusal::UnknownPartition)?;
        self.topics.get_mut(&id).unwrap().made.settings = settings.clone();
        Ok(Done::TopicChanged)
    }

    fn add_partitions(&mut self, name: &TopicName, partitions: u32) -> Outcome {
        let id = self.topic_id(name).ok_or(Refusal::UnknownPartition)?;
        let topic = self.topics.get_mut(&id).unwrap();
        if partitions <= topic.made.partitions {
            return Err(Refusal::PartitionCount);
        }
        topic.made.partitions = partitions;
        topic.partitions.resize(usize::try_from(partitions).unwrap(), Vec::new());
        topic.starts.resize(usize::try_from(partitions).unwrap(), 0);
        Ok(Done::TopicChanged)
    }

    fn append(&mut self, partition: PartitionId, batch: &Bytes) -> Result<Placed, Refusal> {
        if batch.len() >= TOO_LARGE_BYTES {
            return Err(Refusal::BatchTooLarge);
        }
        let header = BatchHeader::parse(batch).unwrap();
        let stored = self.partition(partition).ok_or(Refusal::UnknownPartition)?;
        if let Some(base_offset) = judge(stored, &header)? {
            return Ok(Placed::Duplicate { base_offset });
        }
        let base_offset = end(stored);
        let mut bytes = batch.to_vec();
        record_batch::assign(&mut bytes, base_offset, 0);
        let header = BatchHeader::parse(&bytes).unwrap();
        self.partition_mut(partition).unwrap().push(Stored { bytes: bytes.into(), header });
        Ok(Placed::New { base_offset })
    }

    pub(crate) fn topic_id(&self, name: &TopicName) -> Option<TopicId> {
        self.topics.values().find(|topic| topic.made.name == *name).map(|topic| topic.made.id)
    }

    pub(crate) fn partition(&self, id: PartitionId) -> Option<&Vec<Stored>> {
        self.topics.get(&id.topic)?.partitions.get(usize::try_from(id.index).unwrap())
    }

    fn partition_mut(&mut self, id: PartitionId) -> Option<&mut Vec<Stored>> {
        self.topics.get_mut(&id.topic)?.partitions.get_mut(usize::try_from(id.index).unwrap())
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = (PartitionId, &Vec<Stored>)> {
        self.topics.iter().flat_map(|(id, topic)| {
            let id = |index| PartitionId { topic: *id, index };
            (0..).map(id).zip(&topic.partitions)
        })
    }

    /// The partition's log start offset, and what readers get from there.
    pub(crate) fn readable(&self, id: PartitionId) -> Option<(i64, Vec<&Stored>)> {
        let index = usize::try_from(id.index).unwrap();
        let start = *self.topics.get(&id.topic)?.starts.get(index)?;
        let stored = self.partition(id)?.iter();
        Some((start, stored.filter(|s| s.header.next_offset() > start).collect()))
    }

    /// What a retry of the last batches of every producer says: the offsets of the first time.
    pub(crate) fn retries(&self) -> Vec<Intent> {
        let mut retries = Vec::new();
        for (partition, stored) in self.partitions() {
            for id in 0..4 {
                let of_producer = stored.iter().rev().filter(|s| s.header.producer_id == id);
                retries.extend(
                    of_producer
                        .take(BATCHES_KEPT)
                        .map(|stored| Intent::Append { partition, batch: stored.bytes.clone() }),
                );
            }
        }
        retries
    }
}

/// The offset behind the last record.
pub(crate) fn end(stored: &[Stored]) -> i64 {
    stored.last().map_or(0, |stored| stored.header.next_offset())
}

/// The offset of a batch that is there already; `None` for one to append.
fn judge(stored: &[Stored], batch: &BatchHeader) -> Result<Option<i64>, Refusal> {
    let mine = stored.iter().filter(|s| s.header.producer_id == batch.producer_id);
    let Some(last) = mine.clone().last().filter(|_| batch.producer_id >= 0) else {
        return Ok(None);
    };
    if batch.producer_epoch < last.header.producer_epoch {
        return Err(Refusal::ProducerFenced);
    }
    if batch.producer_epoch > last.header.producer_epoch {
        return if batch.base_sequence == 0 { Ok(None) } else { Err(Refusal::OutOfOrderSequence) };
    }
    let mut recent: Vec<_> =
        mine.filter(|s| s.header.producer_epoch == batch.producer_epoch).collect();
    recent.drain(..recent.len().saturating_sub(BATCHES_KEPT));
    let last_sequence = batch.base_sequence + batch.last_offset_delta;
    for stored in &recent {
        if (stored.header.base_sequence, stored.last_sequence())
            == (batch.base_sequence, last_sequence)
        {
            return Ok(Some(stored.header.base_offset));
        }
    }
    if batch.base_sequence == last.last_sequence() + 1 {
        return Ok(None);
    }
    if last_sequence < recent[0].header.base_sequence {
        return Err(Refusal::DuplicateSequence);
    }
    Err(Refusal::OutOfOrderSequence)
}
