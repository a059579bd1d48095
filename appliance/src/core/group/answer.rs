//! What comes of an event: answers for those who wait, and what is to be stored.
use bytes::Bytes;
use pagi_protocol::kafka::error_code::KafkaCode;

use crate::core::log::group_metadata::GroupMetadata;

/// What follows from an event. `T` is whatever stands for a request that waits.
#[derive(Debug)]
#[must_use]
pub struct Effects<T> {
    /// Requests to answer.
    pub answers: Vec<(T, Answer)>,
    /// To be stored, then told by `Group::stored`.
    pub store: Option<Box<GroupMetadata>>,
}

impl<T> Default for Effects<T> {
    fn default() -> Self {
        Self { answers: Vec::new(), store: None }
    }
}

/// An answer to a request that may have waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To `JoinGroup`.
    Joined(Box<Joined>),
    /// To `SyncGroup`.
    Synced(Synced),
}

/// The answer to `JoinGroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// What went wrong, if anything.
    pub code: KafkaCode,
    /// The generation, or -1.
    pub generation: i32,
    /// The protocol type, where there is one.
    pub protocol_type: Option<String>,
    /// The way of assigning that all members know.
    pub protocol: Option<String>,
    /// The member that assigns.
    pub leader: String,
    /// Whether the leader leaves the assignment as it is (KIP-814).
    pub skip_assignment: bool,
    /// The id of the member that is answered.
    pub member_id: String,
    /// For the leader: everyone.
    pub members: Vec<JoinedMember>,
}

/// A member, as the leader is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub id: String,
    /// Its static id.
    pub instance_id: Option<String>,
    /// What it subscribes to, in the words of the group's protocol.
    pub metadata: Bytes,
}

/// The answer to `SyncGroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// What went wrong, if anything.
    pub code: KafkaCode,
    /// The protocol type, where there is one.
    pub protocol_type: Option<String>,
    /// The way of assigning that was used.
    pub protocol: Option<String>,
    /// What the member is to do.
    pub assignment: Bytes,
}

impl Joined {
    /// The answer to a member that cannot join.
    #[must_use]
    pub fn failed(code: KafkaCode, member_id: String) -> Self {
        Self {
            code,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: String::new(),
            skip_assignment: false,
            member_id,
            members: Vec::new(),
        }
    }
}

impl Synced {
    /// The answer to a member that gets no assignment.
    #[must_use]
    pub const fn failed(code: KafkaCode) -> Self {
        Self { code, protocol_type: None, protocol: None, assignment: Bytes::new() }
    }
}
