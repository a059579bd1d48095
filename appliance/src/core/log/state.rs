//! What the log has promised so far: topics, the end of each partition, producers.
//!
//! It leads: a command that is accepted here is in the next round, and is acknowledged when that
//! round is durable. Replaying the entries of all rounds gives the same state.
//!
//! **Invariants.** Offsets of a partition are given out in order, without a gap, and once.
//! Numbers of topics are given out once.
use std::collections::{BTreeMap, HashMap};

use bytes::{BufMut, BytesMut};
use pagi_protocol::TopicName;
use pagi_protocol::kafka::record_batch::BatchHeader;

use super::bytes_codec::{CodecError, Reader, len_u32};
use super::entry::{Entry, NewTopic};
use super::ids::{PartitionId, TopicId};
use super::producers::{ActiveProducer, Producers, Stamp, Verdict};
use super::settings::TopicSettings;
use crate::limits::{PARTITIONS_MAX, PARTITIONS_PER_TOPIC_MAX, PRODUCER_ID_BLOCK, TOPICS_MAX};

/// Why a command is not taken. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such topic or partition.
    #[error("there is no such topic or partition")]
    UnknownPartition,
    /// A topic of this name exists.
    #[error("a topic of this name exists")]
    TopicExists,
    /// A topic has at least one partition, and at most [`PARTITIONS_PER_TOPIC_MAX`].
    #[error("a topic has 1 to {PARTITIONS_PER_TOPIC_MAX} partitions")]
    PartitionCount,
    /// The log has as many topics or partitions as it may have.
    #[error("the log is limited to {TOPICS_MAX} topics and {PARTITIONS_MAX} partitions")]
    TooMany,
    /// The batch is larger than the log takes.
    #[error("the record batch is too large")]
    BatchTooLarge,
    /// Records of this producer are missing before this batch.
    #[error("records of this producer are missing before this batch")]
    OutOfOrderSequence,
    /// The batch is stored, at an offset that is no longer known.
    #[error("the batch was stored before")]
    DuplicateSequence,
    /// A newer incarnation of this producer exists.
    #[error("a newer incarnation of this producer exists")]
    ProducerFenced,
    /// The disk is full, or nearly.
    #[error("the disk is full")]
    StorageFull,
    /// There is no such offset yet.
    #[error("the offset is behind the high watermark")]
    OffsetOutOfRange,
}

/// Where an accepted batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// It goes to this offset, with the next round.
    New {
        /// The offset of its first record.
        base_offset: i64,
    },
    /// It is there already.
    Duplicate {
        /// The offset of its first record.
        base_offset: i64,
    },
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    topics: BTreeMap<TopicId, Topic>,
    by_name: HashMap<TopicName, TopicId>,
    next_topic: TopicId,
    next_producer_id: i64,
}

/// A topic and the ends of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// What it was made with.
    pub made: NewTopic,
    partitions: Vec<PartitionEnd>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct PartitionEnd {
    next_offset: i64,
    producers: Producers,
}

impl Default for LogState {
    fn default() -> Self {
        Self {
            topics: BTreeMap::new(),
            by_name: HashMap::new(),
            next_topic: TopicId(1),
            next_producer_id: 1,
        }
    }
}

impl LogState {
    /// Gives a checked batch its place, or says why not.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was changed.
    pub fn place(
        &mut self,
        partition: PartitionId,
        batch: &BatchHeader,
        now_ms: i64,
    ) -> Result<Placed, Refusal> {
        let end = self.end_mut(partition).ok_or(Refusal::UnknownPartition)?;
        let stamp = stamp(batch);
        if let Some(stamp) = stamp {
            match end.producers.judge(stamp) {
                Verdict::Append => {}
                Verdict::Duplicate { base_offset } => return Ok(Placed::Duplicate { base_offset }),
                Verdict::OutOfOrder => return Err(Refusal::OutOfOrderSequence),
                Verdict::OldDuplicate => return Err(Refusal::DuplicateSequence),
                Verdict::Fenced => return Err(Refusal::ProducerFenced),
            }
        }
        let base_offset = end.next_offset;
        end.append(base_offset, batch, stamp, now_ms);
        Ok(Placed::New { base_offset })
    }

    /// Decides on a new topic; [`LogState::apply`] makes it.
    ///
    /// # Errors
    /// [`Refusal`]: the name is taken, the count is off limits, or there are too many.
    pub fn plan_topic(
        &self,
        name: &TopicName,
        partitions: u32,
        uuid: [u8; 16],
        settings: TopicSettings,
    ) -> Result<NewTopic, Refusal> {
        if self.by_name.contains_key(name) {
            return Err(Refusal::TopicExists);
        }
        if partitions == 0 || partitions > PARTITIONS_PER_TOPIC_MAX {
            return Err(Refusal::PartitionCount);
        }
        let existing: usize = self.topics.values().map(|topic| topic.partitions.len()).sum();
        let wanted = usize::try_from(partitions).unwrap_or(usize::MAX);
        if self.topics.len() >= TOPICS_MAX || existing.saturating_add(wanted) > PARTITIONS_MAX {
            return Err(Refusal::TooMany);
        }
        Ok(NewTopic { id: self.next_topic, uuid, name: name.clone(), partitions, settings })
    }

    /// What is to be done to give a topic more partitions; `partitions` is how many it has then.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn plan_partitions(&self, name: &TopicName, partitions: u32) -> Result<Entry, Refusal> {
        let topic = self.topic_id(name).ok_or(Refusal::UnknownPartition)?;
        let has = self.topics.get(&topic).map_or(0, |topic| topic.made.partitions);
        if partitions <= has || partitions > PARTITIONS_PER_TOPIC_MAX {
            return Err(Refusal::PartitionCount);
        }
        let existing: usize = self.topics.values().map(|topic| topic.partitions.len()).sum();
        let more = usize::try_from(partitions - has).unwrap_or(usize::MAX);
        if existing.saturating_add(more) > PARTITIONS_MAX {
            return Err(Refusal::TooMany);
        }
        Ok(Entry::AddPartitions { topic, partitions })
    }

    /// The number of a topic.
    #[must_use]
    pub fn topic_id(&self, name: &TopicName) -> Option<TopicId> {
        self.by_name.get(name).copied()
    }

    /// Whether the partition exists.
    #[must_use]
    pub fn has(&self, partition: PartitionId) -> bool {
        self.next_offset(partition).is_some()
    }

    /// The offset that the partition's next record gets.
    #[must_use]
    pub fn next_offset(&self, partition: PartitionId) -> Option<i64> {
        Some(self.end(partition)?.next_offset)
    }

    /// The topics, by number.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.values()
    }

    /// The first producer id that was never reserved, and what follows the block from it.
    #[must_use]
    pub const fn producer_id_block(&self) -> (i64, i64) {
        (self.next_producer_id, self.next_producer_id.saturating_add(PRODUCER_ID_BLOCK))
    }

    /// The idempotent producers of a partition.
    #[must_use]
    pub fn producers(&self, partition: PartitionId) -> Vec<ActiveProducer> {
        self.end(partition).map(|end| end.producers.active()).unwrap_or_default()
    }

    /// Takes over an entry that a round holds: the only way in at recovery, and the way of all
    /// but appends (see [`LogState::place`]) while running.
    pub fn apply(&mut self, entry: &Entry, now_ms: i64) {
        match entry {
            Entry::Append { partition, batch } => self.apply_append(*partition, batch, now_ms),
            Entry::CreateTopic(made) => self.insert(made.clone(), Vec::new()),
            Entry::SetTopicSettings { topic, settings } => {
                if let Some(topic) = self.topics.get_mut(topic) {
                    topic.made.settings = settings.clone();
                }
            }
            Entry::AddPartitions { topic, partitions } => {
                if let Some(topic) = self.topics.get_mut(topic) {
                    topic.made.partitions = *partitions;
                    let count = usize::try_from(*partitions).unwrap_or(usize::MAX);
                    topic.partitions.resize_with(count, PartitionEnd::default);
                }
            }
            Entry::DeleteTopic(id) => {
                if let Some(topic) = self.topics.remove(id) {
                    self.by_name.remove(&topic.made.name);
                }
            }
            // These are the view's alone.
            Entry::CommitOffsets { .. }
            | Entry::StoreGroup(_)
            | Entry::DeleteOffsets { .. }
            | Entry::DeleteGroup(_)
            | Entry::MoveLogStart { .. } => {}
            Entry::ReserveProducerIds { next } => {
                self.next_producer_id = self.next_producer_id.max(*next);
            }
        }
    }

    fn apply_append(&mut self, partition: PartitionId, batch: &[u8], now_ms: i64) {
        let Ok(header) = BatchHeader::parse(batch) else { return };
        if let Some(end) = self.end_mut(partition) {
            end.append(header.base_offset, &header, stamp(&header), now_ms);
        }
    }

    /// Forgets producers that were silent for long.
    pub fn expire(&mut self, now_ms: i64) {
        for topic in self.topics.values_mut() {
            topic.partitions.iter_mut().for_each(|end| end.producers.expire(now_ms));
        }
    }

    fn insert(&mut self, made: NewTopic, mut partitions: Vec<PartitionEnd>) {
        let count = usize::try_from(made.partitions).unwrap_or(usize::MAX);
        partitions.resize_with(count, PartitionEnd::default);
        self.next_topic = self.next_topic.max(TopicId(made.id.0.saturating_add(1)));
        self.by_name.insert(made.name.clone(), made.id);
        self.topics.insert(made.id, Topic { made, partitions });
    }

    fn end(&self, partition: PartitionId) -> Option<&PartitionEnd> {
        let index = usize::try_from(partition.index).ok()?;
        self.topics.get(&partition.topic)?.partitions.get(index)
    }

    fn end_mut(&mut self, partition: PartitionId) -> Option<&mut PartitionEnd> {
        let index = usize::try_from(partition.index).ok()?;
        self.topics.get_mut(&partition.topic)?.partitions.get_mut(index)
    }

    /// Writes all of it behind `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.next_topic.0);
        out.put_i64(self.next_producer_id);
        out.put_u32(len_u32(self.topics.len()));
        for topic in self.topics.values() {
            topic.made.encode(out);
            for end in &topic.partitions {
                out.put_i64(end.next_offset);
                end.producers.encode(out);
            }
        }
    }

    /// Reads what [`LogState::encode`] wrote.
    ///
    /// # Errors
    /// [`CodecError`] when the bytes are cut short.
    pub fn decode(reader: &mut Reader) -> Result<Self, CodecError> {
        let mut state = Self {
            next_topic: TopicId(reader.u32()?),
            next_producer_id: reader.i64()?,
            ..Self::default()
        };
        for _ in 0..reader.u32()? {
            let made = NewTopic::decode(reader)?;
            let mut partitions = Vec::new();
            for _ in 0..made.partitions {
                let next_offset = reader.i64()?;
                partitions
                    .push(PartitionEnd { next_offset, producers: Producers::decode(reader)? });
            }
            state.insert(made, partitions);
        }
        Ok(state)
    }
}

impl PartitionEnd {
    fn append(&mut self, base_offset: i64, batch: &BatchHeader, stamp: Option<Stamp>, now_ms: i64) {
        if let Some(stamp) = stamp {
            self.producers.enter(stamp, base_offset, now_ms);
        }
        self.next_offset = base_offset.saturating_add(i64::from(batch.last_offset_delta) + 1);
    }
}

/// The batch's place in its producer's stream, when it has one.
fn stamp(batch: &BatchHeader) -> Option<Stamp> {
    (batch.producer_id >= 0).then(|| Stamp {
        producer_id: batch.producer_id,
        epoch: batch.producer_epoch,
        base_sequence: batch.base_sequence,
        last_sequence: wrapping_sequence(batch.base_sequence, batch.last_offset_delta),
    })
}

fn wrapping_sequence(base: i32, delta: i32) -> i32 {
    let sum = i64::from(base) + i64::from(delta);
    i32::try_from(sum % (i64::from(i32::MAX) + 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pagi_protocol::kafka::batch_builder::{BatchBuilder, Producer};
    use pagi_protocol::kafka::record::Record;
    use pagi_protocol::kafka::record_batch::assign;

    use super::*;

    fn batch(records: usize, producer: Producer) -> Bytes {
        let mut builder = BatchBuilder::new(1 << 20);
        for _ in 0..records {
            builder.push(&Record::default()).unwrap();
        }
        builder.finish(producer).unwrap()
    }

    fn topic(state: &mut LogState, name: &str, partitions: u32) -> TopicId {
        let name = TopicName::parse(name).unwrap();
        let made = state.plan_topic(&name, partitions, [1; 16], TopicSettings::default()).unwrap();
        let id = made.id;
        state.apply(&Entry::CreateTopic(made), 0);
        id
    }

    fn place(
        state: &mut LogState,
        partition: PartitionId,
        batch: &Bytes,
    ) -> Result<Placed, Refusal> {
        state.place(partition, &BatchHeader::parse(batch).unwrap(), 0)
    }

    #[test]
    fn offsets_of_each_partition_follow_each_other() {
        let mut state = LogState::default();
        let topic = topic(&mut state, "orders", 2);
        let (first, second) = (PartitionId { topic, index: 0 }, PartitionId { topic, index: 1 });
        let three = batch(3, Producer::NONE);
        assert_eq!(place(&mut state, first, &three), Ok(Placed::New { base_offset: 0 }));
        assert_eq!(place(&mut state, first, &three), Ok(Placed::New { base_offset: 3 }));
        assert_eq!(place(&mut state, second, &three), Ok(Placed::New { base_offset: 0 }));
        let missing = PartitionId { topic, index: 2 };
        assert_eq!(place(&mut state, missing, &three), Err(Refusal::UnknownPartition));
    }

    #[test]
    fn a_batch_that_is_sent_twice_is_placed_once() {
        let mut state = LogState::default();
        let partition = PartitionId { topic: topic(&mut state, "orders", 1), index: 0 };
        let batch = batch(2, Producer { id: 7, epoch: 0, base_sequence: 0 });
        assert_eq!(place(&mut state, partition, &batch), Ok(Placed::New { base_offset: 0 }));
        assert_eq!(place(&mut state, partition, &batch), Ok(Placed::Duplicate { base_offset: 0 }));
        assert_eq!(state.next_offset(partition), Some(2));
    }

    #[test]
    fn a_topic_of_a_deleted_name_gets_a_new_number_and_begins_empty() {
        let mut state = LogState::default();
        let old = topic(&mut state, "orders", 1);
        place(&mut state, PartitionId { topic: old, index: 0 }, &batch(1, Producer::NONE)).unwrap();
        state.apply(&Entry::DeleteTopic(old), 0);
        let new = topic(&mut state, "orders", 1);
        assert_ne!(old, new);
        assert_eq!(state.next_offset(PartitionId { topic: new, index: 0 }), Some(0));
        assert!(!state.has(PartitionId { topic: old, index: 0 }));
    }

    #[test]
    fn topics_are_refused_when_the_name_is_taken_or_the_count_is_off_limits() {
        let mut state = LogState::default();
        topic(&mut state, "orders", 1);
        let plan = |name, count| {
            state
                .plan_topic(
                    &TopicName::parse(name).unwrap(),
                    count,
                    [0; 16],
                    TopicSettings::default(),
                )
                .map(|_| ())
        };
        assert_eq!(plan("orders", 1), Err(Refusal::TopicExists));
        assert_eq!(plan("new", 0), Err(Refusal::PartitionCount));
        assert_eq!(plan("new", PARTITIONS_PER_TOPIC_MAX + 1), Err(Refusal::PartitionCount));
        assert_eq!(plan("new", PARTITIONS_PER_TOPIC_MAX), Ok(()));
    }

    #[test]
    fn a_replay_of_the_entries_gives_the_same_state_and_so_does_a_checkpoint() {
        let mut live = LogState::default();
        let partition = PartitionId { topic: topic(&mut live, "orders", 3), index: 2 };
        let mut replayed = LogState::default();
        let name = TopicName::parse("orders").unwrap();
        let made = replayed.plan_topic(&name, 3, [1; 16], TopicSettings::default()).unwrap();
        replayed.apply(&Entry::CreateTopic(made), 0);
        for n in 0..10 {
            let sent = batch(5, Producer { id: 7, epoch: 0, base_sequence: n * 5 });
            let Ok(Placed::New { base_offset }) = place(&mut live, partition, &sent) else {
                panic!("batch {n} was not placed");
            };
            let mut written = sent.to_vec();
            assign(&mut written, base_offset, 0);
            replayed.apply(&Entry::Append { partition, batch: written.into() }, 0);
        }
        let reserve = Entry::ReserveProducerIds { next: live.producer_id_block().1 };
        live.apply(&reserve, 0);
        replayed.apply(&reserve, 0);
        assert_eq!(live, replayed);
        let mut bytes = BytesMut::new();
        live.encode(&mut bytes);
        assert_eq!(LogState::decode(&mut Reader(bytes.freeze())).unwrap(), live);
    }

    #[test]
    fn producer_ids_are_reserved_once() {
        let mut state = LogState::default();
        let (first, end) = state.producer_id_block();
        state.apply(&Entry::ReserveProducerIds { next: end }, 0);
        assert!(first > 0 && state.producer_id_block().0 == end);
    }
}
