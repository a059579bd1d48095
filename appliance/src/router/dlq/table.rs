//! Dead letters as lines of a table for people.
use std::borrow::Cow;

use crate::router::dead_letter::told;
use crate::router::event::Event;

/// The longest key and the longest reason that are shown, in characters.
const KEY_CHARS_MAX: usize = 24;
const REASON_CHARS_MAX: usize = 160;

/// What stands above the columns.
pub(super) fn head() -> String {
    row(["DEAD LETTER", "FROM", "SINCE", "TRIES", "KEY", "REASON"])
}

/// One dead letter.
pub(super) fn line(letter: &Event) -> String {
    let part = |name| told(letter, name).unwrap_or("?");
    let place = format!("{}/{}:{}", letter.topic, letter.partition, letter.offset);
    let from = format!("{}/{}:{}", part("topic"), part("partition"), part("offset"));
    let key = letter.key.as_deref().map_or(Cow::Borrowed("-"), String::from_utf8_lossy);
    row([
        &shown(&place, usize::MAX),
        &shown(&from, usize::MAX),
        &shown(part("at"), usize::MAX),
        &shown(part("tries"), usize::MAX),
        &shown(&key, KEY_CHARS_MAX),
        &shown(part("reason"), REASON_CHARS_MAX),
    ])
}

fn row([place, from, since, tries, key, reason]: [&str; 6]) -> String {
    format!("{place:<28} {from:<24} {since:<24} {tries:>5} {key:<12} {reason}")
}

/// Text that does nothing to a terminal.
fn shown(text: &str, chars_max: usize) -> String {
    let printable = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut shown: String = printable.clone().take(chars_max).collect();
    if printable.count() > chars_max {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pagi_protocol::TopicName;

    use super::*;

    fn letter(headers: &[(&str, &str)]) -> Event {
        let header = |(name, value): &(&str, &str)| {
            (format!("pagi_dlq_{name}"), Some(Bytes::copy_from_slice(value.as_bytes())))
        };
        Event {
            topic: TopicName::parse("t.dlq").unwrap(),
            partition: 0,
            offset: 3,
            timestamp_ms: 0,
            key: Some(Bytes::from_static(b"k")),
            headers: headers.iter().map(header).collect(),
            value: None,
        }
    }

    #[test]
    fn a_line_tells_where_from_when_and_why() {
        let story = [
            ("topic", "t"),
            ("partition", "1"),
            ("offset", "42"),
            ("at", "2023-11-14T22:13:21.000Z"),
            ("tries", "10"),
            ("reason", "HTTP 400"),
        ];
        let line = line(&letter(&story));
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(
            words,
            ["t.dlq/0:3", "t/1:42", "2023-11-14T22:13:21.000Z", "10", "k", "HTTP", "400"]
        );
        assert_eq!(head().find("REASON"), line.find("HTTP"), "under its head");
    }

    #[test]
    fn what_it_tells_does_nothing_to_a_terminal() {
        let line = line(&letter(&[("reason", "\x1b[2J\nx")]));
        assert!(line.ends_with("\u{fffd}[2J\u{fffd}x") && !line.contains(char::is_control));
    }

    #[test]
    fn what_has_no_story_is_shown_all_the_same() {
        assert!(line(&letter(&[])).contains("?/?:?"));
        let long = "x".repeat(1_000);
        assert!(line(&letter(&[("reason", &long)])).ends_with("x…"));
    }
}
