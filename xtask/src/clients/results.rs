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
        Self { case, outcome: Mark::Fail, detail, seen: BTreeMap::new() }
    }
}
