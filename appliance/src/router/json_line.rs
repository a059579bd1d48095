//! One event as one line of JSON, from which key, payload and headers can be had back byte for
//! byte.
//!
//! Text that is UTF-8 becomes a JSON string under its plain name (`payload`); anything else
//! becomes base64 under the name with `_base64` behind it. A null stays null.
//!
//! **References.** RFC 8259; RFC 4648 section 4.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};

use super::event::Event;

/// Appends the line, with its line end.
pub(super) fn append(line: &mut Vec<u8>, event: &Event) {
    line.extend_from_slice(b"{\"topic\":");
    append_string(line, event.topic.as_str());
    line.extend_from_slice(b",\"partition\":");
    line.extend_from_slice(event.partition.to_string().as_bytes());
    line.extend_from_slice(b",\"offset\":");
    line.extend_from_slice(event.offset.to_string().as_bytes());
    line.extend_from_slice(b",\"timestamp\":");
    match DateTime::from_timestamp_millis(event.timestamp_ms) {
        Some(at) => append_string(line, &at.to_rfc3339_opts(SecondsFormat::Millis, true)),
        None => line.extend_from_slice(b"null"),
    }
    line.push(b',');
    append_member(line, "key", event.key.as_ref());
    line.extend_from_slice(b",\"headers\":{");
    for (index, (name, value)) in event.headers.iter().enumerate() {
        if index > 0 {
            line.push(b',');
        }
        append_member(line, name, value.as_ref());
    }
    line.extend_from_slice(b"},");
    append_member(line, "payload", event.value.as_ref());
    line.extend_from_slice(b"}\n");
}

fn append_member(line: &mut Vec<u8>, name: &str, value: Option<&Bytes>) {
    match value.map(|value| std::str::from_utf8(value).map_err(|_| value)) {
        None => {
            append_string(line, name);
            line.extend_from_slice(b":null");
        }
        Some(Ok(text)) => {
            append_string(line, name);
            line.push(b':');
            append_string(line, text);
        }
        Some(Err(bytes)) => {
            append_string(line, &format!("{name}_base64"));
            line.push(b':');
            append_string(line, &BASE64.encode(bytes));
        }
    }
}

fn append_string(line: &mut Vec<u8>, text: &str) {
    // Writing a string to memory cannot fail.
    let _ = serde_json::to_writer(line, text);
}

#[cfg(test)]
mod tests {
    use pagi_protocol::TopicName;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn event(key: Option<Bytes>, value: Option<Bytes>) -> Event {
        Event {
            topic: TopicName::parse("twin.events").unwrap(),
            partition: 3,
            offset: 42,
            timestamp_ms: 1_700_000_000_123,
            key,
            headers: vec![
                ("ce_type".to_owned(), Some(Bytes::from_static(b"x"))),
                ("nothing".to_owned(), None),
                ("raw".to_owned(), Some(Bytes::from_static(b"\xff"))),
            ],
            value,
        }
    }

    fn line(event: &Event) -> String {
        let mut line = Vec::new();
        append(&mut line, event);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_line_tells_everything_about_the_event() {
        let event = event(Some(Bytes::from_static(b"k")), Some(Bytes::from_static(b"{\"a\": 1}")));
        assert_eq!(
            line(&event),
            "{\"topic\":\"twin.events\",\"partition\":3,\"offset\":42,\
             \"timestamp\":\"2023-11-14T22:13:20.123Z\",\"key\":\"k\",\
             \"headers\":{\"ce_type\":\"x\",\"nothing\":null,\"raw_base64\":\"/w==\"},\
             \"payload\":\"{\\\"a\\\": 1}\"}\n"
        );
    }

    #[test]
    fn nothing_is_null_and_empty_is_empty() {
        let json: Value = serde_json::from_str(&line(&event(None, Some(Bytes::new())))).unwrap();
        assert_eq!((&json["key"], &json["payload"]), (&Value::Null, &Value::from("")));
    }

    fn recover(json: &Value, name: &str) -> Vec<u8> {
        match json.get(name) {
            Some(text) => text.as_str().unwrap().as_bytes().to_vec(),
            None => BASE64.decode(json[format!("{name}_base64")].as_str().unwrap()).unwrap(),
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back_and_stay_on_one_line(key: Vec<u8>, value: Vec<u8>, text: String) {
            for value in [value, text.into_bytes()] {
                let event = event(Some(key.clone().into()), Some(value.clone().into()));
                let line = line(&event);
                prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
                let json: Value = serde_json::from_str(&line).unwrap();
                prop_assert_eq!(recover(&json, "payload"), value);
                prop_assert_eq!(recover(&json, "key"), key.clone());
            }
        }
    }
}
