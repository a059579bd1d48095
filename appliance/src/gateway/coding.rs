//! The content coding of a request's body, and undoing it under a cap.
//!
//! **Invariants.** What comes out is at most as long as a body may be that was sent as it is, and
//! no more is held on the way.
//!
//! **References.** RFC 9110 sections 8.4 (Content-Encoding) and 15.5.16 (415); RFC 1952 (gzip).
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use pagi_protocol::kafka::compression::{self, CompressionError};
use pagi_protocol::{ErrorCode, PagiError};

use super::respond::Failure;

/// How a body was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
}

impl Coding {
    /// The one coding that the head names.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return if headers.contains_key(CONTENT_ENCODING) {
                Err(Failure::of_coding("more than one Content-Encoding"))
            } else {
                Ok(Self::Identity)
            };
        };
        let name = value.as_bytes();
        if name.eq_ignore_ascii_case(b"identity") {
            Ok(Self::Identity)
        } else if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") {
            Ok(Self::Gzip)
        } else {
            Err(Failure::of_coding("of Content-Encoding, only gzip is supported"))
        }
    }

    /// Undoes the coding. Not more than `bytes_max` come out.
    pub(super) fn decode(self, body: Bytes, bytes_max: usize) -> Result<Bytes, PagiError> {
        if self == Self::Identity {
            return Ok(body);
        }
        compression::decompress(compression::GZIP, &body, bytes_max).map_err(|error| match error {
            CompressionError::TooLarge(_) => PagiError::new(
                ErrorCode::PayloadTooLarge,
                format!("the body may have at most {bytes_max} bytes when decompressed"),
            ),
            CompressionError::Codec(_) | CompressionError::Damaged(_) => {
                PagiError::new(ErrorCode::InvalidEvent, format!("the body is not gzip: {error}"))
            }
        })
    }
}
