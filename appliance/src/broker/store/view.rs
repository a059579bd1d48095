//! What readers see: topics, durable records and committed offsets.
//!
//! **Invariants.** Only entries of durable rounds are applied, in their order: nothing that is
//! seen here can be lost by a crash.
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pagi_protocol::TopicName;
use pagi_protocol::kafka::record_batch::BatchHeader;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::groups::Groups;
use super::layout::topic_dir_name;
use crate::core::log::checkpoint::PartitionFiles;
use crate::core::log::entry::{Entry, NewTopic};
use crate::core::log::ids::{PartitionId, TopicId};
use crate::core::log::partition::{PartitionLog, TailBatch};
use crate::limits::DISK_RESERVE_BYTES;

/// See the module.
#[derive(Debug, Default)]
pub struct View {
    topics: RwLock<Topics>,
    /// What is kept of consumer groups.
    pub groups: Groups,
    dirty: Mutex<Vec<Arc<Partition>>>,
    unflushed_bytes: AtomicUsize,
}

#[derive(Debug, Default)]
struct Topics {
    by_id: BTreeMap<TopicId, Arc<Topic>>,
    by_name: HashMap<TopicName, TopicId>,
    by_uuid: HashMap<[u8; 16], TopicId>,
}

/// A topic and its partitions.
#[derive(Debug)]
pub struct Topic {
    /// What it was made with.
    pub made: NewTopic,
    /// Its partitions, by index.
    pub partitions: Vec<Arc<Partition>>,
}

/// A partition.
#[derive(Debug)]
pub struct Partition {
    /// Which one.
    pub id: PartitionId,
    /// The name of its topic's folder.
    pub dir: Arc<str>,
    /// Its records.
    pub log: Mutex<PartitionLog>,
    deleted: AtomicBool,
    waiters: Mutex<Vec<Arc<Notify>>>,
}

impl Topic {
    fn new(made: NewTopic, mut log: impl FnMut(PartitionId) -> PartitionLog) -> Self {
        let dir: Arc<str> = topic_dir_name(&made).into();
        let partition = |index| {
            let id = PartitionId { topic: made.id, index };
            Arc::new(Partition {
                id,
                dir: Arc::clone(&dir),
                log: Mutex::new(log(id)),
                deleted: AtomicBool::new(false),
                waiters: Mutex::default(),
            })
        };
        let partitions = (0..made.partitions).map(partition).collect();
        Self { made, partitions }
    }

    /// The partition with this index on the wire.
    #[must_use]
    pub fn partition(&self, index: i32) -> Option<&Arc<Partition>> {
        self.partitions.get(usize::try_from(index).ok()?)
    }
}

impl Partition {
    /// Whether its topic was deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    fn wake(&self) {
        for waiter in self.waiters.lock().drain(..) {
            waiter.notify_one();
        }
    }
}

impl View {
    /// What a checkpoint describes.
    #[must_use]
    pub fn restored(
        topics: impl Iterator<Item = NewTopic>,
        files: Vec<PartitionFiles>,
        groups: Groups,
    ) -> Self {
        let mut files: HashMap<PartitionId, PartitionFiles> =
            files.into_iter().map(|files| (files.partition, files)).collect();
        let view = Self { groups, ..Self::default() };
        for made in topics {
            view.insert(Topic::new(made, |id| {
                files.remove(&id).map_or_else(PartitionLog::default, |files| {
                    PartitionLog::restored(files.log_start, files.segments)
                })
            }));
        }
        view
    }

    /// Takes over an entry of a durable round.
    pub fn apply(&self, entry: Entry) {
        match entry {
            Entry::Append { partition, batch } => {
                let Ok(header) = BatchHeader::parse(&batch) else { return };
                let Some(partition) = self.partition(partition) else { return };
                let next = header.base_offset.saturating_add(i64::from(header.last_offset_delta));
                self.append(
                    &partition,
                    TailBatch {
                        base_offset: header.base_offset,
                        next_offset: next.saturating_add(1),
                        max_timestamp: header.max_timestamp,
                        bytes: batch,
                    },
                );
            }
            Entry::CreateTopic(made) => self.insert(Topic::new(made, |_| PartitionLog::default())),
            Entry::SetTopicSettings { topic, settings } => {
                self.change(topic, |made| made.settings = settings);
            }
            Entry::AddPartitions { topic, partitions } => {
                self.change(topic, |made| made.partitions = partitions);
            }
            Entry::DeleteTopic(id) => self.delete(id),
            Entry::CommitOffsets { group, offsets } => {
                self.groups.commit(group, offsets);
            }
            Entry::StoreGroup(group) => self.groups.store(group),
            Entry::DeleteOffsets { group, partitions } => {
                self.groups.delete_offsets(&group, &partitions);
            }
            Entry::DeleteGroup(group) => self.groups.delete(&group),
            Entry::ReserveProducerIds { .. } => {}
            Entry::MoveLogStart { partition, offset } => {
                let Some(partition) = self.partition(partition) else { return };
                partition.log.lock().move_start(offset);
                partition.wake();
            }
        }
    }

    fn append(&self, partition: &Arc<Partition>, batch: TailBatch) {
        let bytes = batch.bytes.len();
        let mut log = partition.log.lock();
        let first = log.tail().next().is_none();
        if !log.append(batch) {
            return;
        }
        self.unflushed_bytes.fetch_add(bytes, Ordering::AcqRel);
        drop(log);
        if first {
            self.dirty.lock().push(Arc::clone(partition));
        }
        partition.wake();
    }

    fn insert(&self, topic: Topic) {
        let mut topics = self.topics.write();
        topics.by_name.insert(topic.made.name.clone(), topic.made.id);
        topics.by_uuid.insert(topic.made.uuid, topic.made.id);
        topics.by_id.insert(topic.made.id, Arc::new(topic));
    }

    /// Readers that hold the topic as it was go on with its partitions.
    fn change(&self, id: TopicId, change: impl FnOnce(&mut NewTopic)) {
        let mut topics = self.topics.write();
        let Some(topic) = topics.by_id.get(&id) else { return };
        let mut made = topic.made.clone();
        change(&mut made);
        let mut changed = Topic::new(made, |_| PartitionLog::default());
        for (slot, partition) in changed.partitions.iter_mut().zip(&topic.partitions) {
            *slot = Arc::clone(partition);
        }
        topics.by_id.insert(id, Arc::new(changed));
    }

    fn delete(&self, id: TopicId) {
        let mut topics = self.topics.write();
        let Some(topic) = topics.by_id.remove(&id) else { return };
        topics.by_name.remove(&topic.made.name);
        topics.by_uuid.remove(&topic.made.uuid);
        drop(topics);
        self.groups.delete_topic(id);
        for partition in &topic.partitions {
            partition.deleted.store(true, Ordering::Release);
            self.note_flushed(partition.log.lock().drop_tail());
            partition.wake();
        }
    }

    /// The topic of this name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        let topics = self.topics.read();
        topics.by_id.get(topics.by_name.get(name)?).cloned()
    }

    /// The topic with this id on the wire.
    #[must_use]
    pub fn topic_by_uuid(&self, uuid: [u8; 16]) -> Option<Arc<Topic>> {
        let topics = self.topics.read();
        topics.by_id.get(topics.by_uuid.get(&uuid)?).cloned()
    }

    /// The topic with this number.
    #[must_use]
    pub fn topic_by_id(&self, id: TopicId) -> Option<Arc<Topic>> {
        self.topics.read().by_id.get(&id).cloned()
    }

    /// Every topic, in the order they were made.
    #[must_use]
    pub fn topics(&self) -> Vec<Arc<Topic>> {
        self.topics.read().by_id.values().cloned().collect()
    }

    fn partition(&self, id: PartitionId) -> Option<Arc<Partition>> {
        let topics = self.topics.read();
        topics.by_id.get(&id.topic)?.partitions.get(usize::try_from(id.index).ok()?).cloned()
    }

    /// The partitions whose tail is not empty; they are not given again until more comes.
    #[must_use]
    pub fn take_dirty(&self) -> Vec<Arc<Partition>> {
        std::mem::take(&mut *self.dirty.lock())
    }

    /// Gives back a partition whose tail is still not empty.
    pub fn put_dirty(&self, partition: Arc<Partition>) {
        self.dirty.lock().push(partition);
    }

    /// The bytes in all tails.
    #[must_use]
    pub fn unflushed_bytes(&self) -> usize {
        self.unflushed_bytes.load(Ordering::Acquire)
    }

    /// The bytes that the disk must have before more is acknowledged: for what is in tails, and
    /// for checkpoints.
    #[must_use]
    pub fn bytes_to_spare(&self) -> u64 {
        DISK_RESERVE_BYTES + self.unflushed_bytes() as u64
    }

    /// Takes note that bytes left a tail.
    pub fn note_flushed(&self, bytes: usize) {
        self.unflushed_bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// Wakes one task when any of some partitions gets records, or goes.
#[derive(Debug)]
pub struct Waiter {
    notify: Arc<Notify>,
    partitions: Vec<Arc<Partition>>,
}

impl Waiter {
    /// Begins to listen. What came before is not told: look after this, then wait.
    #[must_use]
    pub fn listen(partitions: Vec<Arc<Partition>>) -> Self {
        let notify = Arc::new(Notify::new());
        for partition in &partitions {
            partition.waiters.lock().push(Arc::clone(&notify));
        }
        Self { notify, partitions }
    }

    /// Waits until something happened since [`Waiter::listen`].
    pub async fn woken(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        for partition in &self.partitions {
            partition.waiters.lock().retain(|waiter| !Arc::ptr_eq(waiter, &self.notify));
        }
    }
}
