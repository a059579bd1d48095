//! The checkpoint: everything that the write-ahead log need no longer hold.
//!
//! ```text
//! magic 8 bytes | format u32 | crc u32 | length u32 | body
//! ```
//! The CRC32C covers the body. A format is never read by a version that does not know it.
use std::cmp::Ordering;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::bytes_codec::{CodecError, Reader, len_u32, put_sized};
use super::entry::{CommittedOffset, offsets, put_offsets};
use super::group_metadata::GroupMetadata;
use super::ids::{PartitionId, Salt, Sequence, TopicId};
use super::index::Progress;
use super::partition::Segment;
use super::state::LogState;

/// The format that this version writes.
pub const FORMAT: u32 = 2;

const MAGIC: [u8; 8] = *b"PAGI-LOG";

/// Why a checkpoint could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It does not begin as a checkpoint does.
    #[error("it is not a checkpoint of pagi-appliance")]
    NotOurs,
    /// A newer version wrote it.
    #[error("it has format {0}, this version reads format {FORMAT}: use a newer pagi-appliance")]
    NewerFormat(u32),
    /// A version before the first release wrote it.
    #[error("it has format {0}, this version reads format {FORMAT}: no release wrote that format")]
    OlderFormat(u32),
    /// Its bytes are not what was written.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

impl From<CodecError> for CheckpointError {
    fn from(error: CodecError) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// The files of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionFiles {
    /// The partition.
    pub partition: PartitionId,
    /// The offset of its first record.
    pub log_start: i64,
    /// Its segments, oldest first.
    pub segments: Vec<Segment>,
}

/// What a group committed.
pub type GroupOffsets = Vec<(String, Vec<(PartitionId, CommittedOffset)>)>;

/// A place in the write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalPosition {
    /// The number of the file.
    pub file: u32,
    /// Bytes from its beginning.
    pub offset: u64,
}

/// A file of the write-ahead log, so that one that was cut or is gone is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalFileSize {
    /// Its number.
    pub number: u32,
    /// Its size in bytes, which never changes.
    pub bytes: u64,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The cluster's id, as clients see it.
    pub cluster_id: [u8; 16],
    /// The folder's random number.
    pub salt: Salt,
    /// The last round that is in here.
    pub sequence: Sequence,
    /// Where the write-ahead log went on behind that round.
    pub position: WalPosition,
    /// The files that the write-ahead log has. There may be newer ones.
    pub wal_files: Vec<WalFileSize>,
    /// Topics, ends and producers.
    pub state: LogState,
    /// The partitions that have files.
    pub files: Vec<PartitionFiles>,
    /// The groups' offsets, sorted by group.
    pub offsets: GroupOffsets,
    /// The groups' members, sorted by group.
    pub groups: Vec<Arc<GroupMetadata>>,
}

impl Checkpoint {
    /// The bytes of the file.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut body = BytesMut::new();
        body.put_slice(&self.cluster_id);
        body.put_u64(self.salt.0);
        body.put_u64(self.sequence.0);
        body.put_u32(self.position.file);
        body.put_u64(self.position.offset);
        body.put_u32(len_u32(self.wal_files.len()));
        for file in &self.wal_files {
            body.put_u32(file.number);
            body.put_u64(file.bytes);
        }
        self.state.encode(&mut body);
        body.put_u32(len_u32(self.files.len()));
        for files in &self.files {
            put_files(&mut body, files);
        }
        body.put_u32(len_u32(self.offsets.len()));
        for (group, offsets) in &self.offsets {
            put_sized(&mut body, group.as_bytes());
            put_offsets(&mut body, offsets);
        }
        body.put_u32(len_u32(self.groups.len()));
        for group in &self.groups {
            group.encode(&mut body);
        }
        let mut out = BytesMut::with_capacity(20 + body.len());
        out.put_slice(&MAGIC);
        out.put_u32(FORMAT);
        out.put_u32(crc32c::crc32c(&body));
        put_sized(&mut out, &body);
        out.freeze()
    }

    /// Reads what [`Checkpoint::encode`] wrote.
    ///
    /// # Errors
    /// [`CheckpointError`], never a part of it.
    pub fn decode(bytes: Bytes) -> Result<Self, CheckpointError> {
        let mut reader = Reader(bytes);
        if reader.take(MAGIC.len()).is_ok_and(|magic| magic != MAGIC.as_slice()) {
            return Err(CheckpointError::NotOurs);
        }
        let format = reader.u32()?;
        match format.cmp(&FORMAT) {
            Ordering::Greater => return Err(CheckpointError::NewerFormat(format)),
            Ordering::Less => return Err(CheckpointError::OlderFormat(format)),
            Ordering::Equal => {}
        }
        let crc = reader.u32()?;
        let body = reader.sized()?;
        if crc32c::crc32c(&body) != crc || !reader.is_empty() {
            return Err(CheckpointError::Damaged("its CRC does not match".to_owned()));
        }
        Ok(Self::decode_body(&mut Reader(body))?)
    }

    fn decode_body(reader: &mut Reader) -> Result<Self, CodecError> {
        let cluster_id = reader.uuid()?;
        let salt = Salt(reader.u64()?);
        let sequence = Sequence(reader.u64()?);
        let position = WalPosition { file: reader.u32()?, offset: reader.u64()? };
        let mut wal_files = Vec::new();
        for _ in 0..reader.u32()? {
            wal_files.push(WalFileSize { number: reader.u32()?, bytes: reader.u64()? });
        }
        let state = LogState::decode(reader)?;
        let mut files = Vec::new();
        for _ in 0..reader.u32()? {
            files.push(take_files(reader)?);
        }
        let mut committed = Vec::new();
        for _ in 0..reader.u32()? {
            committed.push((reader.text("group")?, offsets(reader)?));
        }
        let mut groups = Vec::new();
        for _ in 0..reader.u32()? {
            groups.push(Arc::new(GroupMetadata::decode(reader)?));
        }
        let offsets = committed;
        Ok(Self { cluster_id, salt, sequence, position, wal_files, state, files, offsets, groups })
    }
}

fn put_files(out: &mut BytesMut, files: &PartitionFiles) {
    out.put_u32(files.partition.topic.0);
    out.put_u32(files.partition.index);
    out.put_i64(files.log_start);
    out.put_u32(len_u32(files.segments.len()));
    for segment in &files.segments {
        out.put_i64(segment.base_offset);
        out.put_i64(segment.next_offset);
        out.put_u64(segment.log_bytes);
        out.put_u64(segment.index_bytes);
        out.put_i64(segment.first_timestamp);
        out.put_u64(segment.progress.indexed_to);
        out.put_i64(segment.progress.max_timestamp);
    }
}

fn take_files(reader: &mut Reader) -> Result<PartitionFiles, CodecError> {
    let partition = PartitionId { topic: TopicId(reader.u32()?), index: reader.u32()? };
    let log_start = reader.i64()?;
    let mut segments = Vec::new();
    for _ in 0..reader.u32()? {
        segments.push(Segment {
            base_offset: reader.i64()?,
            next_offset: reader.i64()?,
            log_bytes: reader.u64()?,
            index_bytes: reader.u64()?,
            first_timestamp: reader.i64()?,
            progress: Progress { indexed_to: reader.u64()?, max_timestamp: reader.i64()? },
        });
    }
    Ok(PartitionFiles { partition, log_start, segments })
}

#[cfg(test)]
mod tests {
    use pagi_protocol::TopicName;

    use super::super::entry::Entry;
    use super::super::settings::TopicSettings;
    use super::*;

    fn sample() -> Checkpoint {
        let partition = PartitionId { topic: TopicId(1), index: 0 };
        let mut state = LogState::default();
        let name = TopicName::parse("orders").unwrap();
        let topic = state.plan_topic(&name, 2, [7; 16], TopicSettings::default()).unwrap();
        state.apply(&Entry::CreateTopic(topic), 0);
        let segment = Segment {
            base_offset: 0,
            next_offset: 12,
            log_bytes: 5000,
            index_bytes: 16,
            first_timestamp: 90,
            progress: Progress { indexed_to: 4100, max_timestamp: 99 },
        };
        let committed = CommittedOffset {
            offset: 3,
            leader_epoch: 0,
            metadata: String::new(),
            committed_ms: 5,
        };
        Checkpoint {
            cluster_id: [1; 16],
            salt: Salt(77),
            sequence: Sequence(5),
            position: WalPosition { file: 1, offset: 8192 },
            wal_files: vec![WalFileSize { number: 1, bytes: 1 << 20 }],
            state,
            files: vec![PartitionFiles { partition, log_start: 0, segments: vec![segment] }],
            offsets: vec![("g".to_owned(), vec![(partition, committed)])],
            groups: vec![Arc::new(GroupMetadata { group: "g".to_owned(), ..Default::default() })],
        }
    }

    #[test]
    fn it_reads_back() {
        assert_eq!(Checkpoint::decode(sample().encode()).unwrap(), sample());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = sample().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Checkpoint::decode(flipped.into()).is_err(), "bit {bit}");
        }
        for end in 0..bytes.len() {
            assert!(Checkpoint::decode(bytes.slice(..end)).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn another_format_is_refused_by_name() {
        let mut bytes = sample().encode().to_vec();
        bytes[11] = 3;
        let error = Checkpoint::decode(bytes.clone().into()).unwrap_err();
        assert_eq!(error, CheckpointError::NewerFormat(3));
        bytes[11] = 1;
        let error = Checkpoint::decode(bytes.into()).unwrap_err();
        assert_eq!(error, CheckpointError::OlderFormat(1));
    }
}
