//! What a round is made of: the changes to the log, in order.
//!
//! Kind numbers are persisted: never change one, never use one again.
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use pagi_protocol::TopicName;

use super::bytes_codec::{CodecError, Reader, len_u32, put_sized};
use super::group_metadata::GroupMetadata;
use super::ids::{PartitionId, TopicId};
use super::settings::TopicSettings;

const APPEND: u8 = 1;
const CREATE_TOPIC: u8 = 2;
const DELETE_TOPIC: u8 = 3;
const COMMIT_OFFSETS: u8 = 4;
const RESERVE_PRODUCER_IDS: u8 = 5;
const STORE_GROUP: u8 = 6;
const DELETE_OFFSETS: u8 = 7;
const SET_TOPIC_SETTINGS: u8 = 8;
const ADD_PARTITIONS: u8 = 9;
const MOVE_LOG_START: u8 = 10;
const DELETE_GROUP: u8 = 11;

/// The bytes that an append adds to its batch: kind, topic, partition, length.
pub const APPEND_OVERHEAD_BYTES: usize = 1 + 4 + 4 + 4;

/// One change. Applying the same entries in the same order gives the same log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// One record batch, its base offset already assigned.
    Append {
        /// Where it goes.
        partition: PartitionId,
        /// The whole batch, Kafka's format v2.
        batch: Bytes,
    },
    /// A new topic.
    CreateTopic(NewTopic),
    /// A topic and all its records go.
    DeleteTopic(TopicId),
    /// A consumer group's progress.
    CommitOffsets {
        /// The group.
        group: String,
        /// The partitions and what was committed for each.
        offsets: Vec<(PartitionId, CommittedOffset)>,
    },
    /// Producer ids below this one are given out, or may be.
    ReserveProducerIds {
        /// The first that is not.
        next: i64,
    },
    /// Keep the members of a group's generation.
    StoreGroup(Arc<GroupMetadata>),
    /// Forget a group's progress in some partitions.
    DeleteOffsets {
        /// The group.
        group: String,
        /// The partitions.
        partitions: Vec<PartitionId>,
    },
    /// Forget a group.
    DeleteGroup(String),
    /// Replace a topic's settings.
    SetTopicSettings {
        /// The topic.
        topic: TopicId,
        /// All that is set from now on.
        settings: TopicSettings,
    },
    /// Give a topic more partitions.
    AddPartitions {
        /// The topic.
        topic: TopicId,
        /// How many it has then.
        partitions: u32,
    },
    /// Delete the records of a partition before an offset.
    MoveLogStart {
        /// The partition.
        partition: PartitionId,
        /// Its new log start offset.
        offset: i64,
    },
}

/// What a topic is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its number in the log.
    pub id: TopicId,
    /// Its id on the wire (KIP-516).
    pub uuid: [u8; 16],
    /// Its name.
    pub name: TopicName,
    /// How many partitions it has.
    pub partitions: u32,
    /// What was set for it.
    pub settings: TopicSettings,
}

/// What a group committed for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to consume.
    pub offset: i64,
    /// The leader epoch of the last consumed record, or -1.
    pub leader_epoch: i32,
    /// The client's own words.
    pub metadata: String,
    /// When, in milliseconds since 1970.
    pub committed_ms: i64,
}

/// Writes an append whose batch is `batch`, and gives the place of the batch in `out`, so that
/// its base offset can be set there.
pub fn put_append(out: &mut BytesMut, partition: PartitionId, batch: &[u8]) -> usize {
    out.put_u8(APPEND);
    out.put_u32(partition.topic.0);
    out.put_u32(partition.index);
    out.put_u32(len_u32(batch.len()));
    let at = out.len();
    out.put_slice(batch);
    at
}

impl Entry {
    /// Writes this entry behind `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Append { partition, batch } => {
                put_append(out, *partition, batch);
            }
            Self::CreateTopic(topic) => {
                out.put_u8(CREATE_TOPIC);
                topic.encode(out);
            }
            Self::DeleteTopic(topic) => {
                out.put_u8(DELETE_TOPIC);
                out.put_u32(topic.0);
            }
            Self::CommitOffsets { group, offsets } => {
                out.put_u8(COMMIT_OFFSETS);
                put_sized(out, group.as_bytes());
                put_offsets(out, offsets);
            }
            Self::ReserveProducerIds { next } => {
                out.put_u8(RESERVE_PRODUCER_IDS);
                out.put_i64(*next);
            }
            Self::StoreGroup(group) => {
                out.put_u8(STORE_GROUP);
                group.encode(out);
            }
            Self::DeleteOffsets { group, partitions } => {
                out.put_u8(DELETE_OFFSETS);
                put_sized(out, group.as_bytes());
                out.put_u32(len_u32(partitions.len()));
                for partition in partitions {
                    out.put_u32(partition.topic.0);
                    out.put_u32(partition.index);
                }
            }
            Self::DeleteGroup(group) => {
                out.put_u8(DELETE_GROUP);
                put_sized(out, group.as_bytes());
            }
            Self::SetTopicSettings { topic, settings } => {
                out.put_u8(SET_TOPIC_SETTINGS);
                out.put_u32(topic.0);
                settings.encode(out);
            }
            Self::AddPartitions { topic, partitions } => {
                out.put_u8(ADD_PARTITIONS);
                out.put_u32(topic.0);
                out.put_u32(*partitions);
            }
            Self::MoveLogStart { partition, offset } => {
                out.put_u8(MOVE_LOG_START);
                out.put_u32(partition.topic.0);
                out.put_u32(partition.index);
                out.put_i64(*offset);
            }
        }
    }

    /// Reads one entry; its bytes are shared with `reader`.
    ///
    /// # Errors
    /// [`CodecError`] when the bytes are cut short or a newer version wrote them.
    pub fn decode(reader: &mut Reader) -> Result<Self, CodecError> {
        Ok(match reader.u8()? {
            APPEND => {
                let partition = partition_id(reader)?;
                Self::Append { partition, batch: reader.sized()? }
            }
            CREATE_TOPIC => Self::CreateTopic(NewTopic::decode(reader)?),
            DELETE_TOPIC => Self::DeleteTopic(TopicId(reader.u32()?)),
            COMMIT_OFFSETS => {
                let group = reader.text("group")?;
                Self::CommitOffsets { group, offsets: offsets(reader)? }
            }
            RESERVE_PRODUCER_IDS => Self::ReserveProducerIds { next: reader.i64()? },
            STORE_GROUP => Self::StoreGroup(Arc::new(GroupMetadata::decode(reader)?)),
            DELETE_OFFSETS => {
                let group = reader.text("group")?;
                let mut partitions = Vec::new();
                for _ in 0..reader.u32()? {
                    partitions.push(partition_id(reader)?);
                }
                Self::DeleteOffsets { group, partitions }
            }
            DELETE_GROUP => Self::DeleteGroup(reader.text("group")?),
            SET_TOPIC_SETTINGS => {
                let topic = TopicId(reader.u32()?);
                Self::SetTopicSettings { topic, settings: TopicSettings::decode(reader)? }
            }
            ADD_PARTITIONS => {
                let topic = TopicId(reader.u32()?);
                Self::AddPartitions { topic, partitions: reader.u32()? }
            }
            MOVE_LOG_START => {
                let partition = partition_id(reader)?;
                Self::MoveLogStart { partition, offset: reader.i64()? }
            }
            kind => return Err(CodecError::Unknown { what: "entry kind", value: kind.into() }),
        })
    }

    /// The entries of a round's body.
    pub fn all(body: Bytes) -> impl Iterator<Item = Result<Self, CodecError>> {
        let mut reader = Reader(body);
        std::iter::from_fn(move || (!reader.is_empty()).then(|| Self::decode(&mut reader)))
    }
}

impl NewTopic {
    /// Writes the topic behind `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u32(self.id.0);
        out.put_slice(&self.uuid);
        out.put_u32(self.partitions);
        put_sized(out, self.name.as_str().as_bytes());
        self.settings.encode(out);
    }

    /// Reads what [`NewTopic::encode`] wrote.
    ///
    /// # Errors
    /// [`CodecError`] when the bytes are cut short or the name is not a topic name.
    pub fn decode(reader: &mut Reader) -> Result<Self, CodecError> {
        let id = TopicId(reader.u32()?);
        let uuid = reader.uuid()?;
        let partitions = reader.u32()?;
        let name = reader.text("topic name")?;
        let name = TopicName::parse(&name)
            .map_err(|_| CodecError::Unknown { what: "topic name of topic", value: id.0.into() })?;
        Ok(Self { id, uuid, name, partitions, settings: TopicSettings::decode(reader)? })
    }
}

fn partition_id(reader: &mut Reader) -> Result<PartitionId, CodecError> {
    Ok(PartitionId { topic: TopicId(reader.u32()?), index: reader.u32()? })
}

/// Writes committed offsets behind `out`.
pub fn put_offsets(out: &mut BytesMut, offsets: &[(PartitionId, CommittedOffset)]) {
    out.put_u32(len_u32(offsets.len()));
    for (partition, committed) in offsets {
        out.put_u32(partition.topic.0);
        out.put_u32(partition.index);
        out.put_i64(committed.offset);
        out.put_i32(committed.leader_epoch);
        out.put_i64(committed.committed_ms);
        put_sized(out, committed.metadata.as_bytes());
    }
}

/// Reads what [`put_offsets`] wrote.
///
/// # Errors
/// [`CodecError`] when the bytes are cut short.
pub fn offsets(reader: &mut Reader) -> Result<Vec<(PartitionId, CommittedOffset)>, CodecError> {
    let count = reader.u32()?;
    let mut offsets = Vec::new();
    for _ in 0..count {
        let partition = partition_id(reader)?;
        let offset = reader.i64()?;
        let leader_epoch = reader.i32()?;
        let committed_ms = reader.i64()?;
        let metadata = reader.text("commit metadata")?;
        offsets.push((partition, CommittedOffset { offset, leader_epoch, metadata, committed_ms }));
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::log::group_metadata::MemberMetadata;

    fn group_metadata() -> GroupMetadata {
        let member = |instance_id: Option<&str>| MemberMetadata {
            id: "m-1".to_owned(),
            instance_id: instance_id.map(str::to_owned),
            client_id: "c".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 60_000,
            subscription: Bytes::from_static(b"topics"),
            assignment: Bytes::from_static(b"partitions"),
        };
        GroupMetadata {
            group: "g".to_owned(),
            generation: 3,
            protocol_type: "consumer".to_owned(),
            protocol: "range".to_owned(),
            leader: "m-1".to_owned(),
            stored_ms: 1_700_000_000_000,
            members: vec![member(None), member(Some("")), member(Some("i-1"))],
        }
    }

    fn settings() -> TopicSettings {
        let mut settings = TopicSettings::default();
        settings.set("retention.ms", Some("5000")).unwrap();
        settings
    }

    fn one_of_each() -> Vec<Entry> {
        let partition = PartitionId { topic: TopicId(3), index: 1 };
        let committed = CommittedOffset {
            offset: 42,
            leader_epoch: -1,
            metadata: "mine".to_owned(),
            committed_ms: 1_700_000_000_000,
        };
        vec![
            Entry::Append { partition, batch: Bytes::from_static(b"not looked into here") },
            Entry::CreateTopic(NewTopic {
                id: TopicId(3),
                uuid: [9; 16],
                name: TopicName::parse("twin.events").unwrap(),
                partitions: 4,
                settings: settings(),
            }),
            Entry::DeleteTopic(TopicId(3)),
            Entry::CommitOffsets { group: "g".to_owned(), offsets: vec![(partition, committed)] },
            Entry::ReserveProducerIds { next: 1000 },
            Entry::SetTopicSettings { topic: TopicId(3), settings: settings() },
            Entry::AddPartitions { topic: TopicId(3), partitions: 7 },
            Entry::StoreGroup(Arc::new(group_metadata())),
            Entry::DeleteOffsets { group: "g".to_owned(), partitions: vec![partition] },
            Entry::DeleteGroup("g".to_owned()),
            Entry::MoveLogStart { partition, offset: 42 },
        ]
    }

    #[test]
    fn entries_read_back_in_order() {
        let mut body = BytesMut::new();
        for entry in one_of_each() {
            entry.encode(&mut body);
        }
        let read: Result<Vec<_>, _> = Entry::all(body.freeze()).collect();
        assert_eq!(read.unwrap(), one_of_each());
    }

    #[test]
    fn a_cut_entry_is_an_error_at_every_length() {
        for entry in one_of_each() {
            let mut body = BytesMut::new();
            entry.encode(&mut body);
            for end in 0..body.len() {
                let cut = Bytes::copy_from_slice(&body[..end]);
                assert!(Entry::decode(&mut Reader(cut)).is_err(), "{entry:?} cut at {end}");
            }
        }
    }

    #[test]
    fn a_kind_of_a_newer_version_is_named() {
        let error = Entry::decode(&mut Reader(Bytes::from_static(&[99]))).unwrap_err();
        assert_eq!(error, CodecError::Unknown { what: "entry kind", value: 99 });
    }
}
