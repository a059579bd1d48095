//! Finding the rounds of a damaged write-ahead log that are still whole.
use std::collections::BTreeMap;

use bytes::Bytes;

use super::super::store::replay::read_round;
use super::super::store::wal::WalFile;
use crate::core::log::ids::{Salt, Sequence};
use crate::core::log::round::{BLOCK_BYTES, RoundHeader};

/// Where a round is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which of the files.
    pub index: usize,
    /// Bytes from its beginning.
    pub offset: u64,
}

const CHUNK_BYTES: usize = 1 << 20;

/// Every whole round behind `after`, wherever it is. Blocks that the disk cannot read are passed
/// over.
#[must_use]
pub fn find(files: &[WalFile], salt: Salt, after: Sequence) -> BTreeMap<Sequence, Place> {
    let mut found = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        let mut offset = 0;
        while offset < file.bytes {
            for (block, n) in chunk(file, offset).chunks(BLOCK_BYTES).zip(0_u64..) {
                let Some(header) = RoundHeader::parse(block, salt) else { continue };
                let place = Place { index, offset: offset + n * BLOCK_BYTES as u64 };
                if header.sequence > after && is_whole(file, place, salt, header.sequence) {
                    found.entry(header.sequence).or_insert(place);
                }
            }
            offset += CHUNK_BYTES as u64;
        }
    }
    found
}

fn is_whole(file: &WalFile, place: Place, salt: Salt, sequence: Sequence) -> bool {
    matches!(read_round(file, place.offset, salt, sequence), Ok(Some(_)))
}

/// The next piece of a file, with zeros for what cannot be read.
fn chunk(file: &WalFile, offset: u64) -> Bytes {
    file.file.read(offset, CHUNK_BYTES).unwrap_or_else(|_| {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        while chunk.len() < CHUNK_BYTES {
            let block = file.file.read(offset + chunk.len() as u64, BLOCK_BYTES);
            chunk.extend_from_slice(&block.unwrap_or_default());
            chunk.resize(chunk.len().next_multiple_of(BLOCK_BYTES).max(BLOCK_BYTES), 0);
        }
        chunk.into()
    })
}
