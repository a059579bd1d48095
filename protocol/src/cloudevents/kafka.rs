//! The Kafka protocol binding: attributes as `ce_` record headers, data as the record's value.
//!
//! **Invariants.** Written in binary mode, so that the record's value is the data byte for byte;
//! an event without data is a record without a value. Read in both modes. A `null` header value is
//! as if the header were not there. The record key is the `partitionkey` extension when written,
//! and is ignored when read, since a producer may have keyed the record by something else.
//!
//! **References.** CloudEvents 1.0.2 Kafka protocol binding, section 3.
use bytes::Bytes;

use super::draft::Draft;
use crate::error::{ErrorCode, PagiError};
use crate::event::{ExtensionValue, PagiBaseEvent, SPEC_VERSION};

/// The record header that carries the media type of the value.
pub const CONTENT_TYPE: &str = "content-type";

const ATTRIBUTE_PREFIX: &str = "ce_";
const STRUCTURED_MEDIA: &str = "application/cloudevents";

/// The parts of a Kafka record that carry an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KafkaMessage {
    /// The record key.
    pub key: Option<Bytes>,
    /// The record headers, in order: `ce_specversion` first, `content-type` last.
    pub headers: Vec<(String, Bytes)>,
    /// The record value.
    pub value: Option<Bytes>,
}

impl PagiBaseEvent {
    /// The event as a Kafka record, in binary mode.
    #[must_use]
    pub fn to_kafka(&self) -> KafkaMessage {
        let mut headers = Vec::with_capacity(9 + self.extensions().len());
        let mut push = |name: &str, value: Bytes| headers.push((name.to_owned(), value));
        push("ce_specversion", Bytes::from_static(SPEC_VERSION.as_bytes()));
        let attributes = [
            ("ce_id", Some(self.id())),
            ("ce_source", Some(self.source())),
            ("ce_type", Some(self.event_type())),
            ("ce_subject", self.subject()),
            ("ce_time", self.time().map(crate::event::EventTime::as_str)),
            ("ce_dataschema", self.data_schema()),
        ];
        for (name, value) in attributes {
            if let Some(value) = value {
                push(name, Bytes::copy_from_slice(value.as_bytes()));
            }
        }
        for (name, value) in self.extensions() {
            push(&format!("{ATTRIBUTE_PREFIX}{name}"), Bytes::from(value.to_string()));
        }
        if let Some(media) = self.data_content_type() {
            push(CONTENT_TYPE, Bytes::copy_from_slice(media.as_bytes()));
        }
        KafkaMessage {
            key: self.partition_key().map(Bytes::from),
            headers,
            value: self.data().cloned(),
        }
    }

    /// Reads an event from a Kafka record's headers and value, in binary or structured mode.
    /// Headers that are no attributes are passed over.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidEvent`] when the record carries no event, or not a valid one.
    pub fn from_kafka<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        value: Option<Bytes>,
    ) -> Result<Self, PagiError> {
        let mut draft = Draft::default();
        let mut content_type = None;
        for (name, value) in headers {
            if name.eq_ignore_ascii_case(CONTENT_TYPE) {
                content_type = Some(utf8(name, value)?);
            } else if let Some(attribute) = name.strip_prefix(ATTRIBUTE_PREFIX) {
                draft.set(attribute, ExtensionValue::from(utf8(name, value)?))?;
            }
        }
        let Some(media) = content_type else { return draft.finish(value) };
        if is_structured(media) {
            let value = value.ok_or_else(|| invalid("a structured event has no value".into()))?;
            return Self::from_json(&value);
        }
        draft.set("datacontenttype", ExtensionValue::from(media))?;
        draft.finish(value)
    }
}

fn is_structured(media: &str) -> bool {
    media.get(..STRUCTURED_MEDIA.len()).is_some_and(|m| m.eq_ignore_ascii_case(STRUCTURED_MEDIA))
}

fn utf8<'a>(name: &str, value: &'a [u8]) -> Result<&'a str, PagiError> {
    std::str::from_utf8(value).map_err(|_| invalid(format!("the header {name:?} is not UTF-8")))
}

fn invalid(detail: String) -> PagiError {
    PagiError::new(ErrorCode::InvalidEvent, detail)
}
