//! Undoing the compression of a batch's records, for those who look into them. The broker stores
//! batches as their producers compressed them.
//!
//! **Invariants.** What comes out is bounded, whatever the bytes claim; memory grows with what
//! really comes out.
//!
//! **References.** Kafka protocol guide, "Record Batch" (attributes, bits 0 to 2); KIP-110
//! (zstd); the frame of snappy-java, which Kafka's Java client puts around Snappy.
use std::io::{self, Read};

use bytes::{Buf, Bytes};

/// The number of gzip among the codecs.
pub const GZIP: i16 = 1;
const SNAPPY: i16 = 2;
const LZ4: i16 = 3;
const ZSTD: i16 = 4;

/// What snappy-java begins with: a magic, its version, and the oldest version that can read it.
const XERIAL_MAGIC: &[u8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_HEADER_BYTES: usize = 16;

/// Why records could not be decompressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    /// Kafka has no codec of this number.
    #[error("there is no compression codec {0}")]
    Codec(i16),
    /// The bytes are not what the codec makes.
    #[error("the compressed records are damaged: {0}")]
    Damaged(String),
    /// More comes out than may.
    #[error("the records have more than {0} bytes when decompressed")]
    TooLarge(usize),
}

/// The bytes that were compressed with `codec`, the number in a batch's attributes. Not more than
/// `bytes_max`.
///
/// # Errors
/// [`CompressionError`].
pub fn decompress(codec: i16, bytes: &Bytes, bytes_max: usize) -> Result<Bytes, CompressionError> {
    let input = bytes.as_ref();
    match codec {
        GZIP => read(flate2::read::MultiGzDecoder::new(input), bytes_max),
        SNAPPY => snappy(bytes, bytes_max),
        LZ4 => read(lz4_flex::frame::FrameDecoder::new(input), bytes_max),
        ZSTD => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(input).map_err(damaged)?;
            read(decoder, bytes_max)
        }
        codec => Err(CompressionError::Codec(codec)),
    }
}

fn damaged(error: impl std::fmt::Display) -> CompressionError {
    CompressionError::Damaged(error.to_string())
}

fn read(decoder: impl Read, bytes_max: usize) -> Result<Bytes, CompressionError> {
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let mut out = Vec::new();
    io::copy(&mut decoder.take(limit), &mut out).map_err(damaged)?;
    if out.len() > bytes_max { Err(CompressionError::TooLarge(bytes_max)) } else { Ok(out.into()) }
}

/// Either one block, as librdkafka writes it, or the blocks of snappy-java, each behind its length.
fn snappy(bytes: &Bytes, bytes_max: usize) -> Result<Bytes, CompressionError> {
    if !bytes.starts_with(XERIAL_MAGIC) {
        let mut out = Vec::new();
        block(bytes, bytes_max, &mut out)?;
        return Ok(out.into());
    }
    let short = || damaged("it ends too early");
    if bytes.len() < XERIAL_HEADER_BYTES {
        return Err(short());
    }
    let mut rest = bytes.slice(XERIAL_HEADER_BYTES..);
    let mut out = Vec::new();
    while rest.has_remaining() {
        let length = usize::try_from(rest.try_get_u32().map_err(|_| short())?).map_err(damaged)?;
        if length > rest.len() {
            return Err(short());
        }
        block(&rest.split_to(length), bytes_max, &mut out)?;
    }
    Ok(out.into())
}

/// Puts what a block of Snappy holds behind `out`. It says its size first, which is held against
/// the most that so many bytes can make before there is room for it.
fn block(block: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> Result<(), CompressionError> {
    /// A copy of 64 bytes takes three.
    const EXPANSION_MAX: usize = 22;
    let size = snap::raw::decompress_len(block).map_err(damaged)?;
    if size > bytes_max.saturating_sub(out.len()) {
        return Err(CompressionError::TooLarge(bytes_max));
    }
    if size > block.len().saturating_mul(EXPANSION_MAX) {
        return Err(damaged("it claims more than it can hold"));
    }
    out.extend(snap::raw::Decoder::new().decompress_vec(block).map_err(damaged)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 1 << 20;

    fn compress(codec: i16, bytes: &[u8]) -> Bytes {
        match codec {
            GZIP => {
                let level = flate2::Compression::default();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap().into()
            }
            SNAPPY => snap::raw::Encoder::new().compress_vec(bytes).unwrap().into(),
            LZ4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap().into()
            }
            _ => ruzstd::encoding::compress_to_vec(
                bytes,
                ruzstd::encoding::CompressionLevel::Fastest,
            )
            .into(),
        }
    }

    fn xerial(blocks: &[&[u8]]) -> Bytes {
        let mut out = [XERIAL_MAGIC, &[0, 0, 0, 1, 0, 0, 0, 1]].concat();
        for block in blocks {
            let block = compress(SNAPPY, block);
            out.extend(u32::try_from(block.len()).unwrap().to_be_bytes());
            out.extend(block);
        }
        out.into()
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_out_again(
            bytes in prop::collection::vec(0..4_u8, 0..5000),
            codec in GZIP..=ZSTD,
        ) {
            let compressed = compress(codec, &bytes);
            prop_assert_eq!(decompress(codec, &compressed, MAX).unwrap(), bytes);
        }

        #[test]
        fn bytes_of_any_kind_never_panic_and_never_exceed_the_bound(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            codec in -1..8_i16,
        ) {
            if let Ok(out) = decompress(codec, &bytes.into(), 1000) {
                prop_assert!(out.len() <= 1000);
            }
        }

        #[test]
        fn damaged_bytes_never_panic(
            bytes in prop::collection::vec(0..4_u8, 0..500),
            codec in GZIP..=ZSTD,
            at in any::<prop::sample::Index>(),
            flip in 1..=255_u8,
        ) {
            let mut compressed = compress(codec, &bytes).to_vec();
            let at = at.index(compressed.len());
            compressed[at] ^= flip;
            let _ = decompress(codec, &compressed.into(), MAX);
        }
    }

    #[test]
    fn more_than_may_come_out_is_refused() {
        for codec in GZIP..=ZSTD {
            let bomb = compress(codec, &vec![0; MAX + 1]);
            let refused = decompress(codec, &bomb, MAX);
            assert_eq!(refused, Err(CompressionError::TooLarge(MAX)), "codec {codec}");
            assert_eq!(decompress(codec, &bomb, MAX + 1).unwrap().len(), MAX + 1);
        }
    }

    #[test]
    fn snappy_comes_with_and_without_the_frame_of_snappy_java() {
        assert_eq!(decompress(SNAPPY, &xerial(&[b"one ", b"two"]), MAX).unwrap(), "one two");
        assert_eq!(decompress(SNAPPY, &xerial(&[]), MAX).unwrap(), "");
        let cut = xerial(&[b"one"]);
        for end in XERIAL_MAGIC.len()..cut.len() {
            let cut = decompress(SNAPPY, &cut.slice(..end), MAX);
            assert_eq!(cut.is_ok(), end == XERIAL_HEADER_BYTES, "cut at {end}: {cut:?}");
        }
    }

    #[test]
    fn a_block_that_claims_too_much_is_refused_before_there_is_room_for_it() {
        let claim = Bytes::from_static(&[0xff, 0xff, 0x3f, 0]);
        assert!(matches!(decompress(SNAPPY, &claim, MAX), Err(CompressionError::Damaged(_))));
    }
}
