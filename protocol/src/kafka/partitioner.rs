//! Which partition a record goes to: the hash of its key, as Java's default, or the sticky one.
//!
//! **Invariants.** The same key and the same partition count always give the same partition, the
//! one every Java, librdkafka (`murmur2_random`) and franz-go producer gives. An empty key is a key.
//!
//! **References.** `org.apache.kafka.common.utils.Utils.murmur2`, `BuiltInPartitioner`, KIP-480.
use std::num::NonZeroU32;

/// The partition, in `0..partitions`, of a record with this key.
#[must_use]
pub const fn partition_for_key(key: &[u8], partitions: NonZeroU32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions.get()
}

/// Murmur2 with Kafka's seed. Java shows the same bits as a signed number.
#[must_use]
pub const fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    // Java's int length: a key longer than 2 GiB cannot be sent at all.
    #[expect(clippy::cast_possible_truncation, reason = "only the low 32 bits enter the hash")]
    let mut h = SEED ^ (data.len() as u32);
    let mut rest = data;
    while let Some((word, tail)) = rest.split_first_chunk::<4>() {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
        rest = tail;
    }
    let tail = match *rest {
        [a] => u32::from_le_bytes([a, 0, 0, 0]),
        [a, b] => u32::from_le_bytes([a, b, 0, 0]),
        [a, b, c] => u32::from_le_bytes([a, b, c, 0]),
        _ => 0,
    };
    if !rest.is_empty() {
        h = (h ^ tail).wrapping_mul(M);
    }
    h = (h ^ (h >> 13)).wrapping_mul(M);
    h ^ (h >> 15)
}

/// The partition of records without a key: one partition until a batch for it starts, then the
/// next, so that such records travel in full batches and still spread evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sticky(u32);

impl Sticky {
    /// Starts at any partition; a random `seed` keeps many producers from starting at the same.
    #[must_use]
    pub const fn new(seed: u32) -> Self {
        Self(seed)
    }

    /// The partition, in `0..partitions`, for the next record without a key.
    #[must_use]
    pub const fn current(self, partitions: NonZeroU32) -> u32 {
        self.0 % partitions.get()
    }

    /// Moves on if the batch that starts now is for the current partition.
    pub const fn batch_started(&mut self, partition: u32, partitions: NonZeroU32) {
        if self.current(partitions) == partition {
            self.0 = (partition + 1) % partitions.get();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn count(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    #[test]
    fn hashes_as_java_does() {
        // From Kafka's own UtilsTest.
        let vectors: [(&[u8], i32); 8] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
            (b"\xff\xfe\xfd", 998_637_092),
        ];
        for (key, expected) in vectors {
            assert_eq!(murmur2(key).cast_signed(), expected, "{key:?}");
        }
    }

    #[test]
    fn a_negative_hash_loses_its_sign_bit_not_its_sign() {
        // -973932308 & 0x7fffffff = 1173551340
        assert_eq!(partition_for_key(b"21", count(7)), 1_173_551_340 % 7);
    }

    #[test]
    fn keyless_records_stick_until_a_batch_starts() {
        let mut sticky = Sticky::new(5);
        let n = count(3);
        assert_eq!(sticky.current(n), 2);
        sticky.batch_started(1, n);
        assert_eq!(sticky.current(n), 2, "a batch elsewhere changes nothing");
        sticky.batch_started(2, n);
        assert_eq!(sticky.current(n), 0);
    }

    proptest! {
        #[test]
        fn every_key_has_a_partition(key: Vec<u8>, n in 1_u32..10_000) {
            prop_assert!(partition_for_key(&key, count(n)) < n);
        }
    }
}
