//! A body in chunks, byte by byte.
//!
//! **References.** RFC 9112 section 7.1 (chunked transfer coding); RFC 9110 section 6.5.1 (which
//! fields may be trailers).
use super::field::is_token;
use super::refusal::Refusal;
use crate::limits::CHUNK_OVERHEAD_BYTES_MAX;

/// The longest name of those that may not be trailers.
const NAME_BYTES_MAX: usize = 17;
/// The most digits of a size: 2^60 bytes are more than anybody sends.
const SIZE_DIGITS_MAX: u8 = 15;
/// Would change what the head has said.
const NEVER: [&[u8]; 10] = [
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"connection",
    b"trailer",
    b"te",
    b"upgrade",
    b"expect",
    b"authorization",
    b"content-encoding",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size,
    Extension,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    LastLineFeed,
}

/// What is known of a body so far.
#[derive(Debug, Clone)]
pub(super) struct Chunked {
    at: At,
    size: u64,
    digits: u8,
    overhead_bytes: usize,
    name: [u8; NAME_BYTES_MAX],
    name_len: usize,
}

impl Chunked {
    pub(super) const fn new() -> Self {
        let name = [0; NAME_BYTES_MAX];
        Self { at: At::Size, size: 0, digits: 0, overhead_bytes: 0, name, name_len: 0 }
    }

    /// Goes on with `bytes`. Gives how many of them belong to the body when it ends within them.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        let mut position = 0;
        while let Some(byte) = bytes.get(position) {
            if self.at == At::Data {
                let there = u64::try_from(bytes.len() - position).unwrap_or(u64::MAX);
                let taken = self.size.min(there);
                self.size -= taken;
                position += usize::try_from(taken).unwrap_or(usize::MAX);
                if self.size == 0 {
                    self.at = At::DataReturn;
                }
                continue;
            }
            position += 1;
            if self.step(*byte)? {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    /// Whether the body ends with this byte.
    fn step(&mut self, byte: u8) -> Result<bool, Refusal> {
        self.at = match (self.at, byte) {
            (At::Size, _) => self.size(byte)?,
            (At::Extension, b'\r') => At::SizeLineFeed,
            // No spaces either: readers differ about them.
            (At::Extension, 0x21..=0x7e) => self.count(At::Extension)?,
            (At::Extension, _) => return Err(Refusal::ChunkExtension),
            (At::SizeLineFeed, b'\n') => self.chunk(),
            (At::Data, _) => At::Data,
            (At::DataReturn, b'\r') => At::DataLineFeed,
            (At::DataLineFeed, b'\n') => At::Size,
            (At::DataReturn | At::DataLineFeed, _) => return Err(Refusal::ChunkEnd),
            (At::TrailerStart, b'\r') => At::LastLineFeed,
            (At::TrailerStart | At::TrailerName, _) => self.trailer_name(byte)?,
            (At::TrailerValue, b'\r') => At::TrailerLineFeed,
            (At::TrailerValue, b'\t' | 0x20..=0x7e | 0x80..) => self.count(At::TrailerValue)?,
            (At::TrailerLineFeed, b'\n') => At::TrailerStart,
            (At::LastLineFeed, b'\n') => return Ok(true),
            (At::TrailerValue, _) => return Err(Refusal::Trailer),
            (At::SizeLineFeed | At::TrailerLineFeed | At::LastLineFeed, _) => {
                return Err(Refusal::BareCarriageReturn);
            }
        };
        Ok(false)
    }

    fn size(&mut self, byte: u8) -> Result<At, Refusal> {
        match (char::from(byte).to_digit(16), byte) {
            (Some(digit), _) if self.digits < SIZE_DIGITS_MAX => {
                self.size = self.size << 4 | u64::from(digit);
                self.digits += 1;
                Ok(At::Size)
            }
            (None, b'\r') if self.digits > 0 => Ok(At::SizeLineFeed),
            (None, b';') if self.digits > 0 => self.count(At::Extension),
            _ => Err(Refusal::ChunkSize),
        }
    }

    const fn chunk(&mut self) -> At {
        self.digits = 0;
        if self.size == 0 { At::TrailerStart } else { At::Data }
    }

    fn trailer_name(&mut self, byte: u8) -> Result<At, Refusal> {
        if byte == b':' {
            let name = self.name.get(..self.name_len.min(NAME_BYTES_MAX)).unwrap_or_default();
            let never = NEVER.contains(&name);
            if self.name_len == 0 || (never && self.name_len <= NAME_BYTES_MAX) {
                return Err(Refusal::Trailer);
            }
            self.name_len = 0;
            return self.count(At::TrailerValue);
        }
        if !is_token(&[byte]) || byte == b'_' {
            return Err(Refusal::Trailer);
        }
        if let Some(slot) = self.name.get_mut(self.name_len) {
            *slot = byte.to_ascii_lowercase();
        }
        self.name_len += 1;
        self.count(At::TrailerName)
    }

    const fn count(&mut self, next: At) -> Result<At, Refusal> {
        self.overhead_bytes += 1;
        if self.overhead_bytes > CHUNK_OVERHEAD_BYTES_MAX {
            return Err(Refusal::ChunkOverhead);
        }
        Ok(next)
    }
}
