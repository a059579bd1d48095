//! The one that writes the write-ahead log: places commands, commits them in rounds, answers.
//!
//! **Invariants.** A submission is answered only when every round that holds one of its entries
//! is durable, and readers see them. An I/O error ends it all: nothing that was under way is
//! answered, and nothing more is written.
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pagi_protocol::TopicName;
use pagi_protocol::kafka::record_batch::{self, BatchHeader};
use tokio::sync::oneshot;

use super::sizes::Sizes;
use super::storage::Storage;
use super::view::View;
use super::wal::Wal;
use crate::core::log::bytes_codec::CodecError;
use crate::core::log::checkpoint::{GroupOffsets, WalPosition};
use crate::core::log::entry::{APPEND_OVERHEAD_BYTES, CommittedOffset, Entry, put_append};
use crate::core::log::group_metadata::GroupMetadata;
use crate::core::log::ids::{LEADER_EPOCH, PartitionId, Salt, Sequence, TopicId};
use crate::core::log::producers::ActiveProducer;
use crate::core::log::round::{HEADER_BYTES, RoundBuilder};
use crate::core::log::settings::TopicSettings;
use crate::core::log::state::{LogState, Placed, Refusal};
use crate::limits::{BATCH_BYTES_MAX, GROUPS_MAX};

/// What the log is asked to do.
#[derive(Debug)]
pub enum Command {
    /// Append a batch that was checked (`BatchHeader::validate`).
    Append {
        /// Where to.
        partition: PartitionId,
        /// The whole batch.
        batch: Bytes,
    },
    /// Make a topic.
    CreateTopic {
        /// Its name.
        name: TopicName,
        /// How many partitions.
        partitions: u32,
        /// Its id on the wire.
        uuid: [u8; 16],
        /// What is set for it.
        settings: TopicSettings,
    },
    /// Delete a topic and all its records.
    DeleteTopic(TopicName),
    /// Replace a topic's settings.
    SetTopicSettings {
        /// The topic.
        name: TopicName,
        /// All that is set from now on.
        settings: TopicSettings,
    },
    /// Give a topic more partitions.
    AddPartitions {
        /// The topic.
        name: TopicName,
        /// How many it has then.
        partitions: u32,
    },
    /// Keep a group's progress.
    CommitOffsets {
        /// The group.
        group: String,
        /// What was committed, for partitions that exist.
        offsets: Vec<(PartitionId, CommittedOffset)>,
    },
    /// Reserve a block of producer ids.
    ReserveProducerIds,
    /// Keep the members of a group's generation.
    StoreGroup(Box<GroupMetadata>),
    /// Forget a group's progress in some partitions.
    DeleteOffsets {
        /// The group.
        group: String,
        /// The partitions.
        partitions: Vec<PartitionId>,
    },
    /// Forget a group.
    DeleteGroup(String),
    /// Delete the records of a partition before an offset.
    MoveLogStart {
        /// The partition.
        partition: PartitionId,
        /// Its new log start offset.
        offset: i64,
    },
}

impl Command {
    /// The bytes of its entry, or a little more.
    #[must_use]
    pub fn entry_bytes(&self) -> usize {
        const FIXED: usize = 64;
        match self {
            Self::Append { batch, .. } => APPEND_OVERHEAD_BYTES + batch.len(),
            Self::CreateTopic { name, settings, .. } => {
                FIXED + name.as_str().len() + settings.encoded_bytes()
            }
            Self::SetTopicSettings { settings, .. } => FIXED + settings.encoded_bytes(),
            Self::AddPartitions { .. } => FIXED,
            Self::DeleteTopic(_) | Self::ReserveProducerIds | Self::MoveLogStart { .. } => FIXED,
            Self::StoreGroup(group) => FIXED + group.encoded_bytes(),
            Self::DeleteOffsets { group, partitions } => FIXED + group.len() + 8 * partitions.len(),
            Self::DeleteGroup(group) => FIXED + group.len(),
            Self::CommitOffsets { group, offsets } => {
                let words = |(_, offset): &(_, CommittedOffset)| offset.metadata.len();
                FIXED + group.len() + offsets.iter().map(|o| 32 + words(o)).sum::<usize>()
            }
        }
    }
}

/// What there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// Everything.
    All,
    /// What needs no more of the disk than the write-ahead log has already: above all deleting.
    Log,
    /// Nothing.
    None,
}

impl Room {
    const fn is_for(self, command: &Command) -> bool {
        match self {
            Self::All => true,
            Self::Log => !matches!(
                command,
                Command::Append { .. }
                    | Command::CreateTopic { .. }
                    | Command::AddPartitions { .. }
            ),
            Self::None => false,
        }
    }
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// The batch is durable.
    Appended(Placed),
    /// The topic exists.
    TopicCreated(TopicId),
    /// The topic has its settings, or its partitions.
    TopicChanged,
    /// The topic is gone.
    TopicDeleted,
    /// The offsets are durable.
    OffsetsCommitted,
    /// These ids are the caller's: from `first` up to and without `end`.
    ProducerIds {
        /// The first id.
        first: i64,
        /// The id behind the last.
        end: i64,
    },
    /// The members are durable.
    GroupStored,
    /// The progress is forgotten.
    OffsetsDeleted,
    /// The group is forgotten.
    GroupDeleted,
    /// The records before it are gone.
    LogStartMoved,
}

/// What became of each command of a submission, in order.
pub type Outcomes = Vec<Result<Done, Refusal>>;

/// Commands that are answered together.
#[derive(Debug)]
pub struct Submission {
    commands: std::vec::IntoIter<Command>,
    outcomes: Outcomes,
    reply: oneshot::Sender<Outcomes>,
}

impl Submission {
    /// A submission, and where its answer comes. The answer fails to come only when the log
    /// cannot go on; what became of the commands is then unknown.
    #[must_use]
    pub fn new(commands: Vec<Command>) -> (Self, oneshot::Receiver<Outcomes>) {
        let (reply, answer) = oneshot::channel();
        let outcomes = Vec::with_capacity(commands.len());
        (Self { commands: commands.into_iter(), outcomes, reply }, answer)
    }
}

/// Everything a checkpoint needs to know about one moment between two rounds.
#[derive(Debug)]
pub struct Snapshot {
    /// The last round.
    pub sequence: Sequence,
    /// Where the next one goes.
    pub position: WalPosition,
    /// Topics, ends and producers.
    pub state: LogState,
    /// What groups committed.
    pub offsets: GroupOffsets,
    /// Their members.
    pub groups: Vec<Arc<GroupMetadata>>,
}

/// Why the log cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The disk failed.
    #[error("the write-ahead log could not be written: {0}")]
    Io(#[from] io::Error),
    /// A round does not read back as it was written: a defect of ours.
    #[error("a round does not read back as it was written: {0}")]
    Round(#[from] CodecError),
}

/// See the module.
#[derive(Debug)]
pub struct LogWriter {
    storage: Arc<dyn Storage>,
    state: LogState,
    view: Arc<View>,
    wal: Wal,
    salt: Salt,
    unflushed_bytes_max: usize,
    written_bytes: u64,
}

impl LogWriter {
    /// A writer that goes on behind what `state`, `view` and `wal` hold.
    #[must_use]
    pub const fn new(
        storage: Arc<dyn Storage>,
        state: LogState,
        view: Arc<View>,
        wal: Wal,
        salt: Salt,
        sizes: Sizes,
    ) -> Self {
        let unflushed_bytes_max = sizes.unflushed_bytes_max;
        Self { storage, state, view, wal, salt, unflushed_bytes_max, written_bytes: 0 }
    }

    /// Commits one round with as much of `queue` as fits, and answers what is complete.
    /// Commands that need room are refused as [`Refusal::StorageFull`] while the disk is full.
    ///
    /// # Errors
    /// [`Fatal`]: the process must end. Submissions under way are dropped without an answer.
    pub fn commit(&mut self, queue: &mut VecDeque<Submission>, now_ms: i64) -> Result<(), Fatal> {
        let space = self.space()?;
        let wanted = queue.iter().flat_map(|s| s.commands.as_slice()).map(Command::entry_bytes);
        let capacity = wanted.sum::<usize>().min(self.wal.round_bytes_max());
        let mut round = RoundBuilder::with_capacity(capacity);
        let mut room = self.wal.round_bytes_max() - HEADER_BYTES;
        let mut complete = Vec::new();
        while let Some(submission) = queue.front_mut() {
            if !self.stage(submission, &mut round, &mut room, space, now_ms) {
                break;
            }
            complete.extend(queue.pop_front());
        }
        if !round.is_empty() {
            self.write(round)?;
        }
        for submission in complete {
            // The client may have gone; what it asked for is done all the same.
            let _ = submission.reply.send(submission.outcomes);
        }
        Ok(())
    }

    /// Stages commands while there is room. Whether the submission is complete.
    fn stage(
        &mut self,
        submission: &mut Submission,
        round: &mut RoundBuilder,
        room: &mut usize,
        space: Room,
        now_ms: i64,
    ) -> bool {
        while let Some(command) = submission.commands.as_slice().first() {
            let bytes = command.entry_bytes();
            let too_large = bytes > self.batch_bytes_max();
            if !too_large && bytes > *room {
                return false;
            }
            let Some(command) = submission.commands.next() else { return true };
            let outcome = if too_large {
                Err(Refusal::BatchTooLarge)
            } else if !space.is_for(&command) {
                Err(Refusal::StorageFull)
            } else {
                *room -= bytes;
                self.execute(command, round, now_ms)
            };
            submission.outcomes.push(outcome);
        }
        true
    }

    /// Decides on one command, and puts what it changes into the round.
    fn execute(
        &mut self,
        command: Command,
        round: &mut RoundBuilder,
        now_ms: i64,
    ) -> Result<Done, Refusal> {
        let (entry, done) = match command {
            Command::Append { partition, batch } => {
                return self.append(partition, &batch, round, now_ms).map(Done::Appended);
            }
            Command::CreateTopic { name, partitions, uuid, settings } => {
                let topic = self.state.plan_topic(&name, partitions, uuid, settings)?;
                let done = Done::TopicCreated(topic.id);
                (Entry::CreateTopic(topic), done)
            }
            Command::SetTopicSettings { name, settings } => {
                let topic = self.state.topic_id(&name).ok_or(Refusal::UnknownPartition)?;
                (Entry::SetTopicSettings { topic, settings }, Done::TopicChanged)
            }
            Command::AddPartitions { name, partitions } => {
                (self.state.plan_partitions(&name, partitions)?, Done::TopicChanged)
            }
            Command::DeleteTopic(name) => {
                let id = self.state.topic_id(&name).ok_or(Refusal::UnknownPartition)?;
                (Entry::DeleteTopic(id), Done::TopicDeleted)
            }
            Command::CommitOffsets { group, mut offsets } => {
                offsets.retain(|(partition, _)| self.state.has(*partition));
                if offsets.is_empty() {
                    return Ok(Done::OffsetsCommitted);
                }
                self.check_room_for_group(&group)?;
                (Entry::CommitOffsets { group, offsets }, Done::OffsetsCommitted)
            }
            Command::ReserveProducerIds => {
                let (first, end) = self.state.producer_id_block();
                (Entry::ReserveProducerIds { next: end }, Done::ProducerIds { first, end })
            }
            Command::StoreGroup(group) => {
                self.check_room_for_group(&group.group)?;
                (Entry::StoreGroup(Arc::from(group)), Done::GroupStored)
            }
            Command::DeleteOffsets { group, partitions } => {
                (Entry::DeleteOffsets { group, partitions }, Done::OffsetsDeleted)
            }
            Command::DeleteGroup(group) => (Entry::DeleteGroup(group), Done::GroupDeleted),
            Command::MoveLogStart { partition, offset } => {
                let end = self.state.next_offset(partition).ok_or(Refusal::UnknownPartition)?;
                if offset > end {
                    return Err(Refusal::OffsetOutOfRange);
                }
                (Entry::MoveLogStart { partition, offset }, Done::LogStartMoved)
            }
        };
        self.state.apply(&entry, now_ms);
        round.push(|out| entry.encode(out));
        Ok(done)
    }

    fn check_room_for_group(&self, group: &str) -> Result<(), Refusal> {
        let (known, groups) = self.view.groups.known(group);
        if !known && groups >= GROUPS_MAX { Err(Refusal::TooMany) } else { Ok(()) }
    }

    fn append(
        &mut self,
        partition: PartitionId,
        batch: &Bytes,
        round: &mut RoundBuilder,
        now_ms: i64,
    ) -> Result<Placed, Refusal> {
        let header = BatchHeader::parse(batch).map_err(|_| Refusal::BatchTooLarge)?;
        let placed = self.state.place(partition, &header, now_ms)?;
        if let Placed::New { base_offset } = placed {
            round.push(|out: &mut BytesMut| {
                let at = put_append(out, partition, batch);
                if let Some(written) = out.get_mut(at..) {
                    record_batch::assign(written, base_offset, LEADER_EPOCH);
                }
            });
        }
        Ok(placed)
    }

    fn write(&mut self, round: RoundBuilder) -> Result<(), Fatal> {
        let sealed = round.seal(self.wal.last().next(), self.salt);
        self.wal.write(&sealed.bytes)?;
        self.written_bytes += sealed.bytes.len() as u64;
        for entry in Entry::all(sealed.body) {
            self.view.apply(entry?);
        }
        Ok(())
    }

    fn space(&self) -> io::Result<Room> {
        if !self.wal.has_room() {
            return Ok(Room::None);
        }
        let full = self.view.unflushed_bytes() >= self.unflushed_bytes_max
            || self.storage.space()?.free_bytes < self.view.bytes_to_spare();
        Ok(if full { Room::Log } else { Room::All })
    }

    /// The largest batch, in bytes, that fits into a round of this folder.
    #[must_use]
    pub fn batch_bytes_max(&self) -> usize {
        BATCH_BYTES_MAX.min(self.wal.round_bytes_max() - HEADER_BYTES)
    }

    /// Whether a round can be written without waiting for a checkpoint or a new file.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.wal.has_room()
    }

    /// The idempotent producers of a partition.
    #[must_use]
    pub fn producers(&self, partition: PartitionId) -> Vec<ActiveProducer> {
        self.state.producers(partition)
    }

    /// Bytes written to the write-ahead log since the last call.
    #[must_use]
    pub fn take_written_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.written_bytes)
    }

    /// This moment, for a checkpoint. Silent producers are forgotten.
    #[must_use]
    pub fn snapshot(&mut self, now_ms: i64) -> Snapshot {
        self.state.expire(now_ms);
        Snapshot {
            sequence: self.wal.last(),
            position: self.wal.position(),
            state: self.state.clone(),
            offsets: self.view.groups.all_committed(),
            groups: self.view.groups.all_metadata(),
        }
    }
}
