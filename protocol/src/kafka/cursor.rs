//! Bounds-checked reading of untrusted bytes.
//!
//! **Invariants.** No read goes beyond the frame. Byte fields share the frame's memory. Room for
//! elements is made by the bytes that are left, not by a count from the wire; and all elements of
//! a frame together take at most [`ELEMENT_BYTES_PER_BYTE`] times the frame's bytes (beside
//! [`ELEMENT_BYTES_FREE`]), never more than [`ELEMENT_BYTES_MAX`].
use bytes::{Buf as _, Bytes};

/// Why bytes are not what the protocol says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("{needed} more bytes were needed, {left} are left")]
    Short {
        /// What the field needs.
        needed: usize,
        /// What there is.
        left: usize,
    },
    /// A length or count is negative where it may not be.
    #[error("a length of {0} makes no sense")]
    Length(i64),
    /// The elements of a frame would take more memory than a frame of its size may.
    #[error("{0} more elements would take more memory than the frame is worth")]
    TooMany(usize),
    /// A variable-length integer has too many bytes.
    #[error("a variable-length integer does not end")]
    Varint,
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    NotUtf8,
    /// A field is null that may not be.
    #[error("a field is null that may not be")]
    Null,
    /// This API key is not one of ours.
    #[error("API key {0} is not known")]
    UnknownApi(i16),
    /// This version of the API is not one of ours.
    #[error("version {1} of API key {0} is not supported")]
    UnsupportedVersion(i16, i16),
}

/// Takes fields off the front of a frame.
#[derive(Debug, Clone)]
pub struct Cursor {
    bytes: Bytes,
    element_bytes_left: usize,
    passed_over: u32,
}

/// The memory that elements may take for each byte of their frame. Kafka's take two to five bytes
/// for each of theirs; empty strings, of which a hostile frame can be full, would take forty.
pub const ELEMENT_BYTES_PER_BYTE: usize = 8;

/// The memory that the elements of any frame may take, however small it is.
pub const ELEMENT_BYTES_FREE: usize = 64 * 1024;

/// The memory that the elements of a frame may take, however large it is: 100,000 partitions and
/// more. Large frames are large by their records, which take none.
pub const ELEMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Cursor {
    /// Reads `bytes` from the front.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        let element_bytes = bytes.len().saturating_mul(ELEMENT_BYTES_PER_BYTE);
        let element_bytes = element_bytes.saturating_add(ELEMENT_BYTES_FREE);
        let element_bytes_left = element_bytes.min(ELEMENT_BYTES_MAX);
        Self { bytes, element_bytes_left, passed_over: 0 }
    }

    /// The bytes that are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    /// How many tagged fields were passed over: what the message says beside what was read of it.
    #[must_use]
    pub fn passed_over(&self) -> u32 {
        self.passed_over
    }

    /// Counts tagged fields that are passed over.
    pub(super) fn note_passed_over(&mut self, fields: u32) {
        self.passed_over = self.passed_over.saturating_add(fields);
    }

    /// An empty list for so many elements, which take at least so many bytes each on the wire.
    ///
    /// # Errors
    /// [`DecodeError::Short`] when the bytes that are left cannot hold them, and
    /// [`DecodeError::TooMany`] when the frame's elements would take too much memory.
    pub fn room<T>(&mut self, count: usize, bytes_min: usize) -> Result<Vec<T>, DecodeError> {
        let (needed, left) = (count.saturating_mul(bytes_min), self.bytes.len());
        if needed > left {
            return Err(DecodeError::Short { needed, left });
        }
        let element_bytes = count.saturating_mul(size_of::<T>());
        let left_then = self.element_bytes_left.checked_sub(element_bytes);
        self.element_bytes_left = left_then.ok_or(DecodeError::TooMany(count))?;
        let worth = left.checked_div(size_of::<T>()).unwrap_or(count);
        Ok(Vec::with_capacity(count.min(worth.max(1))))
    }

    /// The next `count` bytes, shared.
    ///
    /// # Errors
    /// [`DecodeError::Short`].
    pub fn take(&mut self, count: usize) -> Result<Bytes, DecodeError> {
        if count > self.bytes.len() {
            return Err(DecodeError::Short { needed: count, left: self.bytes.len() });
        }
        Ok(self.bytes.split_to(count))
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Short`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let short = DecodeError::Short { needed: N, left: self.bytes.len() };
        let array = *self.bytes.first_chunk::<N>().ok_or(short)?;
        self.bytes.advance(N);
        Ok(array)
    }

    /// The next `count` bytes as text.
    ///
    /// # Errors
    /// [`DecodeError::Short`] or [`DecodeError::NotUtf8`].
    pub fn text(&mut self, count: usize) -> Result<String, DecodeError> {
        let short = DecodeError::Short { needed: count, left: self.bytes.len() };
        let text = std::str::from_utf8(self.bytes.get(..count).ok_or(short)?);
        let text = text.map_err(|_| DecodeError::NotUtf8)?.to_owned();
        self.bytes.advance(count);
        Ok(text)
    }

    /// An unsigned variable-length integer of at most 32 bits.
    ///
    /// # Errors
    /// [`DecodeError::Short`] or [`DecodeError::Varint`].
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let value = self.varint_bits(5)?;
        u32::try_from(value).map_err(|_| DecodeError::Varint)
    }

    /// A zigzag-coded variable-length integer of at most 64 bits, as records use it.
    ///
    /// # Errors
    /// [`DecodeError::Short`] or [`DecodeError::Varint`].
    pub fn varlong(&mut self) -> Result<i64, DecodeError> {
        let value = self.varint_bits(10)?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    fn varint_bits(&mut self, bytes_max: u32) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for n in 0..bytes_max {
            let [byte] = self.array::<1>()?;
            let bits = u64::from(byte & 0x7f);
            if n == 9 && bits > 1 {
                return Err(DecodeError::Varint);
            }
            value |= bits << (7 * n);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Varint)
    }

    /// A length or count in two or four bytes, or as a compact one: `None` for null.
    pub(super) fn length(&mut self, width: Width) -> Result<Option<usize>, DecodeError> {
        let length = match width {
            Width::Two => i64::from(i16::from_be_bytes(self.array()?)),
            Width::Four => i64::from(i32::from_be_bytes(self.array()?)),
            Width::Compact => i64::from(self.uvarint()?) - 1,
        };
        match length {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| DecodeError::Length(length)),
        }
    }
}

/// How wide a length is on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) enum Width {
    Two,
    Four,
    Compact,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(bytes: &'static [u8]) -> Cursor {
        Cursor::new(Bytes::from_static(bytes))
    }

    #[test]
    fn nothing_behind_the_end_is_read() {
        let mut cursor = cursor(&[1, 2, 3]);
        assert_eq!(cursor.array::<4>(), Err(DecodeError::Short { needed: 4, left: 3 }));
        assert_eq!(cursor.take(4), Err(DecodeError::Short { needed: 4, left: 3 }));
        assert_eq!(cursor.text(usize::MAX).map_err(|_| ()), Err(()));
        assert_eq!(cursor.array(), Ok([1]));
        assert_eq!(cursor.text(2).as_deref(), Ok("\x02\x03"));
        assert_eq!(cursor.left(), 0);
    }

    #[test]
    fn bytes_are_shared() {
        let frame = Bytes::from(vec![7; 100]);
        assert_eq!(Cursor::new(frame.clone()).take(100).unwrap().as_ptr(), frame.as_ptr());
    }

    #[test]
    fn integers_that_do_not_fit_are_refused() {
        assert_eq!(cursor(b"\xff\xff\xff\xff\x0f").uvarint(), Ok(u32::MAX));
        assert_eq!(cursor(b"\xff\xff\xff\xff\x10").uvarint(), Err(DecodeError::Varint));
        assert_eq!(cursor(b"\x80\x80\x80\x80\x80\x01").uvarint(), Err(DecodeError::Varint));
        let min = cursor(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").varlong();
        assert_eq!(min, Ok(i64::MIN));
        let more = cursor(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02").varlong();
        assert_eq!(more, Err(DecodeError::Varint));
        assert_eq!(cursor(b"\x80").uvarint(), Err(DecodeError::Short { needed: 1, left: 0 }));
    }

    #[test]
    fn room_is_made_by_the_bytes_that_came() {
        let frame = Cursor::new(Bytes::from(vec![0; 1000]));
        let room = |count| frame.clone().room::<[u64; 4]>(count, 1).map(|room| room.capacity());
        assert_eq!(room(3), Ok(3));
        assert_eq!(room(1000), Ok(1000 / 32));
        assert_eq!(room(1001), Err(DecodeError::Short { needed: 1001, left: 1000 }));
        assert_eq!(room(usize::MAX).map_err(|_| ()), Err(()));
    }

    #[test]
    fn the_elements_of_a_frame_share_one_allowance() {
        let mut frame = Cursor::new(Bytes::from(vec![0; 1 << 20]));
        assert!(frame.room::<[u64; 8]>(100_000, 1).is_ok());
        assert_eq!(frame.room::<[u64; 8]>(100_000, 1), Err(DecodeError::TooMany(100_000)));
    }
}
