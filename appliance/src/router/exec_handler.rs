//! The handler that gives events to a program: a line of JSON to its standard input for each, and
//! the same line back on its standard output is the acknowledgement.
//!
//! **Invariants.** An event counts as done only when its very line came back, so nothing else that
//! a program prints acknowledges anything. Lines are sent in the order of the events; after a
//! restart the first that has not come back is the first to be sent. The event at which a program
//! fails is told as one to try again; a program that cannot be run at all fails no event.
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::event::Event;
use super::handler::{Answer, Handler, HandlerError};
use super::json_line;
use crate::limits::{EXEC_ANSWER_TIMEOUT, EXEC_END_TIMEOUT};

/// Gives each event to a program, and starts it again when it dies.
///
/// The program runs in a process group of its own: ctrl-c on a terminal reaches the consumer,
/// which lets it finish. When there are no more events its standard input ends.
#[derive(Debug)]
pub struct ExecHandler {
    command: String,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// What went wrong with the program.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("it cannot be started: {0}")]
    Start(#[source] std::io::Error),
    #[error("its output cannot be read: {0}")]
    Read(#[source] std::io::Error),
    #[error("it closed its output")]
    Closed,
    #[error("it did not give the line back within {EXEC_ANSWER_TIMEOUT:?}")]
    Silent,
    #[error("it printed something other than the line that it was given: {0:?}")]
    OtherLine(String),
}

impl ExecHandler {
    /// Runs `command` with `/bin/sh -c` when the first events come.
    #[must_use]
    pub const fn new(command: String) -> Self {
        Self { command, running: None }
    }

    /// Sends the lines, and counts those that came back.
    async fn attempt(&mut self, lines: &[Vec<u8>], done: &mut usize) -> Result<(), Trouble> {
        if self.running.is_none() {
            self.running = Some(start(&self.command)?);
        }
        let Some(Running { stdin, stdout, .. }) = &mut self.running else { return Ok(()) };
        let lines = lines.get(*done..).unwrap_or_default();
        let writing = async {
            // A program may close its input and still answer: whether it did is seen there.
            let _ = write(stdin, lines).await;
            std::future::pending::<Result<(), Trouble>>().await
        };
        let reading = async {
            for line in lines {
                let answer = timeout(EXEC_ANSWER_TIMEOUT, expect(stdout, line)).await;
                answer.unwrap_or(Err(Trouble::Silent))?;
                *done += 1;
            }
            Ok(())
        };
        tokio::select! {
            result = reading => result,
            result = writing => result,
        }
    }

    /// Ends the program and all that it started, and tells how it ended, with its exit code if it
    /// has one.
    async fn end(&mut self) -> (String, Option<i32>) {
        let Some(Running { mut child, stdin, stdout }) = self.running.take() else {
            return ("not started".to_owned(), None);
        };
        drop((stdin, stdout));
        let ended = timeout(EXEC_END_TIMEOUT, child.wait()).await;
        if let Ok(Ok(status)) = ended {
            return (status.to_string(), status.code());
        }
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let killed = group.map(|group| kill_process_group(group, Signal::KILL));
        let how = match (killed, timeout(EXEC_END_TIMEOUT, child.wait()).await) {
            (Some(Ok(())), Ok(Ok(_))) => "killed".to_owned(),
            (killed, waited) => format!("cannot be killed: {killed:?}, {waited:?}"),
        };
        (how, None)
    }
}

impl Handler for ExecHandler {
    async fn handle(&mut self, events: &[Event]) -> Result<Vec<Answer>, HandlerError> {
        let lines: Vec<_> = events.iter().map(line).collect();
        let mut done = 0;
        let result = self.attempt(&lines, &mut done).await;
        let mut answers = vec![Answer::Done; done];
        let Err(trouble) = result else { return Ok(answers) };
        let (ended, code) = self.end().await;
        let command = &self.command;
        let why = format!("the program failed: {trouble} ({ended}): {command:?}");
        let at_fault = matches!(trouble, Trouble::Start(_)) || code.is_some_and(is_no_program);
        if at_fault && done == 0 {
            return Err(HandlerError::Failed(why));
        }
        if let Some(Event { topic, partition, offset, .. }) = events.get(done) {
            tracing::warn!(%topic, partition, offset, why, "the program is started again");
        }
        answers.push(Answer::Retry { why, after: None });
        Ok(answers)
    }
}

/// Whether a shell ends with this code when there is no such program, or none that can be run.
///
/// **References.** POSIX.1-2017, Shell Command Language, section 2.8.2.
const fn is_no_program(code: i32) -> bool {
    matches!(code, 126 | 127)
}

fn line(event: &Event) -> Vec<u8> {
    let mut line = Vec::new();
    json_line::append(&mut line, event);
    line
}

fn start(command: &str) -> Result<Running, Trouble> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).process_group(0);
    let spawned = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.map_err(Trouble::Start)?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Trouble::Closed);
    };
    Ok(Running { child, stdin, stdout: BufReader::new(stdout) })
}

async fn write(stdin: &mut ChildStdin, lines: &[Vec<u8>]) -> std::io::Result<()> {
    for line in lines {
        stdin.write_all(line).await?;
    }
    stdin.flush().await
}

/// Reads exactly these bytes, comparing as they come.
async fn expect(stdout: &mut BufReader<ChildStdout>, mut expected: &[u8]) -> Result<(), Trouble> {
    const SHOWN_BYTES_MAX: usize = 200;
    while !expected.is_empty() {
        let got = stdout.fill_buf().await.map_err(Trouble::Read)?;
        if got.is_empty() {
            return Err(Trouble::Closed);
        }
        let count = got.len().min(expected.len());
        let (now, later) = expected.split_at(count);
        if !got.starts_with(now) {
            let shown = got.get(..SHOWN_BYTES_MAX).unwrap_or(got);
            return Err(Trouble::OtherLine(String::from_utf8_lossy(shown).into_owned()));
        }
        stdout.consume(count);
        expected = later;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pagi_protocol::TopicName;

    use super::*;

    fn events(count: i64, payload_bytes: usize) -> Vec<Event> {
        let event = |offset| Event {
            topic: TopicName::parse("t").unwrap(),
            partition: 0,
            offset,
            timestamp_ms: 0,
            key: None,
            headers: vec![],
            value: Some(Bytes::from(vec![b'x'; payload_bytes])),
        };
        (0..count).map(event).collect()
    }

    /// All answers, to as many calls as it takes.
    async fn answers(command: String, events: &[Event]) -> Vec<Answer> {
        let mut handler = ExecHandler::new(command);
        let (mut answers, mut done) = (Vec::new(), 0);
        while done < events.len() {
            answers.extend(handler.handle(&events[done..]).await.unwrap());
            done = answers.iter().filter(|answer| **answer == Answer::Done).count();
        }
        answers
    }

    /// Why the first event is to be tried again.
    async fn fails_with(command: &str) -> String {
        let mut handler = ExecHandler::new(command.to_owned());
        match &handler.handle(&events(1, 1)).await.unwrap()[..] {
            [Answer::Retry { why, after: None }] => why.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn more_than_the_pipes_hold_goes_through() {
        let mut handler = ExecHandler::new("cat".to_owned());
        for _ in 0..2 {
            let answers = handler.handle(&events(20, 100_000)).await.unwrap();
            assert_eq!(answers, vec![Answer::Done; 20]);
        }
    }

    #[tokio::test]
    async fn a_program_that_dies_goes_on_with_the_first_line_that_did_not_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let seen = folder.path().join("seen");
        // Two lines at a time.
        let command = format!(
            "for i in 1 2; do read -r l; echo \"$l\" >> '{}'; echo \"$l\"; done; exit 3",
            seen.display()
        );
        let events = events(9, 10);
        answers(command, &events).await;
        let wanted: Vec<u8> = events.iter().flat_map(line).collect();
        let seen = std::fs::read(seen).unwrap();
        assert!(seen.starts_with(&wanted), "each once, and in order");
    }

    #[tokio::test]
    async fn only_the_event_at_which_it_failed_has_failed() {
        let mut handler = ExecHandler::new("head -n 2".to_owned());
        let answers = handler.handle(&events(5, 10)).await.unwrap();
        assert_eq!(answers[..2], [Answer::Done, Answer::Done]);
        assert!(matches!(answers[2..], [Answer::Retry { .. }]), "{answers:?}");
    }

    #[tokio::test]
    async fn what_is_not_the_line_acknowledges_nothing() {
        assert!(fails_with("read -r l; echo done").await.contains("other than the line"));
        assert!(fails_with("read -r l; echo \"$l \"").await.contains("other than the line"));
    }

    #[tokio::test]
    async fn a_program_that_fails_is_named() {
        let why = fails_with("exit 7").await;
        for part in ["\"exit 7\"", "closed its output", "exit status: 7"] {
            assert!(why.contains(part), "{part} in {why}");
        }
    }

    #[tokio::test]
    async fn a_program_that_cannot_be_run_fails_no_event() {
        let mut handler = ExecHandler::new("/does/not/exist".to_owned());
        let error = handler.handle(&events(1, 1)).await.unwrap_err();
        assert!(matches!(&error, HandlerError::Failed(why) if why.contains("127")), "{error}");
    }
}
