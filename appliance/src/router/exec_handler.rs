//! The handler that gives events to a program: a line of JSON to its standard input for each, and
//! the same line back on its standard output is the acknowledgement.
//!
//! **Invariants.** An event counts as done only when its very line came back, so nothing else that
//! a program prints acknowledges anything. Lines are sent in the order of the events; after a
//! restart the first that has not come back is the first to be sent. A program that makes no
//! progress is given up after a bounded number of starts.
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::event::Event;
use super::handler::{Handler, HandlerError};
use super::json_line;
use super::sync::random;
use crate::core::retry::Backoff;
use crate::limits::{EXEC_ANSWER_TIMEOUT, EXEC_END_TIMEOUT, RETRY_FIRST, RETRY_MAX};

/// Gives each event to a program, and starts it again when it dies.
///
/// The program runs in a process group of its own: ctrl-c on a terminal reaches the consumer,
/// which lets it finish. When there are no more events its standard input ends.
#[derive(Debug)]
pub struct ExecHandler {
    command: String,
    tries_max: u32,
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
    /// Runs `command` with `/bin/sh -c` when the first events come. An event at which it died
    /// `tries_max` times in a row is a failure.
    #[must_use]
    pub const fn new(command: String, tries_max: u32) -> Self {
        Self { command, tries_max, running: None }
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

    /// Ends the program and all that it started, and tells how it ended.
    async fn end(&mut self) -> String {
        let Some(Running { mut child, stdin, stdout }) = self.running.take() else {
            return "not started".to_owned();
        };
        drop((stdin, stdout));
        let ended = timeout(EXEC_END_TIMEOUT, child.wait()).await;
        if let Ok(Ok(status)) = ended {
            return status.to_string();
        }
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let killed = group.map(|group| kill_process_group(group, Signal::KILL));
        match (killed, timeout(EXEC_END_TIMEOUT, child.wait()).await) {
            (Some(Ok(())), Ok(Ok(_))) => "killed".to_owned(),
            (killed, waited) => format!("cannot be killed: {killed:?}, {waited:?}"),
        }
    }
}

impl Handler for ExecHandler {
    async fn handle(&mut self, events: &[Event]) -> Result<(), HandlerError> {
        let lines: Vec<_> = events.iter().map(line).collect();
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        let (mut done, mut tries) = (0, 0);
        loop {
            let before = done;
            let Err(trouble) = self.attempt(&lines, &mut done).await else { return Ok(()) };
            let ended = self.end().await;
            if done > before {
                backoff.reset();
                tries = 0;
            }
            tries += 1;
            let at = events.get(done).map_or_else(String::new, |event| {
                format!("{}/{} offset {}", event.topic, event.partition, event.offset)
            });
            let command = &self.command;
            if tries >= self.tries_max {
                let why = format!(
                    "the program {command:?} failed {tries} times at {at}: {trouble} ({ended})"
                );
                return Err(HandlerError::Failed(why));
            }
            tracing::warn!(command, at, %trouble, ended, "the program is started again");
            tokio::time::sleep(backoff.next(random())).await;
        }
    }
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

    async fn fails_with(command: &str) -> String {
        let mut handler = ExecHandler::new(command.to_owned(), 2);
        let Err(HandlerError::Failed(why)) = handler.handle(&events(1, 1)).await else {
            panic!("it failed in another way")
        };
        why
    }

    #[tokio::test]
    async fn more_than_the_pipes_hold_goes_through() {
        let mut handler = ExecHandler::new("cat".to_owned(), 1);
        for _ in 0..2 {
            handler.handle(&events(20, 100_000)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_program_that_dies_goes_on_with_the_first_line_that_did_not_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let seen = folder.path().join("seen");
        // Two lines at a time, far more often than there are tries.
        let command = format!(
            "for i in 1 2; do read -r l; echo \"$l\" >> '{}'; echo \"$l\"; done; exit 3",
            seen.display()
        );
        let events = events(9, 10);
        ExecHandler::new(command, 2).handle(&events).await.unwrap();
        let wanted: Vec<u8> = events.iter().flat_map(line).collect();
        let seen = std::fs::read(seen).unwrap();
        assert!(seen.starts_with(&wanted), "each once, and in order");
    }

    #[tokio::test]
    async fn what_is_not_the_line_acknowledges_nothing() {
        assert!(fails_with("read -r l; echo done").await.contains("other than the line"));
        assert!(fails_with("read -r l; echo \"$l \"").await.contains("other than the line"));
    }

    #[tokio::test]
    async fn a_program_that_cannot_go_on_is_given_up_and_named() {
        let why = fails_with("exit 7").await;
        for part in ["\"exit 7\"", "2 times", "t/0 offset 0", "exit status: 7"] {
            assert!(why.contains(part), "{part} in {why}");
        }
    }
}
