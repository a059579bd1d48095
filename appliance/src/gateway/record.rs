//! An event as the record that the router publishes.
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pagi_protocol::PagiBaseEvent;

use crate::router::OutgoingRecord;

/// The record for `event`, created now, with these headers behind the event's own.
pub(super) fn outgoing(
    event: &PagiBaseEvent,
    key: Option<Bytes>,
    more: impl IntoIterator<Item = (&'static str, Bytes)>,
) -> OutgoingRecord {
    let message = event.to_kafka();
    let mut headers = message.headers;
    headers.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let timestamp_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    OutgoingRecord { key, value: message.value, headers, timestamp_ms }
}
