//! One run of a client's program: a line for each case, and an end to every wait.
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::results::{CaseResult, ClientResult, Greeting, Mark};
use crate::failure::{Failure, Outcome, While};

/// A program bounds each case to 60 s itself; without a word for longer, it is ended.
const SILENCE_MAX: Duration = Duration::from_secs(90);

/// What to run, and with what.
#[derive(Debug)]
pub(super) struct Run<'a> {
    /// For people who watch: the broker and the client.
    pub(super) label: String,
    pub(super) bootstrap: String,
    /// What the names of its topics and groups begin with.
    pub(super) prefix: String,
    pub(super) cases: &'a [&'a str],
    /// Where its stderr goes.
    pub(super) log: &'a Path,
}

impl Run<'_> {
    /// Runs `command` to its end; every wanted case has a result after it.
    pub(super) fn go(&self, mut command: Command) -> ClientResult {
        let begin = Instant::now();
        let mut result = ClientResult::default();
        let ended = self.collect(&mut command, &mut result);
        result.seconds = begin.elapsed().as_secs_f64();
        let why = match ended {
            Ok(()) => "the program ended without a word about it".to_owned(),
            Err(failure) => format!("{failure}; see {}", self.log.display()),
        };
        result.fail_missing(self.cases, &why);
        let count = |mark| result.cases.iter().filter(|case| case.outcome == mark).count();
        println!(
            "{}: {} passed, {} failed, {} not applicable, {:.1} s ({})",
            self.label,
            count(Mark::Pass),
            count(Mark::Fail),
            count(Mark::NotApplicable),
            result.seconds,
            result.version,
        );
        result
    }

    fn collect(&self, command: &mut Command, result: &mut ClientResult) -> Outcome {
        if let Some(folder) = self.log.parent() {
            fs::create_dir_all(folder).on("make a folder for logs")?;
        }
        let log = File::create(self.log).on(format_args!("write {}", self.log.display()))?;
        command.args([&self.bootstrap, &self.prefix]).args(self.cases);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().on("start the program")?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::new("no stdout"))?;
        let outcome = self.listen(stdout, result);
        end(&mut child, outcome.is_err());
        outcome
    }

    /// Takes lines until the program closes its stdout, or is silent for too long.
    fn listen(&self, stdout: ChildStdout, result: &mut ClientResult) -> Outcome {
        let (lines, received) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        loop {
            match received.recv_timeout(SILENCE_MAX) {
                Ok(line) => self.take(&line, result)?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = SILENCE_MAX.as_secs();
                    return Err(Failure::new(format!("ended after {seconds} s without a word")));
                }
            }
        }
    }

    fn take(&self, line: &str, result: &mut ClientResult) -> Outcome {
        if let Ok(greeting) = serde_json::from_str::<Greeting>(line) {
            result.version = greeting.client;
            return Ok(());
        }
        let case: CaseResult =
            serde_json::from_str(line).on(format_args!("understand the program's {line:?}"))?;
        if case.outcome == Mark::Fail {
            let first_line = case.detail.lines().next().unwrap_or_default();
            println!("{}: {} FAILED: {first_line}", self.label, case.case);
        }
        result.cases.push(case);
        Ok(())
    }
}

/// Waits for a program that closed its stdout; one that did not, or lingers, is ended.
fn end(child: &mut Child, now: bool) {
    const PATIENCE: Duration = Duration::from_secs(5);
    const PAUSE: Duration = Duration::from_millis(20);
    let begin = Instant::now();
    while !now && begin.elapsed() < PATIENCE {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(PAUSE);
    }
    // It may have ended in the meantime.
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, cases: &[&str]) -> ClientResult {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let (label, bootstrap) = ("x".to_owned(), "b".to_owned());
        let run = Run { label, bootstrap, prefix: "p".to_owned(), cases, log: &log };
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run.go(command)
    }

    #[test]
    fn lines_become_results() {
        let result = run(
            r#"echo '{"client":"a 1"}'; echo '{"case":"acks","outcome":"n/a","seen":{"x":"y"}}'"#,
            &["acks"],
        );
        assert_eq!(result.version, "a 1");
        assert_eq!(result.cases.len(), 1);
        assert_eq!(result.cases[0].outcome, Mark::NotApplicable);
        assert_eq!(result.cases[0].seen["x"], "y");
    }

    #[test]
    fn a_case_without_a_line_has_failed() {
        let result = run("echo '{\"client\":\"a 1\"}'", &["acks", "seek"]);
        assert!(result.cases.iter().all(|case| case.outcome == Mark::Fail));
        assert_eq!(result.cases.len(), 2);
        let result = run("echo nonsense", &["acks"]);
        assert!(result.cases[0].detail.contains("nonsense"), "{:?}", result.cases);
    }
}
