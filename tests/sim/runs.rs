//! How much is run, and what to do to run a failure again.
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::rng::Rng;

/// A number in the environment.
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The seeds to run: so many, or what the environment says.
pub(crate) fn seeds(by_default: u64) -> Vec<u64> {
    match number("PAGI_SIM_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("PAGI_SIM_SEEDS").unwrap_or(by_default)).collect(),
    }
}

/// How many second faults follow each first one.
pub(crate) fn cuts(by_default: usize) -> usize {
    number("PAGI_SIM_CUTS").map_or(by_default, |cuts| usize::try_from(cuts).unwrap())
}

/// Places from 0 to `end`: all of them when the environment asks for many runs, else some.
pub(crate) fn sampled(end: u64, seed: u64) -> impl Iterator<Item = u64> {
    let all = number("PAGI_SIM_SEEDS").is_some() || number("PAGI_SIM_CUTS").is_some();
    let mut rng = Rng::of(seed, 16);
    (0..end).filter(move |_| all || rng.percent(40))
}

/// Runs `check`; when it fails, says which case of which seed that was.
pub(crate) fn case<T>(test: &str, seed: u64, case: &str, check: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
        println!("failed: seed {seed}, {case}");
        println!("again: PAGI_SIM_SEED={seed} cargo test --test sim {test} -- --nocapture");
        resume_unwind(panic)
    })
}
