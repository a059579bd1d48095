//! How long to try, and how long to wait between tries.
//!
//! **Invariants.** A wait is never shorter than half of its step nor longer than the step, and a
//! step never exceeds the maximum. Handing over and awaiting the answer together never exceed the
//! delivery timeout they were made from.
use std::time::Duration;

/// Waits that double, with jitter, up to a maximum.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    step: Duration,
}

impl Backoff {
    /// Starts with a step of `first`; no step exceeds `max`.
    #[must_use]
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, step: first }
    }

    /// The next wait: between half of the step and the step, as `random` has it.
    pub fn next(&mut self, random: u32) -> Duration {
        let step = self.step.min(self.max);
        self.step = step.saturating_mul(2).min(self.max);
        let half = step / 2;
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// Something went well: the next wait is a first one again.
    pub const fn reset(&mut self) {
        self.step = self.first;
    }
}

/// A delivery timeout, split in two: until when a record may be handed to the broker, and how
/// long the answer is then awaited. What is not handed over in time is surely not written; what
/// is not answered in time may be. Without the split the last moment would often be spent on a
/// request that has no time left to be answered, which makes an unknown out of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From the call until the request must be sent.
    pub hand_over: Duration,
    /// From the request until its answer.
    pub answer: Duration,
}

impl Patience {
    /// Two thirds for handing over, one third for the answer.
    #[must_use]
    pub fn from_delivery_timeout(delivery_timeout: Duration) -> Self {
        let answer = delivery_timeout / 3;
        Self { hand_over: delivery_timeout.saturating_sub(answer), answer }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn waits_double_up_to_the_maximum_and_start_again_after_a_reset() {
        let mut backoff = Backoff::new(50 * MS, 300 * MS);
        let waits: Vec<_> = (0..5).map(|_| backoff.next(u32::MAX)).collect();
        assert_eq!(waits, [50 * MS, 100 * MS, 200 * MS, 300 * MS, 300 * MS]);
        backoff.reset();
        assert_eq!(backoff.next(0), 25 * MS);
    }

    proptest! {
        #[test]
        fn waits_stay_between_half_a_step_and_the_maximum(
            first_ms in 1_u32..10_000, max_ms in 1_u32..10_000, random: Vec<u32>
        ) {
            let mut backoff = Backoff::new(first_ms * MS, max_ms * MS);
            for random in random {
                let wait = backoff.next(random);
                prop_assert!(wait >= first_ms.min(max_ms) * MS / 2 && wait <= max_ms * MS);
            }
        }

        #[test]
        fn patience_never_exceeds_the_delivery_timeout(timeout_ms in 0_u32..100_000) {
            let patience = Patience::from_delivery_timeout(timeout_ms * MS);
            prop_assert!(patience.hand_over + patience.answer <= timeout_ms * MS);
        }
    }
}
