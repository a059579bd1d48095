//! Reading and writing the log's own fixed-width, big-endian fields.
//!
//! **Invariants.** Reads never go beyond the slice and never allocate more than it holds.
use bytes::{BufMut, Bytes, BytesMut};

/// Why bytes of ours could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end inside a field.
    #[error("{needed} more bytes were needed, {left} are left")]
    Short {
        /// What the field needs.
        needed: usize,
        /// What there is.
        left: usize,
    },
    /// A field holds what this version never writes.
    #[error("{what} holds {value}, which this version does not know")]
    Unknown {
        /// The field.
        what: &'static str,
        /// Its value.
        value: u64,
    },
    /// A text field is not UTF-8.
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
}

/// Takes fields off the front of a buffer; byte fields share it.
#[derive(Debug)]
pub struct Reader(pub Bytes);

impl Reader {
    /// Whether everything was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `count` bytes, shared.
    ///
    /// # Errors
    /// [`CodecError::Short`].
    pub fn take(&mut self, count: usize) -> Result<Bytes, CodecError> {
        if self.0.len() < count {
            return Err(CodecError::Short { needed: count, left: self.0.len() });
        }
        Ok(self.0.split_to(count))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let short = CodecError::Short { needed: N, left: self.0.len() };
        let array = *self.0.first_chunk::<N>().ok_or(short)?;
        let _ = self.0.split_to(N);
        Ok(array)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`CodecError::Short`], as for every method here.
    pub fn u8(&mut self) -> Result<u8, CodecError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes, signed.
    ///
    /// # Errors
    /// [`CodecError::Short`].
    pub fn i16(&mut self) -> Result<i16, CodecError> {
        self.array().map(i16::from_be_bytes)
    }

    /// Four bytes.
    ///
    /// # Errors
    /// [`CodecError::Short`].
    pub fn u32(&mut self) -> Result<u32, CodecError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Four bytes, signed.
    ///
    /// # Errors
    /// [`CodecError::Short`].
    pub fn i32(&mut self) -> Result<i32, CodecError> {
        self.array().map(i32::from_be_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// [`CodecError::Short`].
    pub fn u64(&mut self) -> Result<u64, CodecError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Eight bytes, signed.
    ///
    /// # Errors
    /// [`CodecError::Short`].
    pub fn i64(&mut self) -> Result<i64, CodecError> {
        self.array().map(i64::from_be_bytes)
    }

    /// Sixteen bytes.
    ///
    /// # Errors
    /// [`CodecError::Short`].
    pub fn uuid(&mut self) -> Result<[u8; 16], CodecError> {
        self.array()
    }

    /// A length in four bytes, then that many bytes.
    ///
    /// # Errors
    /// [`CodecError::Short`].
    pub fn sized(&mut self) -> Result<Bytes, CodecError> {
        let count = self.u32()?;
        self.take(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// A length in four bytes, then that much UTF-8.
    ///
    /// # Errors
    /// [`CodecError::Short`] or [`CodecError::NotUtf8`] with `what`.
    pub fn text(&mut self, what: &'static str) -> Result<String, CodecError> {
        let bytes = self.sized()?;
        String::from_utf8(bytes.into()).map_err(|_| CodecError::NotUtf8(what))
    }
}

/// Writes `bytes` behind their length; the inverse of [`Reader::sized`].
pub fn put_sized(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(len_u32(bytes.len()));
    out.put_slice(bytes);
}

/// A length as the four bytes it takes on disk. Everything that is written is far below 4 GiB
/// (`limits`), so a longer one cannot come; it would be cut by the reader, not wrapped.
#[must_use]
pub fn len_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
