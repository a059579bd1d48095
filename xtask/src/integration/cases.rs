//! The main job's cases, run against one engine, and how each ended.
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::failure::{Failure, Outcome, While};
use crate::project;

/// The modules in `tests/it` whose tests are the main job.
const MODULES: [&str; 2] = ["main_job::", "walk_through::"];

/// One case and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) passed: bool,
}

/// Runs every case with these settings; output is shown as it comes.
pub(crate) fn run(settings: &[(&str, &OsStr)]) -> Outcome<Vec<Case>> {
    let arguments = ["test", "--package", "pagi-appliance", "--test", "it", "--"];
    let mut command = project::cargo(arguments);
    command.args(MODULES).args(["--test-threads", "2"]).stdout(Stdio::piped());
    command.envs(settings.iter().copied());
    let mut child = command.spawn().on(format_args!("start {}", project::line(&command)))?;
    let mut cases = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            println!("{line}");
            cases.extend(parse(&line));
        }
    }
    let status = child.wait().on("wait for the tests")?;
    if cases.is_empty() {
        return Err(Failure::new(format!(
            "no case was run: {}: {status}",
            project::line(&command)
        )));
    }
    Ok(cases)
}

/// Fails, naming the cases that did.
pub(crate) fn all_passed(cases: &[Case]) -> Outcome {
    let failed: Vec<&str> =
        cases.iter().filter(|case| !case.passed).map(|case| case.name.as_str()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("failed: {}", failed.join(", "))))
}

/// Reads a line of the test harness, such as `test main_job::x ... ok`.
fn parse(line: &str) -> Option<Case> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let name = MODULES.iter().find_map(|module| name.strip_prefix(module))?.to_owned();
    match result {
        "ok" => Some(Case { name, passed: true }),
        "FAILED" => Some(Case { name, passed: false }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_understood_and_others_are_not() {
        let case = |passed| Some(Case { name: "a_b".to_owned(), passed });
        assert_eq!(parse("test main_job::a_b ... ok"), case(true));
        assert_eq!(parse("test main_job::a_b ... FAILED"), case(false));
        assert_eq!(parse("test walk_through::a_b ... ok"), case(true));
        for line in ["test main_job::a_b ... ignored", "test other::a ... ok", "running 2 tests"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
