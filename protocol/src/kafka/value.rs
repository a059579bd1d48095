//! Types of fields that the language does not have.
use bytes::Bytes;

/// Sixteen bytes that name something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Uuid(pub [u8; 16]);

/// Record batches, one behind the other, as a list of pieces: never null when written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records(pub Vec<Bytes>);
