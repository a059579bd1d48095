//! The HTTP protocol binding, binary mode: attributes as `ce-` headers, data as the body.
//!
//! **References.** CloudEvents 1.0.2 HTTP protocol binding, section 3.1; percent-encoding of header
//! values, section 3.1.3.2.
use bytes::Bytes;

use super::draft::Draft;
use crate::error::{ErrorCode, PagiError};
use crate::event::{EventTime, ExtensionValue, PagiBaseEvent, SPEC_VERSION};

/// What the name of every header that carries an attribute starts with.
pub const ATTRIBUTE_PREFIX: &str = "ce-";

impl PagiBaseEvent {
    /// Reads an event from an HTTP request in binary mode. `headers` may hold any header, with its
    /// name in lower case; those that are no attributes are passed over.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidEvent`] when an attribute is missing, given twice or not valid.
    pub fn from_http_binary<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        content_type: Option<&str>,
        data: Option<Bytes>,
    ) -> Result<Self, PagiError> {
        let mut draft = Draft::default();
        for (name, value) in headers {
            let Some(attribute) = name.strip_prefix(ATTRIBUTE_PREFIX) else { continue };
            if attribute == "datacontenttype" {
                return Err(invalid("the data's media type goes in Content-Type".to_owned()));
            }
            draft.set(attribute, ExtensionValue::Text(percent_decoded(name, value)?))?;
        }
        if let Some(media) = content_type {
            draft.set("datacontenttype", ExtensionValue::from(media))?;
        }
        draft.finish(data)
    }

    /// The event's attributes as headers of an HTTP request in binary mode, `ce-specversion` first.
    /// The media type of the data goes in `Content-Type` and is not among them.
    #[must_use]
    pub fn to_http_headers(&self) -> Vec<(String, String)> {
        let attributes = [
            ("specversion", Some(SPEC_VERSION)),
            ("id", Some(self.id())),
            ("source", Some(self.source())),
            ("type", Some(self.event_type())),
            ("subject", self.subject()),
            ("time", self.time().map(EventTime::as_str)),
            ("dataschema", self.data_schema()),
        ];
        let header =
            |name: &str, value: &str| (format!("{ATTRIBUTE_PREFIX}{name}"), percent_encoded(value));
        let attributes =
            attributes.into_iter().filter_map(|(name, value)| Some(header(name, value?)));
        let extensions = self.extensions().iter();
        let extensions = extensions.map(|(name, value)| header(name, &value.to_string()));
        attributes.chain(extensions).collect()
    }
}

/// A header's value for any text: what is not printable ASCII is percent-encoded, and so are the
/// space, `"` and `%`.
#[must_use]
pub fn percent_encoded(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'%') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 15] {
                encoded.extend(DIGITS.get(usize::from(digit)).map(|digit| char::from(*digit)));
            }
        }
    }
    encoded
}

/// Undoes the percent-encoding. A `%` that is not followed by two hexadecimal digits stands for
/// itself, as the specification asks of a receiver.
fn percent_decoded(name: &str, value: &[u8]) -> Result<String, PagiError> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&first, after)) = rest.split_first() {
        if let (b'%', [high, low, tail @ ..]) = (first, after)
            && let (Some(high), Some(low)) = (hex_value(*high), hex_value(*low))
        {
            decoded.push(high << 4 | low);
            rest = tail;
        } else {
            decoded.push(first);
            rest = after;
        }
    }
    String::from_utf8(decoded).map_err(|_| invalid(format!("the header {name:?} is not UTF-8")))
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn invalid(detail: String) -> PagiError {
    PagiError::new(ErrorCode::InvalidEvent, detail)
}
