//! The tables at the end of a run.
use super::compare::Comparison;
use super::results::{CASES, ClientResult, Mark};

/// One client with each broker.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) name: &'static str,
    /// By broker, in the order in which they ran.
    pub(super) results: Vec<(&'static str, &'a ClientResult)>,
}

impl Row<'_> {
    /// `pass` only when it passes on each broker.
    fn cell(&self, case: &str) -> String {
        if self.results.iter().any(|(_, result)| result.skipped.is_some()) {
            return "skip".to_owned();
        }
        let marks = self
            .results
            .iter()
            .map(|(engine, result)| (*engine, result.case(case).map(|case| case.outcome)));
        let marks: Vec<_> = marks.collect();
        let all = |wanted| marks.iter().all(|(_, mark)| *mark == wanted);
        let failed = marks.iter().filter(|(_, mark)| *mark == Some(Mark::Fail));
        let failed: Vec<&str> = failed.map(|(engine, _)| *engine).collect();
        if all(None) {
            "-".to_owned()
        } else if all(Some(Mark::Pass)) {
            "pass".to_owned()
        } else if all(Some(Mark::NotApplicable)) {
            "n/a".to_owned()
        } else if failed.is_empty() {
            "**FAIL**: applies to one only".to_owned()
        } else {
            format!("**FAIL**: {}", failed.join(", "))
        }
    }

    /// The cases that failed, as a reader finds them again in the table.
    pub(super) fn failures(&self) -> Vec<String> {
        let failed = CASES.iter().filter(|case| self.cell(case).contains("FAIL"));
        failed.map(|case| format!("{} {case}", self.name)).collect()
    }
}

/// Cases by clients, and which versions those are.
pub(super) fn matrix(rows: &[Row<'_>]) -> String {
    let mut text = String::from("| case |");
    for row in rows {
        text.push_str(&format!(" {} |", row.name));
    }
    text.push_str(&format!("\n|---|{}\n", "---|".repeat(rows.len())));
    for case in CASES {
        let cells: Vec<String> = rows.iter().map(|row| row.cell(case)).collect();
        if cells.iter().any(|cell| cell != "-") {
            text.push_str(&format!("| {case} | {} |\n", cells.join(" | ")));
        }
    }
    text.push('\n');
    for row in rows {
        let seconds: Vec<String> = row
            .results
            .iter()
            .map(|(engine, result)| format!("{:.1} s on {engine}", result.seconds))
            .collect();
        let result = row.results.first().map(|(_, result)| *result);
        match result.and_then(|result| result.skipped.as_ref()) {
            Some(why) => text.push_str(&format!("- {}: SKIPPED: {why}\n", row.name)),
            None => {
                let version = result.map_or("", |result| result.version.as_str());
                text.push_str(&format!("- {}: {version}, {}\n", row.name, seconds.join(", ")));
            }
        }
    }
    text
}

/// What did not do what it should, or does not apply, with the reasons.
pub(super) fn details(rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    for mark in [Mark::NotApplicable, Mark::Fail] {
        for row in rows {
            for (engine, result) in &row.results {
                for case in result.cases.iter().filter(|case| case.outcome == mark) {
                    let word = if mark == Mark::Fail { "FAIL" } else { "n/a" };
                    let first_line = case.detail.lines().next().unwrap_or_default();
                    let line = format!("{word} {} {}: {first_line}\n", row.name, case.case);
                    // What does not apply is the client's own affair: once is enough.
                    if mark == Mark::Fail {
                        text.push_str(&format!("{engine}: {line}"));
                    } else if !text.contains(&line) {
                        text.push_str(&line);
                    }
                }
            }
        }
    }
    text
}

/// What passed only when it was tried again.
pub(super) fn second_tries(rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    for row in rows {
        for (engine, result) in &row.results {
            for case in &result.cases {
                let Some(before) = &case.failed_before else { continue };
                let first_line = before.lines().next().unwrap_or_default();
                let (name, case) = (row.name, &case.case);
                text.push_str(&format!(
                    "{engine}: passed at the second try {name} {case}: {first_line}\n"
                ));
            }
        }
    }
    text
}

/// The answers that differ. Clients that differ in the same way share a line.
pub(super) fn differences(comparison: &Comparison) -> String {
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for found in &comparison.differences {
        let reason = found.reason.as_deref().unwrap_or("**UNEXPLAINED**");
        let line = format!(
            "{} | {} | {} | {} | {reason} |",
            found.case, found.answer, found.embedded, found.kafka
        );
        match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, clients)) => clients.push(found.client),
            None => lines.push((line, vec![found.client])),
        }
    }
    let mut text = String::from("| case | answer | embedded | Apache Kafka | reason | clients |\n");
    text.push_str("|---|---|---|---|---|---|\n");
    for (line, clients) in lines {
        text.push_str(&format!("| {line} {} |\n", clients.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::results::CaseResult;

    fn result(outcome: Mark) -> ClientResult {
        let case = CaseResult { outcome, ..CaseResult::failed("seek", "") };
        ClientResult { cases: vec![case], ..ClientResult::default() }
    }

    #[test]
    fn a_case_passes_when_it_passes_everywhere() {
        let (pass, fail, never) =
            (result(Mark::Pass), result(Mark::Fail), result(Mark::NotApplicable));
        let cell = |ours, theirs| {
            Row { name: "a", results: vec![("embedded", ours), ("kafka", theirs)] }.cell("seek")
        };
        assert_eq!(cell(&pass, &pass), "pass");
        assert_eq!(cell(&never, &never), "n/a");
        assert_eq!(cell(&pass, &fail), "**FAIL**: kafka");
        assert_eq!(cell(&pass, &never), "**FAIL**: applies to one only");
        let skipped = ClientResult::skipped("no go".to_owned());
        assert_eq!(cell(&skipped, &skipped), "skip");
    }

    #[test]
    fn only_cases_that_ran_have_a_row() {
        let pass = result(Mark::Pass);
        let text = matrix(&[Row { name: "a", results: vec![("embedded", &pass)] }]);
        assert!(text.starts_with("| case | a |\n|---|---|\n| seek | pass |\n\n- a: "), "{text}");
    }
}
