//! Choices that a seed repeats.
use std::ops::RangeInclusive;
use std::time::Duration;

/// A sequence of numbers that follows from its seed (`SplitMix64`).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another sequence, for part `number` of the work.
    pub(super) fn part(&self, number: u32) -> Self {
        let mut part = Self(self.0 ^ u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        part.number();
        part
    }

    pub(super) const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut n = self.0;
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    }

    /// From 0 up to and without `end`; 0 when there is nothing else.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.number() % end).unwrap_or(0)
    }

    /// True once in so many times.
    pub(super) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        let (from, to) = range.into_inner();
        let micros = self.number() % ((to - from) * 1000 + 1);
        Duration::from_micros(from * 1000 + micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_parts_differ() {
        let first = |random: &Random| random.clone().number();
        assert_eq!(first(&Random::new(7)), first(&Random::new(7)));
        assert_ne!(first(&Random::new(7).part(0)), first(&Random::new(7).part(1)));
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let mut random = Random::new(1);
        for _ in 0..1000 {
            assert!(random.below(3) < 3);
            let pause = random.millis(5..=9);
            assert!(pause >= Duration::from_millis(5) && pause <= Duration::from_millis(9));
        }
        assert_eq!(random.below(0), 0);
    }
}
