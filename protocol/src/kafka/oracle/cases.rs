//! What every check of messages needs: arbitrary values, and their bytes.
use std::ops::RangeInclusive;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

use crate::kafka::encoder::Encoder;
use crate::kafka::exchange::Message;
use crate::kafka::sample::{Choices, Sample};
use crate::kafka::wire::{Version, Wire};

/// Arbitrary values for each version that is tried.
const CASES: u32 = 16;

/// Runs `check` with arbitrary values in each of the versions.
pub(super) fn each<M: Message + Sample>(
    versions: RangeInclusive<i16>,
    check: impl Fn(&M, Version, &[u8]) -> TestCaseResult,
) {
    for number in versions {
        let version = Version { number, flexible: number >= M::API.api().flexible_from };
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(&vec(any::<u8>(), 0..200), |choices| {
            let mut choices = Choices(&choices);
            let message = M::sample(&mut choices, version);
            check(&message, version, choices.0)
        });
        outcome.unwrap_or_else(|error| panic!("version {number}: {error}"));
    }
}

pub(super) fn encoded(message: &impl Wire, version: Version) -> Bytes {
    let mut out = Encoder::default();
    message.encode(&mut out, version);
    out.into_bytes()
}
