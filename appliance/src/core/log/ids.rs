//! Names for things in the log that are shorter than their names on the wire.
use std::fmt;

/// A topic's number: given once, never used again, also not for a topic of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId(pub u32);

/// One partition of one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionId {
    /// The topic.
    pub topic: TopicId,
    /// The partition's index in its topic, from 0.
    pub index: u32,
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic.0, self.index)
    }
}

/// A round's place in the write-ahead log: 1, 2, 3, ... without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The sequence of the round behind this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The leader epoch of every batch: one broker, that never changes.
pub const LEADER_EPOCH: i32 = 0;

/// The random number of one data folder, in every round: bytes that a client sent, or that
/// another folder left behind, are never taken for a round of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub u64);
