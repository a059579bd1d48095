//! Bounds-checked reading of untrusted bytes.
//!
//! **Invariants.** No read goes beyond the frame. Byte fields share the frame's memory. A count
//! from the wire never reserves more elements than the bytes that are left could hold.
use bytes::Bytes;

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
    /// The arrays of a frame have more elements than a frame may have.
    #[error("a frame has more than {ELEMENTS_MAX} elements")]
    TooMany,
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
    elements_left: usize,
}

/// Elements of all arrays of one frame: an element takes more memory than its bytes on the wire.
const ELEMENTS_MAX: usize = 100_000;

impl Cursor {
    /// Reads `bytes` from the front.
    #[must_use]
    pub const fn new(bytes: Bytes) -> Self {
        Self { bytes, elements_left: ELEMENTS_MAX }
    }

    /// The bytes that are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    /// Takes note that an array has so many elements, of at least so many bytes each.
    ///
    /// # Errors
    /// [`DecodeError::Short`] when the bytes that are left cannot hold them, and
    /// [`DecodeError::TooMany`] when the frame has too many elements in all.
    pub fn announce(&mut self, elements: usize, bytes_min: usize) -> Result<(), DecodeError> {
        let needed = elements.saturating_mul(bytes_min);
        if needed > self.bytes.len() {
            return Err(DecodeError::Short { needed, left: self.bytes.len() });
        }
        let left = self.elements_left.checked_sub(elements).ok_or(DecodeError::TooMany)?;
        self.elements_left = left;
        Ok(())
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
        let _ = self.bytes.split_to(N);
        Ok(array)
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
