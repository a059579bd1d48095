//! A record on its way to the broker, and the receipt for one that is stored.
use bytes::Bytes;
use chrono::{DateTime, Utc};
use pagi_protocol::{ErrorCode, PagiError, TopicName};
use rskafka::record::Record;

use crate::limits::RECORD_OVERHEAD_BYTES;

/// A record to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingRecord {
    /// Decides the partition; none spreads records over all partitions. An empty key is a key.
    pub key: Option<Bytes>,
    /// The payload; none is a tombstone.
    pub value: Option<Bytes>,
    /// Names and values. Of several headers with one name only the last is sent, and they are
    /// sent sorted by name (a property of `rskafka`).
    pub headers: Vec<(String, Bytes)>,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub timestamp_ms: i64,
}

impl OutgoingRecord {
    /// The record's share of byte limits: what it carries, and a fixed overhead.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len() + 8);
        self.key.as_ref().map_or(0, Bytes::len)
            + self.value.as_ref().map_or(0, Bytes::len)
            + headers.sum::<usize>()
            + RECORD_OVERHEAD_BYTES
    }

    /// The form `rskafka` sends. The record itself stays, since it may have to be sent again.
    pub(super) fn to_wire(&self, timestamp: DateTime<Utc>) -> Record {
        Record {
            key: self.key.as_deref().map(<[u8]>::to_vec),
            value: self.value.as_deref().map(<[u8]>::to_vec),
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), value.to_vec()))
                .collect(),
            timestamp,
        }
    }

    /// The timestamp as a date.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidEvent`] when it is more than about 262,000 years away.
    pub(super) fn timestamp(&self) -> Result<DateTime<Utc>, PagiError> {
        DateTime::from_timestamp_millis(self.timestamp_ms).ok_or_else(|| {
            PagiError::new(
                ErrorCode::InvalidEvent,
                format!("timestamp_ms {} is not a date", self.timestamp_ms),
            )
        })
    }
}

/// Where a record is stored. It exists only for a record that the broker has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The topic.
    pub topic: TopicName,
    /// The partition in it.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_stays_null_and_an_empty_key_stays_empty() {
        let record = OutgoingRecord {
            key: Some(Bytes::new()),
            value: None,
            headers: vec![("a".to_owned(), Bytes::from_static(b"1"))],
            timestamp_ms: 1_700_000_000_123,
        };
        let wire = record.to_wire(record.timestamp().unwrap());
        assert_eq!((wire.key, wire.value), (Some(vec![]), None));
        assert_eq!(wire.headers["a"], b"1");
        assert_eq!(wire.timestamp.timestamp_millis(), 1_700_000_000_123);
    }

    #[test]
    fn an_absurd_timestamp_is_an_error_not_a_panic() {
        let record =
            OutgoingRecord { key: None, value: None, headers: vec![], timestamp_ms: i64::MAX };
        assert_eq!(record.timestamp().unwrap_err().code(), ErrorCode::InvalidEvent);
    }
}
