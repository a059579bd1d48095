//! Writing frames: small fields are copied, records are passed on as they are.
use bytes::{BufMut, Bytes, BytesMut};

/// Bytes from this size on are passed on without a copy.
const SHARE_FROM_BYTES: usize = 1024;

/// Collects a frame as a list of chunks for a vectored write.
#[derive(Debug, Default)]
pub struct Encoder {
    chunks: Vec<Bytes>,
    tail: BytesMut,
}

impl Encoder {
    /// An encoder that begins with room for a frame's length, set by [`Encoder::finish`].
    #[must_use]
    pub fn framed() -> Self {
        let mut encoder = Self::default();
        encoder.tail.put_u32(0);
        encoder
    }

    /// Copies bytes.
    pub fn put(&mut self, bytes: &[u8]) {
        self.tail.put_slice(bytes);
    }

    /// Adds bytes, without a copy when they are many.
    pub fn put_shared(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARE_FROM_BYTES {
            return self.put(bytes);
        }
        if !self.tail.is_empty() {
            self.chunks.push(self.tail.split().freeze());
        }
        self.chunks.push(bytes.clone());
    }

    /// An unsigned variable-length integer.
    pub fn put_uvarint(&mut self, value: u32) {
        self.put_varint_bits(value.into());
    }

    /// A zigzag-coded variable-length integer, as records use it.
    pub fn put_varlong(&mut self, value: i64) {
        self.put_varint_bits(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    fn put_varint_bits(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.tail.put_u8(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
            value >>= 7;
        }
        self.tail.put_u8(u8::try_from(value).unwrap_or_default());
    }

    /// The chunks; the length of a [`Encoder::framed`] one is set.
    #[must_use]
    pub fn finish(mut self) -> Vec<Bytes> {
        if !self.tail.is_empty() {
            self.chunks.push(self.tail.freeze());
        }
        let total: usize = self.chunks.iter().map(Bytes::len).sum();
        if let Some(first) = self.chunks.first_mut() {
            let mut head = BytesMut::from(std::mem::take(first));
            if let Some(length) = head.first_chunk_mut::<4>() {
                *length = u32::try_from(total.saturating_sub(4)).unwrap_or(u32::MAX).to_be_bytes();
            }
            *first = head.freeze();
        }
        self.chunks
    }

    /// All bytes in one piece, without a frame's length.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        if self.chunks.is_empty() {
            return self.tail.freeze();
        }
        self.chunks.push(self.tail.freeze());
        self.chunks.concat().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_bytes_are_passed_on_without_a_copy() {
        let records = Bytes::from(vec![7; SHARE_FROM_BYTES]);
        let mut out = Encoder::framed();
        out.put(b"head");
        out.put_shared(&records);
        out.put_shared(&records);
        out.put_shared(&Bytes::from_static(b"few"));
        let chunks = out.finish();
        assert_eq!(chunks.len(), 4);
        assert_eq!(chunks[0], b"\0\0\x08\x07head".as_slice());
        assert_eq!([chunks[1].as_ptr(), chunks[2].as_ptr()], [records.as_ptr(); 2]);
        assert_eq!(chunks[3], "few");
    }

    #[test]
    fn a_frame_without_records_is_one_chunk() {
        let mut out = Encoder::framed();
        out.put_uvarint(300);
        assert_eq!(out.finish(), [Bytes::from_static(b"\0\0\0\x02\xac\x02")]);
    }
}
