//! The members of a group as whoever assigns sees them, and what comes of it.
use std::collections::{BTreeMap, BTreeSet};

/// A partition: its topic's name and its number.
pub type Place = (String, i32);

/// Each member's partitions.
pub type Assignment = BTreeMap<String, BTreeSet<Place>>;

/// A member, as it says in joining.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// The static member's name (KIP-345).
    pub instance_id: Option<String>,
    /// The topics it wants.
    pub topics: BTreeSet<String>,
    /// The partitions it holds on to.
    pub owned: BTreeSet<Place>,
    /// The generation in which it got them, or -1.
    pub generation: i32,
}

/// The topics that there are, and how many partitions each has.
pub type Counts = BTreeMap<String, i32>;

/// Nobody has anything yet.
pub(super) fn nothing(members: &[Member]) -> Assignment {
    members.iter().map(|member| (member.id.clone(), BTreeSet::new())).collect()
}

/// The partitions of the topics that anybody wants.
pub(super) fn wanted(members: &[Member], counts: &Counts) -> BTreeSet<Place> {
    let topics: BTreeSet<&String> = members.iter().flat_map(|member| &member.topics).collect();
    let count = |topic: &String| counts.get(topic).copied().unwrap_or_default();
    topics
        .into_iter()
        .flat_map(|topic| (0..count(topic)).map(move |partition| (topic.clone(), partition)))
        .collect()
}
