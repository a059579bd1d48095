//! Answers that differ between brokers, and the reasons why they may.
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::results::{ClientResult, Mark};
use crate::failure::{Outcome, While};

const ANY: &str = "*";

/// An answer that the embedded broker gives differently, as `differences.toml` explains it.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// A client's name, or `*`.
    client: String,
    case: String,
    /// What `seen` calls the answer.
    answer: String,
    /// What the embedded broker says.
    embedded: String,
    /// What Apache Kafka says.
    kafka: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReasonFile {
    #[serde(default)]
    difference: Vec<Reason>,
}

/// One answer that differs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) client: &'static str,
    pub(super) case: String,
    pub(super) answer: String,
    pub(super) embedded: String,
    pub(super) kafka: String,
    pub(super) reason: Option<String>,
}

/// What comparing found.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) differences: Vec<Difference>,
    /// Reasons that explain nothing any more.
    pub(super) stale: Vec<Reason>,
}

/// One client on both brokers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) client: &'static str,
    pub(super) embedded: &'a ClientResult,
    pub(super) kafka: &'a ClientResult,
}

pub(super) fn reasons(file: &Path) -> Outcome<Vec<Reason>> {
    let text = fs::read_to_string(file).on(format_args!("read {}", file.display()))?;
    let file: ReasonFile = toml::from_str(&text).on(format_args!("read {}", file.display()))?;
    Ok(file.difference)
}

/// Compares what passed on both brokers. `complete` says that every client ran.
pub(super) fn compare(pairs: &[Pair<'_>], reasons: &[Reason], complete: bool) -> Comparison {
    let mut comparison = Comparison::default();
    let mut used = vec![false; reasons.len()];
    for pair in pairs {
        for mut difference in pair.differences() {
            let explains = reasons.iter().position(|reason| reason.explains(&difference));
            if let Some((reason, used)) =
                explains.and_then(|at| reasons.get(at).zip(used.get_mut(at)))
            {
                difference.reason = Some(reason.reason.clone());
                *used = true;
            }
            comparison.differences.push(difference);
        }
    }
    let stale = reasons.iter().zip(used).filter(|(reason, used)| {
        let applies = |pair: &Pair<'_>| reason.client == pair.client && pair.compared(&reason.case);
        let all = || complete && pairs.iter().all(|pair| pair.compared(&reason.case));
        !used && (pairs.iter().any(applies) || reason.client == ANY && all())
    });
    comparison.stale = stale.map(|(reason, _)| reason.clone()).collect();
    comparison
}

impl Pair<'_> {
    /// Whether a case passed on both, so that its answers are compared.
    fn compared(&self, case: &str) -> bool {
        [self.embedded, self.kafka]
            .iter()
            .all(|result| result.case(case).is_some_and(|case| case.outcome != Mark::Fail))
    }

    fn differences(&self) -> Vec<Difference> {
        let mut differences = Vec::new();
        for embedded in self.embedded.cases.iter().filter(|case| self.compared(&case.case)) {
            let Some(kafka) = self.kafka.case(&embedded.case) else { continue };
            let mut answers: Vec<&String> = embedded.seen.keys().chain(kafka.seen.keys()).collect();
            answers.sort_unstable();
            answers.dedup();
            for answer in answers {
                let ours = embedded.seen.get(answer).map_or("(nothing)", String::as_str);
                let theirs = kafka.seen.get(answer).map_or("(nothing)", String::as_str);
                if ours != theirs {
                    differences.push(Difference {
                        client: self.client,
                        case: embedded.case.clone(),
                        answer: answer.clone(),
                        embedded: ours.to_owned(),
                        kafka: theirs.to_owned(),
                        reason: None,
                    });
                }
            }
        }
        differences
    }
}

impl Reason {
    fn explains(&self, difference: &Difference) -> bool {
        (self.client == ANY || self.client == difference.client)
            && self.case == difference.case
            && self.answer == difference.answer
            && self.embedded == difference.embedded
            && self.kafka == difference.kafka
    }

    /// For people: what it was about.
    pub(super) fn title(&self) -> String {
        format!("{} {} {}", self.client, self.case, self.answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::results::CaseResult;

    fn saw(answer: &str, outcome: Mark) -> ClientResult {
        let seen = [("x".to_owned(), answer.to_owned())].into();
        let case = CaseResult { outcome, seen, ..CaseResult::failed("acks", "") };
        ClientResult { cases: vec![case], ..ClientResult::default() }
    }

    fn reason(client: &str, embedded: &str) -> Reason {
        Reason {
            client: client.to_owned(),
            case: "acks".to_owned(),
            answer: "x".to_owned(),
            embedded: embedded.to_owned(),
            kafka: "2".to_owned(),
            reason: "because".to_owned(),
        }
    }

    #[test]
    fn a_difference_is_explained_by_its_very_values_only() {
        let (embedded, kafka) = (saw("1", Mark::Pass), saw("2", Mark::Pass));
        let pairs = [Pair { client: "a", embedded: &embedded, kafka: &kafka }];
        for (client, said, explained) in
            [("a", "1", true), ("*", "1", true), ("b", "1", false), ("a", "3", false)]
        {
            let found = compare(&pairs, &[reason(client, said)], true);
            assert_eq!(found.differences.len(), 1);
            assert_eq!(found.differences[0].reason.is_some(), explained, "{client} {said}");
        }
    }

    #[test]
    fn a_reason_is_stale_when_what_it_explains_was_compared_and_is_gone() {
        let same = saw("2", Mark::Pass);
        let pairs = [Pair { client: "a", embedded: &same, kafka: &same }];
        let stale =
            |client: &str, complete| compare(&pairs, &[reason(client, "1")], complete).stale.len();
        assert_eq!((stale("a", false), stale("*", true)), (1, 1));
        assert_eq!((stale("b", true), stale("*", false)), (0, 0));
    }

    #[test]
    fn what_failed_is_not_compared() {
        let (embedded, kafka) = (saw("1", Mark::Fail), saw("2", Mark::Pass));
        let pairs = [Pair { client: "a", embedded: &embedded, kafka: &kafka }];
        let found = compare(&pairs, &[reason("a", "1")], true);
        assert!(found.differences.is_empty() && found.stale.is_empty());
    }
}
