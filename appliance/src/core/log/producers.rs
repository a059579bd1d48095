//! Idempotent producers: which batches of a partition were already taken.
//!
//! **Invariants.** A batch is entered here only together with its append. The last
//! [`BATCHES_KEPT`] of each producer are known, as many as a client may have in flight.
//!
//! **References.** KIP-98 (idempotent producer), KIP-360 (unknown producer ids).
use std::collections::{HashMap, VecDeque};

use bytes::{BufMut, BytesMut};

use super::bytes_codec::{CodecError, Reader, len_u32};
use crate::limits::{PRODUCER_IDLE_MS_MAX, PRODUCERS_PER_PARTITION_MAX};

/// How many batches of a producer are remembered: the most a client may have in flight.
pub const BATCHES_KEPT: usize = 5;

/// A batch's place in its producer's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The producer's id, not negative.
    pub producer_id: i64,
    /// The producer's epoch.
    pub epoch: i16,
    /// The sequence of the first record.
    pub base_sequence: i32,
    /// The sequence of the last record; sequences wrap from `i32::MAX` to 0.
    pub last_sequence: i32,
}

/// A producer as an operator sees it (`DescribeProducers`, KIP-664).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The sequence of its last record.
    pub last_sequence: i32,
    /// When it was last heard of, in milliseconds since 1970.
    pub used_ms: i64,
}

/// What to do with a stamped batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the next one: append it.
    Append,
    /// It is stored already, at this base offset.
    Duplicate {
        /// Where.
        base_offset: i64,
    },
    /// Records before it are missing (Kafka: `OUT_OF_ORDER_SEQUENCE_NUMBER`).
    OutOfOrder,
    /// It was stored, but so long ago that its offset is not known
    /// (Kafka: `DUPLICATE_SEQUENCE_NUMBER`).
    OldDuplicate,
    /// A newer incarnation of the producer exists (Kafka: `INVALID_PRODUCER_EPOCH`).
    Fenced,
}

/// The producers of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Producers(HashMap<i64, Producer>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    used_ms: i64,
    batches: VecDeque<Batch>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Batch {
    base_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
}

impl Producers {
    /// Judges a batch; changes nothing.
    #[must_use]
    pub fn judge(&self, stamp: Stamp) -> Verdict {
        let Some(producer) = self.0.get(&stamp.producer_id) else { return Verdict::Append };
        if stamp.epoch < producer.epoch {
            return Verdict::Fenced;
        }
        if stamp.epoch > producer.epoch {
            return if stamp.base_sequence == 0 { Verdict::Append } else { Verdict::OutOfOrder };
        }
        let same = |batch: &&Batch| {
            (batch.base_sequence, batch.last_sequence) == (stamp.base_sequence, stamp.last_sequence)
        };
        if let Some(batch) = producer.batches.iter().find(same) {
            return Verdict::Duplicate { base_offset: batch.base_offset };
        }
        let (Some(oldest), Some(newest)) = (producer.batches.front(), producer.batches.back())
        else {
            return Verdict::Append;
        };
        if stamp.base_sequence == following(newest.last_sequence) {
            Verdict::Append
        } else if stamp.last_sequence < oldest.base_sequence {
            Verdict::OldDuplicate
        } else {
            Verdict::OutOfOrder
        }
    }

    /// Enters a batch that was appended at `base_offset`.
    pub fn enter(&mut self, stamp: Stamp, base_offset: i64, now_ms: i64) {
        if !self.0.contains_key(&stamp.producer_id) && self.0.len() >= PRODUCERS_PER_PARTITION_MAX {
            self.forget_the_longest_silent();
        }
        let producer = self.0.entry(stamp.producer_id).or_insert_with(|| Producer {
            epoch: stamp.epoch,
            used_ms: now_ms,
            batches: VecDeque::with_capacity(BATCHES_KEPT),
        });
        if stamp.epoch != producer.epoch {
            producer.epoch = stamp.epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == BATCHES_KEPT {
            producer.batches.pop_front();
        }
        producer.used_ms = now_ms;
        let Stamp { base_sequence, last_sequence, .. } = stamp;
        producer.batches.push_back(Batch { base_sequence, last_sequence, base_offset });
    }

    /// Every producer that is remembered, sorted by id.
    #[must_use]
    pub fn active(&self) -> Vec<ActiveProducer> {
        let active = |(id, producer): (&i64, &Producer)| ActiveProducer {
            producer_id: *id,
            epoch: producer.epoch,
            last_sequence: producer.batches.back().map_or(-1, |batch| batch.last_sequence),
            used_ms: producer.used_ms,
        };
        let mut all: Vec<_> = self.0.iter().map(active).collect();
        all.sort_unstable_by_key(|producer| producer.producer_id);
        all
    }

    /// Forgets the producers that were silent for [`PRODUCER_IDLE_MS_MAX`].
    pub fn expire(&mut self, now_ms: i64) {
        self.0.retain(|_, producer| now_ms.saturating_sub(producer.used_ms) < PRODUCER_IDLE_MS_MAX);
    }

    fn forget_the_longest_silent(&mut self) {
        let newest_offset =
            |producer: &Producer| producer.batches.back().map_or(-1, |batch| batch.base_offset);
        let silent = self.0.iter().min_by_key(|(_, producer)| newest_offset(producer));
        if let Some(id) = silent.map(|(id, _)| *id) {
            self.0.remove(&id);
        }
    }

    /// Writes all of it behind `out`, in an order that depends on the contents alone.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut ids: Vec<_> = self.0.iter().collect();
        ids.sort_unstable_by_key(|(id, _)| **id);
        out.put_u32(len_u32(ids.len()));
        for (id, producer) in ids {
            out.put_i64(*id);
            out.put_i16(producer.epoch);
            out.put_i64(producer.used_ms);
            out.put_u32(len_u32(producer.batches.len()));
            for batch in &producer.batches {
                out.put_i32(batch.base_sequence);
                out.put_i32(batch.last_sequence);
                out.put_i64(batch.base_offset);
            }
        }
    }

    /// Reads what [`Producers::encode`] wrote.
    ///
    /// # Errors
    /// [`CodecError`] when the bytes are cut short.
    pub fn decode(reader: &mut Reader) -> Result<Self, CodecError> {
        let mut producers = HashMap::new();
        for _ in 0..reader.u32()? {
            let id = reader.i64()?;
            let (epoch, used_ms) = (reader.i16()?, reader.i64()?);
            let mut batches = VecDeque::new();
            for _ in 0..reader.u32()? {
                let (base_sequence, last_sequence) = (reader.i32()?, reader.i32()?);
                let base_offset = reader.i64()?;
                batches.push_back(Batch { base_sequence, last_sequence, base_offset });
            }
            producers.insert(id, Producer { epoch, used_ms, batches });
        }
        Ok(Self(producers))
    }
}

/// The sequence that comes after this one.
const fn following(sequence: i32) -> i32 {
    if sequence == i32::MAX { 0 } else { sequence + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(epoch: i16, base_sequence: i32, last_sequence: i32) -> Stamp {
        Stamp { producer_id: 9, epoch, base_sequence, last_sequence }
    }

    /// Six batches of ten records: sequences 0-9, ..., 50-59 at offsets 0, ..., 50.
    fn six_batches() -> Producers {
        let mut producers = Producers::default();
        for n in 0..6 {
            let stamp = stamp(0, n * 10, n * 10 + 9);
            assert_eq!(producers.judge(stamp), Verdict::Append);
            producers.enter(stamp, i64::from(n) * 10, 0);
        }
        producers
    }

    #[test]
    fn the_last_five_batches_are_known_with_their_offsets() {
        let producers = six_batches();
        for n in 1..6 {
            let verdict = producers.judge(stamp(0, n * 10, n * 10 + 9));
            assert_eq!(verdict, Verdict::Duplicate { base_offset: i64::from(n) * 10 });
        }
        assert_eq!(producers.judge(stamp(0, 0, 9)), Verdict::OldDuplicate);
    }

    #[test]
    fn a_gap_or_an_overlap_is_out_of_order() {
        let producers = six_batches();
        assert_eq!(producers.judge(stamp(0, 61, 70)), Verdict::OutOfOrder);
        assert_eq!(producers.judge(stamp(0, 55, 64)), Verdict::OutOfOrder);
        assert_eq!(producers.judge(stamp(0, 60, 69)), Verdict::Append);
    }

    #[test]
    fn a_new_epoch_starts_at_zero_and_fences_the_old_one() {
        let mut producers = six_batches();
        assert_eq!(producers.judge(stamp(1, 60, 69)), Verdict::OutOfOrder);
        assert_eq!(producers.judge(stamp(1, 0, 9)), Verdict::Append);
        producers.enter(stamp(1, 0, 9), 60, 0);
        assert_eq!(producers.judge(stamp(0, 60, 69)), Verdict::Fenced);
        assert_eq!(producers.judge(stamp(1, 10, 10)), Verdict::Append);
    }

    #[test]
    fn a_producer_that_is_not_known_may_go_on_anywhere() {
        assert_eq!(Producers::default().judge(stamp(3, 77, 78)), Verdict::Append);
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let mut producers = Producers::default();
        producers.enter(stamp(0, i32::MAX - 1, i32::MAX), 0, 0);
        assert_eq!(producers.judge(stamp(0, 0, 4)), Verdict::Append);
    }

    #[test]
    fn a_silent_producer_is_forgotten_after_a_day() {
        let mut producers = six_batches();
        producers.expire(PRODUCER_IDLE_MS_MAX - 1);
        assert_eq!(producers, six_batches());
        producers.expire(PRODUCER_IDLE_MS_MAX);
        assert_eq!(producers, Producers::default());
    }

    #[test]
    fn the_number_of_producers_is_bounded_and_the_longest_silent_goes_first() {
        let mut producers = Producers::default();
        for id in 0..=i64::try_from(PRODUCERS_PER_PARTITION_MAX).unwrap() {
            producers.enter(Stamp { producer_id: id, ..stamp(0, 0, 0) }, id, 0);
        }
        assert_eq!(producers.0.len(), PRODUCERS_PER_PARTITION_MAX);
        assert!(!producers.0.contains_key(&0) && producers.0.contains_key(&1));
    }

    #[test]
    fn they_read_back() {
        let mut out = BytesMut::new();
        six_batches().encode(&mut out);
        assert_eq!(Producers::decode(&mut Reader(out.freeze())).unwrap(), six_batches());
    }
}
