//! What a frame says.
//!
//! **References.** KIP-511: an `ApiVersions` request of a version that is not understood is
//! answered in the form of version 0.
use bytes::Bytes;
use pagi_protocol::kafka::api::ApiKey;
use pagi_protocol::kafka::cursor::{Cursor, DecodeError};
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::exchange::{
    Request, RequestHeader, decode_any_response, decode_header, decode_request, encode_any_request,
};

use crate::fields::{self, Field, Value};

/// A request that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct UnderstoodRequest {
    /// What it begins with.
    pub header: RequestHeader,
    /// What it asks.
    pub request: Request,
    /// Whether it says nothing beside: no tagged field that is passed over, no byte behind.
    pub is_all: bool,
}

/// An answer that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderstoodAnswer {
    /// All its fields.
    pub fields: Vec<Field>,
    /// The bytes behind the last field.
    pub behind: usize,
}

/// Reads a request's frame.
///
/// # Errors
/// [`DecodeError`], also for an API or a version that is not spoken here.
pub fn request(frame: &Bytes) -> Result<UnderstoodRequest, DecodeError> {
    let mut cursor = Cursor::new(frame.clone());
    let header = decode_header(&mut cursor)?;
    let (request, _) = decode_request(&header, &mut cursor)?;
    let is_all = cursor.left() == 0 && cursor.passed_over() == 0;
    Ok(UnderstoodRequest { header, request, is_all })
}

/// Writes a request as its frame.
///
/// # Errors
/// [`DecodeError`] when the header is not one of the request's API.
pub fn frame(header: &RequestHeader, request: &Request) -> Result<Bytes, DecodeError> {
    let framed = Bytes::from(encode_any_request(header, request)?.concat());
    Ok(framed.slice(framed.len().min(4)..))
}

/// Reads the frame that answers a request with this header.
///
/// # Errors
/// [`DecodeError`].
pub fn answer(header: &RequestHeader, frame: &Bytes) -> Result<UnderstoodAnswer, DecodeError> {
    let mut cursor = Cursor::new(frame.clone());
    let spoken = ApiKey::from_number(header.api_key)
        .filter(|api| api.api().version(header.api_version).is_some());
    let mut version = header.api_version;
    let code = frame.get(4..).and_then(|rest| rest.first_chunk().copied());
    let refused = code == Some(KafkaCode::UnsupportedVersion.number().to_be_bytes());
    match spoken {
        Some(api) => {
            if api == ApiKey::ApiVersions && refused {
                version = 0;
            }
            let (_, mut response) = decode_any_response(api, version, &mut cursor)?;
            let behind = cursor.left();
            Ok(UnderstoodAnswer { fields: fields::of(&mut response), behind })
        }
        // Nothing is known of it but that it was refused.
        None if refused => {
            let value = Value::Number(KafkaCode::UnsupportedVersion.number().into());
            let name = "error_code";
            let code = Field { path: name.to_owned(), name, is_named: true, value };
            Ok(UnderstoodAnswer { fields: vec![code], behind: 0 })
        }
        None => Err(DecodeError::UnsupportedVersion(header.api_key, header.api_version)),
    }
}

#[cfg(test)]
mod tests {
    use pagi_protocol::kafka::exchange::encode_response;
    use pagi_protocol::kafka::messages::api_versions::ApiVersionsResponse;
    use pagi_protocol::kafka::wire::Version;

    use super::*;

    fn header(api_key: i16, api_version: i16) -> RequestHeader {
        RequestHeader { api_key, api_version, correlation_id: 7, client_id: None }
    }

    #[test]
    fn a_refused_version_of_api_versions_is_read_in_its_first_form() {
        let first = Version { number: 0, flexible: false };
        let refusal = ApiVersionsResponse { error_code: 35, ..Default::default() };
        let frame = Bytes::from(encode_response(&refusal, first, 7).concat()).slice(4..);
        for version in [3, 4, 99] {
            let answer = answer(&header(18, version), &frame).unwrap();
            assert_eq!(
                (fields::codes(&answer.fields), answer.behind),
                (vec![("error_code", 35)], 0)
            );
        }
    }

    #[test]
    fn a_refusal_of_what_is_not_spoken_is_understood_and_nothing_else_of_it() {
        let refusal = answer(&header(999, 0), &Bytes::from_static(b"\0\0\0\x07\0\x23")).unwrap();
        assert_eq!(fields::codes(&refusal.fields), [("error_code", 35)]);
        assert!(answer(&header(999, 0), &Bytes::from_static(b"\0\0\0\x07\0\0")).is_err());
    }

    #[test]
    fn a_request_is_written_as_it_was_read() {
        // Metadata, version 9, with the tagged field 1 of one byte behind the last field.
        let plain = b"\0\x03\0\x09\0\0\0\x07\0\x01c\0\x01\x01\0\0";
        let tagged = [plain.as_slice(), b"\x01\x01\x01x"].concat();
        let plain = Bytes::from([plain.as_slice(), b"\0"].concat());
        let understood = request(&plain).unwrap();
        assert!(understood.is_all);
        assert_eq!(frame(&understood.header, &understood.request), Ok(plain.clone()));
        assert!(!request(&tagged.into()).unwrap().is_all);
        assert!(!request(&[plain.as_ref(), b"more"].concat().into()).unwrap().is_all);
    }
}
