//! Records that say who sent them, and whose every byte follows from that.
use bytes::{BufMut, Bytes, BytesMut};
use pagi_protocol::kafka::batch_builder::{BatchBuilder, Producer};
use pagi_protocol::kafka::record::Record;

use super::random::Random;
use crate::failure::{Failure, Outcome};

const STAMP_BYTES: usize = 12;
const TIMESTAMP_MS: i64 = 1_700_000_000_000;

/// Which record it is. A lane is a partition of one of the topics that are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    pub(super) producer: u32,
    pub(super) lane: u32,
    /// The producer's sequence in the lane, as Kafka counts it.
    pub(super) sequence: i32,
}

impl Stamp {
    /// The record's value: the stamp, and bytes that follow from it.
    pub(super) fn value(self) -> Bytes {
        let mut value = BytesMut::new();
        value.put_u32(self.producer);
        value.put_u32(self.lane);
        value.put_i32(self.sequence);
        let noise_bytes = self.noise_bytes();
        let mut random = self.random();
        while value.len() < STAMP_BYTES + noise_bytes {
            value.put_u64(random.number());
        }
        value.truncate(STAMP_BYTES + noise_bytes);
        value.freeze()
    }

    /// The stamp of a value that is, to the last byte, what was sent.
    pub(super) fn of(value: &[u8]) -> Option<Self> {
        let (producer, rest) = value.split_first_chunk()?;
        let (lane, rest) = rest.split_first_chunk()?;
        let (sequence, _) = rest.split_first_chunk()?;
        let stamp = Self {
            producer: u32::from_be_bytes(*producer),
            lane: u32::from_be_bytes(*lane),
            sequence: i32::from_be_bytes(*sequence),
        };
        (stamp.value() == value).then_some(stamp)
    }

    /// Mostly small, now and then as large as a page or two.
    fn noise_bytes(self) -> usize {
        let mut random = self.random().part(1);
        if random.one_in(64) { random.below(9000) } else { random.below(300) }
    }

    fn random(self) -> Random {
        Random::new(u64::from(self.lane) << 32 | u64::from(self.sequence.cast_unsigned()))
            .part(self.producer)
    }
}

/// The batch of `records` records from `first` on.
pub(super) fn batch(first: Stamp, records: i32, id: i64, epoch: i16) -> Outcome<Bytes> {
    let mut batch = BatchBuilder::new(usize::MAX);
    for n in 0..records {
        let stamp = Stamp { sequence: first.sequence.saturating_add(n), ..first };
        let value = Some(stamp.value());
        batch.push(&Record { timestamp_ms: TIMESTAMP_MS, value, ..Record::default() })?;
    }
    let producer = Producer { id, epoch, base_sequence: first.sequence };
    batch.finish(producer).ok_or_else(|| Failure::new("a batch needs a record"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_tells_its_stamp_only_when_it_is_whole() {
        for sequence in 0..200 {
            let stamp = Stamp { producer: 3, lane: 5, sequence };
            let value = stamp.value();
            assert_eq!(Stamp::of(&value), Some(stamp));
            assert_eq!(Stamp::of(&value[..value.len() - 1]), None);
            let mut damaged = value.to_vec();
            *damaged.last_mut().unwrap() ^= 1;
            assert_eq!(Stamp::of(&damaged), None);
        }
    }
}
