//! An event as it was read from a partition.
use bytes::Bytes;
use pagi_protocol::TopicName;

use crate::limits::RECORD_OVERHEAD_BYTES;

/// An event read from a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The topic.
    pub topic: TopicName,
    /// The partition in it.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970-01-01T00:00:00Z, as the record says.
    pub timestamp_ms: i64,
    /// The key, byte for byte.
    pub key: Option<Bytes>,
    /// Names and values, in the order of the record; a name may come again, a value may be null.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// The payload, byte for byte; none is a tombstone.
    pub value: Option<Bytes>,
}

impl Event {
    /// What it counts in memory: what it carries, and a fixed overhead.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let bytes = |part: &Option<Bytes>| part.as_ref().map_or(0, Bytes::len);
        let headers = self.headers.iter().map(|(name, value)| name.len() + bytes(value));
        bytes(&self.key) + bytes(&self.value) + headers.sum::<usize>() + RECORD_OVERHEAD_BYTES
    }
}
