//! `PagiBaseEvent`: the common event of every PAGI service, a `CloudEvents` 1.0 event.
//!
//! The data is kept as the bytes that came: nothing on the way parses and prints them again.
//! Its wire forms are in [`crate::cloudevents`].
//!
//! **Invariants.** `id`, `source` and `type` are not empty; no attribute holds control characters
//! or more than [`ATTRIBUTE_BYTES_MAX`] bytes; an extension's name is lower-case letters and digits
//! and none of the names the specification has taken; there are at most [`EXTENSIONS_MAX`].
//!
//! **References.** CloudEvents 1.0.2, sections "Context Attributes" and "Type System".
use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};

use crate::error::{ErrorCode, PagiError};

/// The only specification version that is understood.
pub const SPEC_VERSION: &str = "1.0";
/// The longest attribute value, in bytes.
pub const ATTRIBUTE_BYTES_MAX: usize = 4096;
/// The most extension attributes on one event.
pub const EXTENSIONS_MAX: usize = 64;
/// The longest name of an extension attribute, in bytes.
pub const EXTENSION_NAME_BYTES_MAX: usize = 64;
/// The extension that names the Kafka record key (`CloudEvents` partitioning extension).
pub const PARTITION_KEY: &str = "partitionkey";

const RESERVED_NAMES: [&str; 10] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "data",
    "data_base64",
];

/// The common event of every PAGI service: `CloudEvents` 1.0 attributes, and data as raw bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct PagiBaseEvent {
    id: String,
    source: String,
    event_type: String,
    subject: Option<String>,
    time: Option<EventTime>,
    data_content_type: Option<String>,
    data_schema: Option<String>,
    extensions: BTreeMap<String, ExtensionValue>,
    data: Option<Bytes>,
}

impl PagiBaseEvent {
    /// An event with its required attributes and nothing else.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidEvent`] when one is empty, too long, or holds control characters.
    pub fn new(
        id: impl Into<String>,
        source: impl Into<String>,
        event_type: impl Into<String>,
    ) -> Result<Self, PagiError> {
        Ok(Self {
            id: checked("id", id.into())?,
            source: checked("source", source.into())?,
            event_type: checked("type", event_type.into())?,
            subject: None,
            time: None,
            data_content_type: None,
            data_schema: None,
            extensions: BTreeMap::new(),
            data: None,
        })
    }

    /// A new event to try things with: its own id, the current time and a small JSON payload.
    #[must_use]
    pub fn sample() -> Self {
        Self {
            id: new_id(),
            source: "/pagi/router".to_owned(),
            event_type: "pagi.test.sample".to_owned(),
            subject: Some("twin-1".to_owned()),
            time: Some(EventTime::now()),
            data_content_type: Some("application/json".to_owned()),
            data_schema: None,
            extensions: BTreeMap::new(),
            data: Some(Bytes::from_static(br#"{"message":"hello from PAGI","twin_id":"twin-1"}"#)),
        }
    }

    /// The same event about `subject`.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidEvent`] when it is empty, too long, or holds control characters.
    pub fn with_subject(mut self, subject: impl Into<String>) -> Result<Self, PagiError> {
        self.subject = Some(checked("subject", subject.into())?);
        Ok(self)
    }

    /// The same event at `time`.
    #[must_use]
    pub fn with_time(mut self, time: EventTime) -> Self {
        self.time = Some(time);
        self
    }

    /// The same event whose data is described by the schema at `uri`.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidEvent`] when it is empty, too long, or holds control characters.
    pub fn with_data_schema(mut self, uri: impl Into<String>) -> Result<Self, PagiError> {
        self.data_schema = Some(checked("dataschema", uri.into())?);
        Ok(self)
    }

    /// The same event with one more extension attribute, or another value for it.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidEvent`] when the name or the value breaks the rules.
    pub fn with_extension(
        mut self,
        name: impl Into<String>,
        value: impl Into<ExtensionValue>,
    ) -> Result<Self, PagiError> {
        let name = checked_extension_name(name.into())?;
        let mut value = value.into();
        if let ExtensionValue::Text(text) = value {
            value = ExtensionValue::Text(checked_text(&name, text)?);
        }
        self.extensions.insert(name, value);
        if self.extensions.len() > EXTENSIONS_MAX {
            return Err(invalid(format!("more than {EXTENSIONS_MAX} extension attributes")));
        }
        Ok(self)
    }

    /// The same event with the media type of its data.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidEvent`] when it is empty, too long, or holds control characters.
    pub fn with_data_content_type(mut self, media: impl Into<String>) -> Result<Self, PagiError> {
        self.data_content_type = Some(checked("datacontenttype", media.into())?);
        Ok(self)
    }

    /// The same event with these bytes as its data. They are not looked at.
    #[must_use]
    pub fn with_data(mut self, data: Bytes) -> Self {
        self.data = Some(data);
        self
    }

    /// Names the event; source and id together are unique.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it happened, a URI reference.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What kind of thing happened.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// What it happened to.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// When it happened.
    #[must_use]
    pub const fn time(&self) -> Option<&EventTime> {
        self.time.as_ref()
    }

    /// The media type of the data; `None` means JSON.
    #[must_use]
    pub fn data_content_type(&self) -> Option<&str> {
        self.data_content_type.as_deref()
    }

    /// The schema of the data, a URI.
    #[must_use]
    pub fn data_schema(&self) -> Option<&str> {
        self.data_schema.as_deref()
    }

    /// Every extension attribute, by name.
    #[must_use]
    pub const fn extensions(&self) -> &BTreeMap<String, ExtensionValue> {
        &self.extensions
    }

    /// The value of the extension that names the Kafka record key, where there is one.
    #[must_use]
    pub fn partition_key(&self) -> Option<String> {
        self.extensions.get(PARTITION_KEY).map(ToString::to_string)
    }

    /// The payload, byte for byte as it came.
    #[must_use]
    pub const fn data(&self) -> Option<&Bytes> {
        self.data.as_ref()
    }

    /// Whether the data is declared to be JSON: `application/json`, any `+json`, or nothing said.
    #[must_use]
    pub fn data_is_json(&self) -> bool {
        self.data_content_type.as_deref().is_none_or(media_type_is_json)
    }
}

/// A fresh event id: a UUID of version 7, so that ids sort by the time they were made.
#[must_use]
pub fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Whether a media type says JSON, parameters aside.
#[must_use]
pub fn media_type_is_json(media: &str) -> bool {
    let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.split_once('/').is_some_and(|(_, sub)| sub == "json" || sub.ends_with("+json"))
}

/// A moment as RFC 3339 text, kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTime(String);

impl EventTime {
    /// The current time, to the millisecond, in UTC.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// Checks that `text` is an RFC 3339 timestamp.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidEvent`] when it is not one.
    pub fn parse(text: impl Into<String>) -> Result<Self, PagiError> {
        let text = text.into();
        match DateTime::parse_from_rfc3339(&text) {
            Ok(_) => Ok(Self(text)),
            Err(error) => Err(invalid(format!("time is not an RFC 3339 timestamp: {error}"))),
        }
    }

    /// The text, as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// To the millisecond, in UTC.
impl From<SystemTime> for EventTime {
    fn from(moment: SystemTime) -> Self {
        Self(DateTime::<Utc>::from(moment).to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// The value of an extension attribute. Kafka and HTTP headers carry every kind as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtensionValue {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number of 32 bits, with a sign.
    Integer(i32),
    /// Everything else.
    Text(String),
}

impl fmt::Display for ExtensionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

impl From<&str> for ExtensionValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for ExtensionValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

fn checked(name: &str, value: String) -> Result<String, PagiError> {
    if value.is_empty() {
        return Err(invalid(format!("{name} is empty")));
    }
    checked_text(name, value)
}

fn checked_text(name: &str, value: String) -> Result<String, PagiError> {
    if value.len() > ATTRIBUTE_BYTES_MAX {
        let bytes = value.len();
        return Err(invalid(format!(
            "{name} has {bytes} bytes, the limit is {ATTRIBUTE_BYTES_MAX}"
        )));
    }
    match value.chars().find(|c| c.is_control()) {
        Some(bad) => Err(invalid(format!("{name} holds the control character {bad:?}"))),
        None => Ok(value),
    }
}

fn checked_extension_name(name: String) -> Result<String, PagiError> {
    let well_formed = !name.is_empty()
        && name.len() <= EXTENSION_NAME_BYTES_MAX
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !well_formed {
        return Err(invalid(format!(
            "{name:?} is not an attribute name: use 1 to {EXTENSION_NAME_BYTES_MAX} of a-z and 0-9"
        )));
    }
    if RESERVED_NAMES.contains(&name.as_str()) {
        return Err(invalid(format!("{name:?} is not the name of an extension")));
    }
    Ok(name)
}

fn invalid(detail: String) -> PagiError {
    PagiError::new(ErrorCode::InvalidEvent, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_required_attributes_must_say_something() {
        for (id, source, event_type, named) in
            [("", "/s", "t", "id"), ("1", "", "t", "source"), ("1", "/s", "", "type")]
        {
            let error = PagiBaseEvent::new(id, source, event_type).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidEvent);
            assert!(error.detail().starts_with(named), "{error}");
        }
    }

    #[test]
    fn attributes_hold_no_control_characters_and_are_bounded() {
        let event = PagiBaseEvent::new("1", "/s", "t").unwrap();
        assert!(event.clone().with_subject("a\r\nb").is_err());
        assert!(event.clone().with_subject("a".repeat(ATTRIBUTE_BYTES_MAX + 1)).is_err());
        assert!(event.with_subject("a".repeat(ATTRIBUTE_BYTES_MAX)).is_ok());
    }

    #[test]
    fn extension_names_are_lower_case_letters_and_digits_not_taken_by_the_specification() {
        let event = PagiBaseEvent::new("1", "/s", "t").unwrap();
        assert!(event.clone().with_extension("tenant2", "x").is_ok());
        for name in ["", "Tenant", "ten-ant", "data", "specversion", &"a".repeat(65)] {
            assert!(event.clone().with_extension(name, "x").is_err(), "{name:?}");
        }
    }

    #[test]
    fn extensions_are_counted() {
        let mut event = PagiBaseEvent::new("1", "/s", "t").unwrap();
        for n in 0..EXTENSIONS_MAX {
            event = event.with_extension(format!("x{n}"), "v").unwrap();
        }
        assert!(event.with_extension("onemore", "v").is_err());
    }

    #[test]
    fn time_is_rfc_3339_and_keeps_its_text() {
        let text = "2024-02-29T23:59:59.120+05:30";
        assert_eq!(EventTime::parse(text).unwrap().as_str(), text);
        assert!(EventTime::parse("yesterday").is_err());
        assert!(EventTime::parse(EventTime::now().as_str()).is_ok());
    }

    #[test]
    fn json_media_types_are_recognised() {
        for media in ["application/json", "Application/JSON; charset=utf-8", "text/x+json"] {
            assert!(media_type_is_json(media), "{media}");
        }
        for media in ["text/plain", "json", "application/jsonx", ""] {
            assert!(!media_type_is_json(media), "{media}");
        }
    }

    #[test]
    fn every_sample_has_its_own_id() {
        assert_ne!(PagiBaseEvent::sample().id(), PagiBaseEvent::sample().id());
    }
}
