//! What the client programs say, and what is kept of it.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The cases that each program runs or declares not to apply, in the order of the table.
pub(super) const CASES: [&str; 25] = [
    "metadata",
    "topics",
    "records",
    "codec-gzip",
    "codec-snappy",
    "codec-lz4",
    "codec-zstd",
    "idempotent",
    "group-resume",
    "group-rebalance",
    "group-cooperative",
    "group-static",
    "offsets",
    "groups-admin",
    "configs",
    "create-partitions",
    "delete-records",
    "large-record",
    "seek",
    "out-of-range",
    "read-committed",
    "unknown-topic",
    "cluster",
    "long-poll",
    "acks",
];

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mark {
    /// It did what it should.
    #[serde(rename = "pass")]
    Pass,
    /// It did not.
    #[serde(rename = "fail")]
    Fail,
    /// The client has no such thing.
    #[serde(rename = "n/a")]
    NotApplicable,
}

/// What a program says about one case, on a line of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CaseResult {
    pub(super) case: String,
    pub(super) outcome: Mark,
    /// Why it failed, or why it does not apply.
    #[serde(default)]
    pub(super) detail: String,
    /// Answers that are worth comparing between brokers, by name.
    #[serde(default)]
    pub(super) seen: BTreeMap<String, String>,
    /// Why it had failed before, where it passed at the second try.
    #[serde(skip_deserializing)]
    pub(super) failed_before: Option<String>,
}

/// The first line of a program.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Greeting {
    /// The client's name and version.
    pub(super) client: String,
}

/// All that one client did with one broker.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct ClientResult {
    /// As the client says it; empty when it never did.
    pub(super) version: String,
    pub(super) seconds: f64,
    /// Why it did not run, if it did not.
    pub(super) skipped: Option<String>,
    pub(super) cases: Vec<CaseResult>,
}

impl ClientResult {
    pub(super) fn skipped(why: String) -> Self {
        Self { skipped: Some(why), ..Self::default() }
    }

    pub(super) fn case(&self, name: &str) -> Option<&CaseResult> {
        self.cases.iter().find(|result| result.case == name)
    }

    /// Takes over what passed when it was tried again, with why it had failed.
    pub(super) fn try_again(&mut self, second: Self) {
        self.seconds += second.seconds;
        for better in second.cases.into_iter().filter(|case| case.outcome == Mark::Pass) {
            if let Some(first) = self.cases.iter_mut().find(|case| case.case == better.case) {
                let failed_before = Some(std::mem::take(&mut first.detail));
                *first = CaseResult { failed_before, ..better };
            }
        }
    }

    /// Notes a failure for each case that `wanted` and has no result.
    pub(super) fn fail_missing(&mut self, wanted: &[&str], why: &str) {
        for case in wanted {
            if self.case(case).is_none() {
                self.cases.push(CaseResult::failed(case, why));
            }
        }
    }
}

impl CaseResult {
    pub(super) fn failed(case: &str, why: &str) -> Self {
        let (case, detail) = (case.to_owned(), why.to_owned());
        Self { case, outcome: Mark::Fail, detail, seen: BTreeMap::new(), failed_before: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_try_counts_only_where_it_passes_and_tells_what_was_before() {
        let result = |cases| ClientResult { seconds: 1.0, cases, ..ClientResult::default() };
        let passed = |case| CaseResult { outcome: Mark::Pass, ..CaseResult::failed(case, "") };
        let slow = CaseResult::failed("seek", "slow");
        let mut first = result(vec![passed("acks"), slow, CaseResult::failed("topics", "gone")]);
        first.try_again(result(vec![passed("seek"), CaseResult::failed("topics", "gone again")]));
        let told = |case| {
            let found = first.case(case).unwrap();
            (found.outcome, found.detail.as_str(), found.failed_before.as_deref())
        };
        assert_eq!(told("acks"), (Mark::Pass, "", None));
        assert_eq!(told("seek"), (Mark::Pass, "", Some("slow")));
        assert_eq!(told("topics"), (Mark::Fail, "gone", None));
        assert!((first.seconds - 2.0).abs() < f64::EPSILON);
    }
}
