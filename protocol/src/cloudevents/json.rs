//! The JSON event format ("structured mode"): one JSON object with attributes and data.
//!
//! **Invariants.** The data's bytes survive the way there and back: JSON goes in as it is, text as
//! a JSON string, anything else (also JSON with white space around it) as `data_base64`.
//!
//! **References.** CloudEvents 1.0.2 JSON event format, section 3.
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::draft::Draft;
use crate::error::{ErrorCode, PagiError};
use crate::event::{ExtensionValue, PagiBaseEvent, SPEC_VERSION, media_type_is_json};

impl PagiBaseEvent {
    /// The event as one JSON object.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`]; no event is known that causes it.
    pub fn to_json(&self) -> Result<Vec<u8>, PagiError> {
        serde_json::to_vec(self)
            .map_err(|error| PagiError::new(ErrorCode::Internal, error.to_string()))
    }

    /// Reads an event from one JSON object.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidEvent`], saying what is missing, twice there or of the wrong kind.
    pub fn from_json(json: &[u8]) -> Result<Self, PagiError> {
        let invalid = |detail: String| PagiError::new(ErrorCode::InvalidEvent, detail);
        let text = std::str::from_utf8(json)
            .map_err(|error| invalid(format!("not a JSON event: not UTF-8: {error}")))?;
        serde_json::from_str(text).map_err(|error| invalid(format!("not a JSON event: {error}")))
    }
}

impl Serialize for PagiBaseEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", SPEC_VERSION)?;
        map.serialize_entry("id", self.id())?;
        map.serialize_entry("source", self.source())?;
        map.serialize_entry("type", self.event_type())?;
        let optional = [
            ("subject", self.subject()),
            ("time", self.time().map(crate::event::EventTime::as_str)),
            ("datacontenttype", self.data_content_type()),
            ("dataschema", self.data_schema()),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in self.extensions() {
            match value {
                ExtensionValue::Bool(value) => map.serialize_entry(name, value)?,
                ExtensionValue::Integer(value) => map.serialize_entry(name, value)?,
                ExtensionValue::Text(value) => map.serialize_entry(name, value)?,
            }
        }
        if let Some(data) = self.data() {
            match data_form(data, self.data_is_json()) {
                DataForm::Json(raw) => map.serialize_entry("data", raw)?,
                DataForm::Text(text) => map.serialize_entry("data", text)?,
                DataForm::Binary => map.serialize_entry("data_base64", &STANDARD.encode(data))?,
            }
        }
        map.end()
    }
}

enum DataForm<'a> {
    Json(&'a RawValue),
    Text(&'a str),
    Binary,
}

fn data_form(data: &[u8], declared_json: bool) -> DataForm<'_> {
    let Ok(text) = std::str::from_utf8(data) else { return DataForm::Binary };
    if !declared_json {
        return DataForm::Text(text);
    }
    match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) if raw.get().len() == text.len() => DataForm::Json(raw),
        _ => DataForm::Binary,
    }
}

impl<'de> Deserialize<'de> for PagiBaseEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EventVisitor)
    }
}

struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = PagiBaseEvent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvents JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PagiBaseEvent, A::Error> {
        let mut draft = Draft::default();
        let mut raw: Option<Box<RawValue>> = None;
        let mut base64: Option<String> = None;
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "data" if raw.is_some() => return Err(de::Error::duplicate_field("data")),
                "data" => raw = Some(map.next_value()?),
                "data_base64" if base64.is_some() => {
                    return Err(de::Error::duplicate_field("data_base64"));
                }
                "data_base64" => base64 = Some(map.next_value()?),
                _ => match map.next_value::<Attribute>()? {
                    Attribute(None) => {}
                    Attribute(Some(value)) => {
                        draft.set(&name, value).map_err(|error| custom(&error))?;
                    }
                },
            }
        }
        let data = match (raw, base64) {
            (Some(_), Some(_)) => return Err(de::Error::custom("both data and data_base64")),
            (None, None) => None,
            (Some(raw), None) => Some(json_data(raw, draft.data_content_type())?),
            (None, Some(text)) => Some(binary_data(&text)?),
        };
        draft.finish(data).map_err(|error| custom(&error))
    }
}

/// With a media type that is not JSON, a JSON string stands for its content.
fn json_data<E: de::Error>(raw: Box<RawValue>, media: Option<&str>) -> Result<Bytes, E> {
    if raw.get().starts_with('"') && media.is_some_and(|media| !media_type_is_json(media)) {
        let text: String = serde_json::from_str(raw.get()).map_err(de::Error::custom)?;
        return Ok(Bytes::from(text));
    }
    Ok(Bytes::from(Box::<str>::from(raw).into_string()))
}

fn binary_data<E: de::Error>(text: &str) -> Result<Bytes, E> {
    STANDARD
        .decode(text)
        .map(Bytes::from)
        .map_err(|error| de::Error::custom(format_args!("data_base64 is not base64: {error}")))
}

fn custom<E: de::Error>(error: &PagiError) -> E {
    de::Error::custom(error.detail())
}

/// A string, a boolean or a whole number; `null` is as if the attribute were not there.
struct Attribute(Option<ExtensionValue>);

impl<'de> Deserialize<'de> for Attribute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AttributeVisitor).map(Self)
    }
}

struct AttributeVisitor;

impl Visitor<'_> for AttributeVisitor {
    type Value = Option<ExtensionValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a boolean or a 32-bit integer")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(ExtensionValue::Bool(value)))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        match i32::try_from(value) {
            Ok(value) => Ok(Some(ExtensionValue::Integer(value))),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(value), &self)),
        }
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        match i32::try_from(value) {
            Ok(value) => Ok(Some(ExtensionValue::Integer(value))),
            Err(_) => Err(E::invalid_value(de::Unexpected::Unsigned(value), &self)),
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(ExtensionValue::from(value)))
    }

    fn visit_string<E>(self, value: String) -> Result<Self::Value, E> {
        Ok(Some(ExtensionValue::Text(value)))
    }
}
