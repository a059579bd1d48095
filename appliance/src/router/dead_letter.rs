//! What a dead letter looks like: the record of the event, and headers that tell its story.
//!
//! **Invariants.** Key and value are those of the event, byte for byte. Its headers are there too,
//! but for a null value, which is empty here. Of an earlier story nothing is kept. Taking the story
//! off again ([`restored`]) gives the record that was read.
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};

use super::event::Event;
use super::record::OutgoingRecord;
use crate::limits::DEAD_LETTER_REASON_BYTES_MAX;

/// What the names of the headers that tell the story begin with.
const PREFIX: &str = "pagi_dlq_";

/// How an event became a dead letter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Story<'a> {
    /// What was wrong.
    pub(super) reason: &'a str,
    /// How often it was tried.
    pub(super) tries: u32,
    /// Which group gave it up.
    pub(super) group: &'a str,
    /// When, in milliseconds since 1970-01-01T00:00:00Z.
    pub(super) now_ms: i64,
}

/// The dead letter of an event. Its timestamp is now, since retention goes by it.
pub(super) fn of(event: &Event, story: Story<'_>) -> OutgoingRecord {
    let told = [
        ("reason", shortened(story.reason).to_owned()),
        ("topic", event.topic.as_str().to_owned()),
        ("partition", event.partition.to_string()),
        ("offset", event.offset.to_string()),
        ("timestamp", rfc3339(event.timestamp_ms)),
        ("tries", story.tries.to_string()),
        ("group", story.group.to_owned()),
        ("at", rfc3339(story.now_ms)),
    ];
    let told = told.into_iter().map(|(name, value)| (format!("{PREFIX}{name}"), value.into()));
    OutgoingRecord {
        key: event.key.clone(),
        value: event.value.clone(),
        headers: original_headers(event).chain(told).collect(),
        timestamp_ms: story.now_ms,
    }
}

/// The record to send back to where the event came from.
pub(super) fn restored(letter: &Event, now_ms: i64) -> OutgoingRecord {
    OutgoingRecord {
        key: letter.key.clone(),
        value: letter.value.clone(),
        headers: original_headers(letter).collect(),
        timestamp_ms: now_ms,
    }
}

/// A part of a dead letter's story, such as `reason` or `topic`; nothing if the letter has none.
pub(super) fn told<'a>(letter: &'a Event, part: &str) -> Option<&'a str> {
    let mut headers = letter.headers.iter();
    let named = |name: &str| name.strip_prefix(PREFIX) == Some(part);
    let (_, value) = headers.find(|(name, _)| named(name))?;
    std::str::from_utf8(value.as_deref()?).ok()
}

/// The headers without the story.
fn original_headers(event: &Event) -> impl Iterator<Item = (String, Bytes)> {
    let own = event.headers.iter().filter(|(name, _)| !name.starts_with(PREFIX));
    own.map(|(name, value)| (name.clone(), value.clone().unwrap_or_default()))
}

/// No more than fits, and no half characters.
fn shortened(reason: &str) -> &str {
    reason.get(..reason.floor_char_boundary(DEAD_LETTER_REASON_BYTES_MAX)).unwrap_or(reason)
}

fn rfc3339(ms: i64) -> String {
    let at = DateTime::from_timestamp_millis(ms);
    at.map_or_else(|| ms.to_string(), |at| at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[cfg(test)]
mod tests {
    use pagi_protocol::TopicName;

    use super::*;

    fn event() -> Event {
        Event {
            topic: TopicName::parse("twin.events").unwrap(),
            partition: 3,
            offset: 42,
            timestamp_ms: 1_700_000_000_123,
            key: Some(Bytes::from_static(b"k\xff")),
            headers: vec![
                ("ce_id".to_owned(), Some(Bytes::from_static(b"1"))),
                ("nothing".to_owned(), None),
                ("pagi_dlq_reason".to_owned(), Some(Bytes::from_static(b"of an earlier life"))),
            ],
            value: Some(Bytes::from_static(b"\x00payload")),
        }
    }

    fn story(reason: &str) -> Story<'_> {
        Story { reason, tries: 10, group: "g", now_ms: 1_700_000_001_000 }
    }

    #[test]
    fn it_is_the_record_and_tells_why_when_and_from_where() {
        let record = of(&event(), story("HTTP 400"));
        assert_eq!((record.key, record.value), (event().key, event().value));
        assert_eq!(record.timestamp_ms, 1_700_000_001_000, "retention begins now");
        let headers: Vec<_> = record
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap()))
            .collect();
        assert_eq!(
            headers,
            [
                ("ce_id", "1"),
                ("nothing", ""),
                ("pagi_dlq_reason", "HTTP 400"),
                ("pagi_dlq_topic", "twin.events"),
                ("pagi_dlq_partition", "3"),
                ("pagi_dlq_offset", "42"),
                ("pagi_dlq_timestamp", "2023-11-14T22:13:20.123Z"),
                ("pagi_dlq_tries", "10"),
                ("pagi_dlq_group", "g"),
                ("pagi_dlq_at", "2023-11-14T22:13:21.000Z"),
            ]
        );
    }

    #[test]
    fn without_its_story_it_is_the_record_that_was_read() {
        let record = of(&event(), story("HTTP 400"));
        let headers = record.headers.into_iter().map(|(name, value)| (name, Some(value)));
        let letter = Event { headers: headers.collect(), ..event() };
        assert_eq!(told(&letter, "reason"), Some("HTTP 400"));
        assert_eq!(told(&letter, "topic"), Some("twin.events"));
        let back = restored(&letter, 7);
        assert_eq!((back.key, back.value, back.timestamp_ms), (event().key, event().value, 7));
        let names: Vec<_> = back.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ce_id", "nothing"]);
        assert_eq!(told(&Event { headers: vec![], ..event() }, "topic"), None);
    }

    #[test]
    fn a_long_reason_is_cut_between_two_characters() {
        let long = "é".repeat(DEAD_LETTER_REASON_BYTES_MAX);
        let reason = shortened(&long);
        assert!(reason.len() <= DEAD_LETTER_REASON_BYTES_MAX && long.starts_with(reason));
        assert!(reason.len() > DEAD_LETTER_REASON_BYTES_MAX - 2);
    }
}
