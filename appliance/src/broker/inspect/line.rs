//! One stored record as one line: JSON for programs, text for people.
//!
//! Bytes that are UTF-8 are a JSON string under their plain name; anything else is base64 under
//! the name with `_base64` behind it. A null stays null.
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use pagi_protocol::kafka::record::Record;
use serde_json::{Map, Value, json};

/// How a record is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A JSON object a line.
    #[default]
    Json,
    /// `topic/partition@offset`, time, key and value between tabs.
    Text,
}

/// Writes one record.
///
/// # Errors
/// As `out` gives them.
pub fn write(
    out: &mut dyn Write,
    format: Format,
    (topic, partition, offset): (&str, u32, i64),
    record: &Record,
) -> io::Result<()> {
    let at = DateTime::from_timestamp_millis(record.timestamp_ms);
    let at = at.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true));
    match format {
        Format::Json => {
            let mut headers = Vec::new();
            for header in &record.headers {
                let mut line = Map::new();
                line.insert("name".to_owned(), header.key.clone().into());
                put(&mut line, "value", header.value.as_ref());
                headers.push(Value::Object(line));
            }
            let mut line = Map::new();
            put(&mut line, "key", record.key.as_ref());
            put(&mut line, "value", record.value.as_ref());
            line.insert("headers".to_owned(), headers.into());
            let place = json!({"topic": topic, "partition": partition, "offset": offset});
            line.extend(place.as_object().cloned().unwrap_or_default());
            line.insert("timestamp".to_owned(), at.map_or(Value::Null, Value::String));
            writeln!(out, "{}", Value::Object(line))
        }
        Format::Text => {
            let at = at.unwrap_or_else(|| record.timestamp_ms.to_string());
            let (key, value) = (shown(record.key.as_ref()), shown(record.value.as_ref()));
            writeln!(out, "{topic}/{partition}@{offset}\t{at}\t{key}\t{value}")
        }
    }
}

fn put(line: &mut Map<String, Value>, name: &str, bytes: Option<&Bytes>) {
    let (name, value) = match bytes.map(|bytes| std::str::from_utf8(bytes).map_err(|_| bytes)) {
        None => (name.to_owned(), Value::Null),
        Some(Ok(text)) => (name.to_owned(), text.into()),
        Some(Err(bytes)) => (format!("{name}_base64"), BASE64.encode(bytes).into()),
    };
    line.insert(name, value);
}

fn shown(bytes: Option<&Bytes>) -> String {
    match bytes {
        None => "-".to_owned(),
        Some(bytes) => bytes.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: Format, record: &Record) -> String {
        let mut out = Vec::new();
        write(&mut out, format, ("orders", 2, 41), record).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_tells_where_a_record_is_and_what_it_holds() {
        let record = Record {
            timestamp_ms: 1_700_000_000_123,
            key: None,
            value: Some(Bytes::from_static(b"\xff\n")),
            ..Record::default()
        };
        let json: Value = serde_json::from_str(&line(Format::Json, &record)).unwrap();
        assert_eq!((&json["topic"], &json["partition"]), (&json!("orders"), &json!(2)));
        assert_eq!((&json["offset"], &json["key"]), (&json!(41), &Value::Null));
        assert_eq!(json["timestamp"], "2023-11-14T22:13:20.123Z");
        assert_eq!(json["value_base64"], "/wo=");
        let text = line(Format::Text, &record);
        assert_eq!(text, "orders/2@41\t2023-11-14T22:13:20.123Z\t-\t\\xff\\n\n");
    }
}
