//! How long operations took.
use std::time::Duration;

/// Times of single operations, in nanoseconds.
#[derive(Debug, Default, Clone)]
pub(crate) struct Latencies(Vec<u64>);

impl Latencies {
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// The time that this many of a thousand operations did not exceed, in milliseconds.
    pub(crate) fn permille_ms(&mut self, permille: usize) -> Option<f64> {
        self.0.sort_unstable();
        let rank = (self.0.len() * permille).div_ceil(1000).max(1);
        let nanos = *self.0.get(rank - 1)?;
        Some(Duration::from_nanos(nanos).as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_rank_is_taken() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.permille_ms(500), None);
        for ms in (1..=1000).rev() {
            latencies.add(Duration::from_millis(ms));
        }
        for (permille, ms) in [(500, 500.0), (990, 990.0), (999, 999.0), (1000, 1000.0), (0, 1.0)] {
            assert_eq!(latencies.permille_ms(permille), Some(ms));
        }
    }
}
