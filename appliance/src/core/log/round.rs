//! A round: what one commit of the write-ahead log writes, and syncs, as a whole.
//!
//! ```text
//! magic u32 | crc u32 | sequence u64 | salt u64 | body length u32 | entries u32 | body | zeros
//! ```
//! The CRC32C covers everything behind it up to the end of the body. A round begins at a
//! multiple of [`BLOCK_BYTES`] and is filled up to one, so that no later write touches a block
//! that holds acknowledged bytes.
//!
//! **Invariants.** Round N + 1 is written only after round N was synced. So only the last round
//! can be torn by a crash; a bad round with a later one behind it is damage to acknowledged data.
use bytes::{BufMut, Bytes, BytesMut};

use super::bytes_codec::{Reader, len_u32};
use super::ids::{Salt, Sequence};

/// The unit of the write-ahead log's layout.
pub const BLOCK_BYTES: usize = 4096;
/// The bytes of a round's header.
pub const HEADER_BYTES: usize = 32;

const MAGIC: u32 = 0x5047_5731; // "PGW1"
const CRC_FROM: usize = 8;

/// The head of a round, found to be one by its magic and salt; the body is not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundHeader {
    /// The round's place in the log.
    pub sequence: Sequence,
    /// Bytes of the body.
    pub body_bytes: usize,
    /// Entries in the body.
    pub entries: u32,
    crc: u32,
}

impl RoundHeader {
    /// Reads a header. `None` when these bytes do not begin a round of this folder.
    #[must_use]
    pub fn parse(block: &[u8], salt: Salt) -> Option<Self> {
        let mut reader = Reader(Bytes::copy_from_slice(block.get(..HEADER_BYTES)?));
        let (magic, crc) = (reader.u32().ok()?, reader.u32().ok()?);
        let sequence = Sequence(reader.u64().ok()?);
        let salt_found = Salt(reader.u64().ok()?);
        let body_bytes = usize::try_from(reader.u32().ok()?).ok()?;
        let entries = reader.u32().ok()?;
        (magic == MAGIC && salt_found == salt).then_some(Self {
            sequence,
            body_bytes,
            entries,
            crc,
        })
    }

    /// The blocks' bytes that the whole round takes, with header and filling.
    #[must_use]
    pub const fn span(&self) -> usize {
        span(self.body_bytes)
    }

    /// Checks `round` (header and body, and perhaps filling) and gives the body.
    /// `None` when the bytes are not what was written.
    #[must_use]
    pub fn body(&self, round: &Bytes) -> Option<Bytes> {
        let end = HEADER_BYTES.checked_add(self.body_bytes)?;
        let covered = round.get(CRC_FROM..end)?;
        (crc32c::crc32c(covered) == self.crc).then(|| round.slice(HEADER_BYTES..end))
    }
}

/// The bytes that a round with such a body takes.
#[must_use]
pub const fn span(body_bytes: usize) -> usize {
    (HEADER_BYTES + body_bytes).next_multiple_of(BLOCK_BYTES)
}

/// Collects the entries of one round.
#[derive(Debug)]
pub struct RoundBuilder {
    buffer: BytesMut,
    entries: u32,
}

impl RoundBuilder {
    /// An empty round with room for `body_bytes`.
    #[must_use]
    pub fn with_capacity(body_bytes: usize) -> Self {
        let mut buffer = BytesMut::with_capacity(span(body_bytes));
        buffer.put_bytes(0, HEADER_BYTES);
        Self { buffer, entries: 0 }
    }

    /// Whether nothing was put in.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Adds one entry, which `write` appends to the buffer.
    pub fn push(&mut self, write: impl FnOnce(&mut BytesMut)) {
        write(&mut self.buffer);
        self.entries += 1;
    }

    /// Writes the header and the filling.
    #[must_use]
    pub fn seal(mut self, sequence: Sequence, salt: Salt) -> Sealed {
        let body_bytes = self.buffer.len() - HEADER_BYTES;
        let mut header = BytesMut::with_capacity(HEADER_BYTES);
        header.put_u32(MAGIC);
        header.put_u32(0);
        header.put_u64(sequence.0);
        header.put_u64(salt.0);
        header.put_u32(len_u32(body_bytes));
        header.put_u32(self.entries);
        if let Some(head) = self.buffer.first_chunk_mut::<HEADER_BYTES>() {
            head.copy_from_slice(&header);
        }
        let crc = crc32c::crc32c(self.buffer.get(CRC_FROM..).unwrap_or_default());
        if let Some(field) = self.buffer.get_mut(CRC_FROM - 4..CRC_FROM) {
            field.copy_from_slice(&crc.to_be_bytes());
        }
        self.buffer.resize(span(body_bytes), 0);
        let bytes = self.buffer.freeze();
        let body = bytes.slice(HEADER_BYTES..HEADER_BYTES + body_bytes);
        Sealed { bytes, body }
    }
}

/// A round that is ready to be written.
#[derive(Debug)]
pub struct Sealed {
    /// All of it; the length is a multiple of [`BLOCK_BYTES`].
    pub bytes: Bytes,
    /// The entries, shared with `bytes`.
    pub body: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: Salt = Salt(0xfeed);

    fn round(body: &[u8]) -> Bytes {
        let mut builder = RoundBuilder::with_capacity(body.len());
        builder.push(|out| out.put_slice(body));
        builder.seal(Sequence(7), SALT).bytes
    }

    #[test]
    fn a_sealed_round_reads_back() {
        for size in [1, 100, BLOCK_BYTES - HEADER_BYTES, BLOCK_BYTES, 3 * BLOCK_BYTES + 1] {
            let body = vec![0xab; size];
            let bytes = round(&body);
            let header = RoundHeader::parse(&bytes, SALT).unwrap();
            assert_eq!(bytes.len() % BLOCK_BYTES, 0);
            assert_eq!((header.span(), header.sequence), (bytes.len(), Sequence(7)));
            assert_eq!(header.body(&bytes).unwrap(), body);
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = round(b"some body");
        for bit in 0..(HEADER_BYTES + 9) * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let flipped = Bytes::from(flipped);
            let body = RoundHeader::parse(&flipped, SALT).and_then(|header| header.body(&flipped));
            assert_eq!(body, None, "bit {bit}");
        }
    }

    #[test]
    fn a_round_of_another_folder_is_none_of_ours() {
        assert_eq!(RoundHeader::parse(&round(b"x"), Salt(1)), None);
        assert_eq!(RoundHeader::parse(&[0; BLOCK_BYTES], SALT), None);
        assert_eq!(RoundHeader::parse(b"short", SALT), None);
    }
}
