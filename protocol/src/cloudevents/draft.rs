//! An event whose attributes are still arriving, in any order, from any wire form.
//!
//! **Invariants.** An attribute is taken once: a second value for it is an error, since whoever
//! reads the first and whoever reads the last would see two different events.
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::Bytes;

use crate::error::{ErrorCode, PagiError};
use crate::event::{EXTENSIONS_MAX, EventTime, ExtensionValue, PagiBaseEvent, SPEC_VERSION};

/// The extensions, and the eight attributes of the specification itself.
const ATTRIBUTES_MAX: usize = EXTENSIONS_MAX + 8;

#[derive(Default)]
pub(super) struct Draft {
    values: BTreeMap<String, ExtensionValue>,
}

impl Draft {
    /// Takes one attribute by its name in the specification.
    pub(super) fn set(&mut self, name: &str, value: ExtensionValue) -> Result<(), PagiError> {
        if self.values.len() >= ATTRIBUTES_MAX {
            return Err(invalid(format!("more than {EXTENSIONS_MAX} extension attributes")));
        }
        match self.values.entry(name.to_owned()) {
            Entry::Occupied(_) => Err(invalid(format!("{name} is given more than once"))),
            Entry::Vacant(entry) => {
                entry.insert(value);
                Ok(())
            }
        }
    }

    /// The media type that was given for the data.
    pub(super) fn data_content_type(&self) -> Option<&str> {
        match self.values.get("datacontenttype") {
            Some(ExtensionValue::Text(media)) => Some(media),
            _ => None,
        }
    }

    /// The event, once everything has arrived.
    pub(super) fn finish(mut self, data: Option<Bytes>) -> Result<PagiBaseEvent, PagiError> {
        let version = self.required("specversion")?;
        if version != SPEC_VERSION {
            return Err(invalid(format!("specversion is {version:?}, not {SPEC_VERSION:?}")));
        }
        let (id, source) = (self.required("id")?, self.required("source")?);
        let mut event = PagiBaseEvent::new(id, source, self.required("type")?)?;
        if let Some(subject) = self.text("subject")? {
            event = event.with_subject(subject)?;
        }
        if let Some(time) = self.text("time")? {
            event = event.with_time(EventTime::parse(time)?);
        }
        if let Some(media) = self.text("datacontenttype")? {
            event = event.with_data_content_type(media)?;
        }
        if let Some(uri) = self.text("dataschema")? {
            event = event.with_data_schema(uri)?;
        }
        for (name, value) in self.values {
            event = event.with_extension(name, value)?;
        }
        Ok(match data {
            Some(data) => event.with_data(data),
            None => event,
        })
    }

    fn required(&mut self, name: &str) -> Result<String, PagiError> {
        self.text(name)?.ok_or_else(|| invalid(format!("{name} is missing")))
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, PagiError> {
        match self.values.remove(name) {
            None => Ok(None),
            Some(ExtensionValue::Text(text)) => Ok(Some(text)),
            Some(other) => Err(invalid(format!("{name} is {other}, not a string"))),
        }
    }
}

fn invalid(detail: String) -> PagiError {
    PagiError::new(ErrorCode::InvalidEvent, detail)
}
