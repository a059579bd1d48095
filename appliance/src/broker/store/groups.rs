//! What is kept of consumer groups: their progress, and the members of their generation.
//!
//! **Invariants.** As for the view: only what is durable.
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::core::log::checkpoint::GroupOffsets;
use crate::core::log::entry::CommittedOffset;
use crate::core::log::group_metadata::GroupMetadata;
use crate::core::log::ids::{PartitionId, TopicId};

/// See the module.
#[derive(Debug, Default)]
pub struct Groups(RwLock<Kept>);

#[derive(Debug, Default)]
struct Kept {
    offsets: HashMap<String, HashMap<PartitionId, CommittedOffset>>,
    metadata: HashMap<String, Arc<GroupMetadata>>,
}

impl Groups {
    /// What a checkpoint describes.
    #[must_use]
    pub fn restored(offsets: GroupOffsets, metadata: Vec<Arc<GroupMetadata>>) -> Self {
        let offsets = offsets
            .into_iter()
            .map(|(group, offsets)| (group, offsets.into_iter().collect()))
            .collect();
        let metadata = metadata.into_iter().map(|group| (group.group.clone(), group)).collect();
        Self(RwLock::new(Kept { offsets, metadata }))
    }

    /// Takes over progress.
    pub fn commit(&self, group: String, offsets: Vec<(PartitionId, CommittedOffset)>) {
        self.0.write().offsets.entry(group).or_default().extend(offsets);
    }

    /// Takes over the members of a generation.
    pub fn store(&self, group: Arc<GroupMetadata>) {
        self.0.write().metadata.insert(group.group.clone(), group);
    }

    /// Forgets the progress of a group in some partitions.
    pub fn delete_offsets(&self, group: &str, partitions: &[PartitionId]) {
        let mut kept = self.0.write();
        let Some(offsets) = kept.offsets.get_mut(group) else { return };
        offsets.retain(|partition, _| !partitions.contains(partition));
        if offsets.is_empty() {
            kept.offsets.remove(group);
        }
    }

    /// Forgets a group.
    pub fn delete(&self, group: &str) {
        let mut kept = self.0.write();
        kept.offsets.remove(group);
        kept.metadata.remove(group);
    }

    /// Forgets the progress in a topic that is gone.
    pub fn delete_topic(&self, topic: TopicId) {
        // A group that has nothing left must not count against the most there may be.
        self.0.write().offsets.retain(|_, offsets| {
            offsets.retain(|partition, _| partition.topic != topic);
            !offsets.is_empty()
        });
    }

    /// What a group committed for a partition.
    #[must_use]
    pub fn committed(&self, group: &str, partition: PartitionId) -> Option<CommittedOffset> {
        self.0.read().offsets.get(group)?.get(&partition).cloned()
    }

    /// Everything a group committed, sorted by partition.
    #[must_use]
    pub fn committed_by(&self, group: &str) -> Vec<(PartitionId, CommittedOffset)> {
        let kept = self.0.read();
        let offsets = kept.offsets.get(group).into_iter().flatten();
        let mut all: Vec<_> = offsets.map(|(id, offset)| (*id, offset.clone())).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    /// The members of a group as they were stored.
    #[must_use]
    pub fn metadata(&self, group: &str) -> Option<Arc<GroupMetadata>> {
        self.0.read().metadata.get(group).cloned()
    }

    /// Whether anything is kept of the group, and of how many groups there is.
    #[must_use]
    pub fn known(&self, group: &str) -> (bool, usize) {
        let kept = self.0.read();
        let known = kept.offsets.contains_key(group) || kept.metadata.contains_key(group);
        (known, kept.offsets.len().max(kept.metadata.len()))
    }

    /// Every group of which anything is kept, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let kept = self.0.read();
        let names: BTreeSet<&String> = kept.offsets.keys().chain(kept.metadata.keys()).collect();
        names.into_iter().cloned().collect()
    }

    /// Everything all groups committed, sorted: for a checkpoint.
    #[must_use]
    pub fn all_committed(&self) -> GroupOffsets {
        let mut groups: Vec<String> = self.0.read().offsets.keys().cloned().collect();
        groups.sort_unstable();
        groups.into_iter().map(|group| (group.clone(), self.committed_by(&group))).collect()
    }

    /// The members of all groups, sorted: for a checkpoint.
    #[must_use]
    pub fn all_metadata(&self) -> Vec<Arc<GroupMetadata>> {
        let mut groups: Vec<_> = self.0.read().metadata.values().cloned().collect();
        groups.sort_unstable_by(|a, b| a.group.cmp(&b.group));
        groups
    }
}
