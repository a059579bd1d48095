//! What is published: the lines of the file that `PAGI_TEST_EVENTS` names, or events made here.
use std::fs;

/// One event as its sender has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) key: Option<String>,
    /// JSON, to be delivered byte for byte.
    pub(crate) body: Vec<u8>,
}

const MADE_COUNT: usize = 300;
const MADE_BYTES_MAX: usize = 27 * 1024;

/// The events to test with, in order.
pub(crate) fn all() -> Vec<Event> {
    match std::env::var_os("PAGI_TEST_EVENTS") {
        Some(path) => {
            let text = fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("PAGI_TEST_EVENTS {}: {error}", path.display()));
            text.lines().map(from_line).collect()
        }
        None => (0..MADE_COUNT).map(made).collect(),
    }
}

fn from_line(line: &str) -> Event {
    let value: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
    let key = value.get("key").and_then(|key| key.as_str()).map(str::to_owned);
    Event { key, body: line.as_bytes().to_vec() }
}

/// JSON whose bytes would change if anything parsed and printed it again, of every size.
fn made(number: usize) -> Event {
    let text = [
        "plain",
        "żółć",
        "日本語",
        "🦀\u{1F9D1}\u{200D}\u{1F680}",
        "a\\u0000b",
        "\\ud83e\\udd80 \\\\ \\\"",
    ];
    let spaces = " ".repeat(number % 4);
    let filler = "0123456789abcdef".repeat(number * MADE_BYTES_MAX / MADE_COUNT / 16);
    let body = match number {
        0 => "0".to_owned(),
        1 => "\"\"".to_owned(),
        2 => "null".to_owned(),
        3 => "[1.0, 1e2,\t-0.0]".to_owned(),
        _ => format!(
            "{{\"number\":{spaces}{number},\"text\":\"{}\",\"twice\":1,\"twice\":1.50,{spaces}\"filler\":\"{filler}\"}}",
            text[number % text.len()]
        ),
    };
    let key =
        (!number.is_multiple_of(5)).then(|| format!("key {}/{}", number % 7, text[number % 4]));
    Event { key, body: body.into_bytes() }
}

#[test]
fn made_events_are_json_of_many_sizes() {
    let events: Vec<_> = (0..MADE_COUNT).map(made).collect();
    for event in &events {
        serde_json::from_slice::<serde::de::IgnoredAny>(&event.body).unwrap();
    }
    let longest = events.iter().map(|event| event.body.len()).max().unwrap();
    assert!((25_000..=MADE_BYTES_MAX + 512).contains(&longest), "{longest}");
}
