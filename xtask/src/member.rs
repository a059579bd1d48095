//! A consumer that runs beside us and says, a line of JSON each, what it handles.
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::failure::{Failure, Outcome, While};

/// For what comes soon unless something is broken.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// A consumer at work; it is killed when this value goes.
pub(crate) struct Member {
    name: &'static str,
    child: Child,
    seen: Arc<Mutex<Vec<Place>>>,
    reader: Option<JoinHandle<()>>,
}

impl Member {
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Outcome<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().on(format_args!("start {name}"))?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::new("no stdout"))?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let there = Arc::clone(&seen);
        let reader = thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let place = serde_json::from_str(&line).ok();
                there.lock().unwrap_or_else(PoisonError::into_inner).extend::<Option<Place>>(place);
            }
        });
        Ok(Self { name, child, seen, reader: Some(reader) })
    }

    pub(crate) fn seen(&self) -> Vec<Place> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn goes_on(&self) -> Outcome {
        let before = self.seen().len();
        until(&format!("{} to go on", self.name), || self.seen().len() > before)
    }

    pub(crate) fn reads(&self, partitions: &[i32]) -> Outcome {
        let before = self.seen().len();
        until(&format!("{} to read all partitions", self.name), || {
            let seen = self.seen();
            let new = seen.get(before..).unwrap_or_default();
            partitions.iter().all(|wanted| new.iter().any(|place| place.partition == *wanted))
        })
    }

    /// Asks it to end with SIGTERM; what it handled.
    pub(crate) fn terminate(self) -> Outcome<Vec<Place>> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Failure::new("no process id"))?;
        kill_process(pid, Signal::TERM).on("send a signal")?;
        self.close()
    }

    /// Closes its standard input, and waits until it has ended.
    pub(crate) fn close(mut self) -> Outcome<Vec<Place>> {
        drop(self.child.stdin.take());
        let status = self.child.wait().on(format_args!("wait for {}", self.name))?;
        if !status.success() {
            return Err(Failure::new(format!("{} ended with {status}", self.name)));
        }
        if let Some(reader) = self.reader.take() {
            reader.join().map_err(|_| Failure::new("reading a consumer failed"))?;
        }
        Ok(self.seen())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a condition.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) -> Outcome {
    let begin = Instant::now();
    while !condition() {
        if begin.elapsed() > PATIENCE {
            return Err(Failure::new(format!("waited {} s for {what}", PATIENCE.as_secs())));
        }
        thread::sleep(LOOK_PAUSE);
    }
    Ok(())
}
