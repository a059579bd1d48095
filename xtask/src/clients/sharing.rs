//! `cargo xtask clients --sharing`: two routers and Java's consumer in one group, under load, while
//! they come and go in good order.
//!
//! Each event is handled once, by one of them; what the group has committed never goes back.
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pagi_protocol::kafka::error_code::KafkaCode;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use super::java::JAVA;
use crate::failure::{Failure, Outcome, While};
use crate::kafka::{Broker, check};
use crate::{offsets, plain};

const ASSIGNORS: [&str; 2] = ["range", "cooperative-sticky"];
const PARTITIONS: [i32; 6] = [0, 1, 2, 3, 4, 5];
/// New events in each partition at a time, and the pause behind them: 600 a second.
const EVENTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(50);
/// For what comes soon unless something is broken.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Place {
    partition: i32,
    offset: i64,
}

/// Shares a topic on this broker in both ways, and fails if an event is missing or handled twice.
pub(super) fn run(engine: &str, address: SocketAddr, binary: &Path) -> Outcome {
    if let Some(command) = JAVA.missing() {
        println!("SKIPPED: there is no {command} on this machine");
        return Ok(());
    }
    JAVA.prepare()?;
    for assignor in ASSIGNORS {
        let run = Run { address, binary, assignor, topic: format!("sharing-{assignor}") };
        let told = run.run().on(format_args!("sharing by {assignor} on {engine}"))?;
        println!("sharing by {assignor} on {engine}: {told}");
    }
    Ok(())
}

struct Run<'a> {
    address: SocketAddr,
    binary: &'a Path,
    assignor: &'static str,
    topic: String,
}

impl Run<'_> {
    fn run(&self) -> Outcome<String> {
        let partitions = i32::try_from(PARTITIONS.len())?;
        Broker::connect(self.address)?.create_topic(&self.topic, partitions)?;
        let stop = AtomicBool::new(false);
        let published = Mutex::new(None);
        thread::scope(|scope| {
            let publisher = scope.spawn(|| -> Outcome {
                let events = self.publish(&stop)?;
                *published.lock().unwrap_or_else(PoisonError::into_inner) = Some(events);
                Ok(())
            });
            let observer = scope.spawn(|| self.watch_commits(&stop));
            let outcome = self.come_and_go(&stop, &published);
            stop.store(true, Ordering::Relaxed);
            publisher.join().map_err(|_| Failure::new("the publisher broke"))??;
            let commits = observer.join().map_err(|_| Failure::new("the observer broke"))??;
            Ok(format!("{}, {commits} looks at what was committed", outcome?))
        })
    }

    fn come_and_go(&self, stop: &AtomicBool, published: &Mutex<Option<usize>>) -> Outcome<String> {
        let first = self.router()?;
        first.reads(&PARTITIONS)?;
        let second = self.router()?;
        second.goes_on()?;
        let java = self.java()?;
        for member in [&java, &first, &second, &java] {
            member.goes_on()?;
        }
        let first = first.terminate()?;
        second.goes_on()?;
        java.goes_on()?;
        let java = java.close()?;
        second.reads(&PARTITIONS)?;
        stop.store(true, Ordering::Relaxed);
        let all = || *published.lock().unwrap_or_else(PoisonError::into_inner);
        until("the publisher to end", || all().is_some())?;
        let all = all().unwrap_or_default();
        let counted = || count(&[&first, &java, &second.seen()]);
        until("every event to be handled", || counted().len() >= all)?;
        let shares = format!(
            "{} and {} by routers, {} by Java",
            first.len(),
            second.seen().len(),
            java.len()
        );
        let second = second.terminate()?;
        let counts = count(&[&first, &java, &second]);
        let twice = counts.values().filter(|times| **times > 1).count();
        if counts.len() != all || twice > 0 {
            let found = counts.len();
            return Err(Failure::new(format!("{all} events, {found} were handled, {twice} twice")));
        }
        Ok(format!("{all} events, each handled once: {shares}"))
    }

    /// How many events were published.
    fn publish(&self, stop: &AtomicBool) -> Outcome<usize> {
        // A new topic is not everywhere at once.
        const NOT_YET: [KafkaCode; 3] = [
            KafkaCode::UnknownTopicOrPartition,
            KafkaCode::LeaderNotAvailable,
            KafkaCode::NotLeaderOrFollower,
        ];
        let mut broker = Broker::connect(self.address)?;
        let mut published = 0;
        while !stop.load(Ordering::Relaxed) {
            let batch = |index: &i32| {
                let values = (0..EVENTS).map(|n| Bytes::from(n.to_string()));
                plain::batch(*index, values)
            };
            let batches = PARTITIONS.iter().map(batch).collect::<Outcome<Vec<_>>>()?;
            let mut codes = plain::produce(&mut broker, &self.topic, batches)?;
            codes.retain(|code| !NOT_YET.iter().any(|not_yet| not_yet.number() == *code));
            published += codes.len() * EVENTS;
            check(codes, "publish events")?;
            thread::sleep(PAUSE);
        }
        Ok(published)
    }

    /// How often it looked.
    fn watch_commits(&self, stop: &AtomicBool) -> Outcome<u64> {
        let mut broker = Broker::connect(self.address)?;
        let (mut before, mut looks) = (vec![-1; PARTITIONS.len()], 0);
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(LOOK_PAUSE);
            // There is no coordinator before the first member came.
            let Ok(now) = offsets::committed(&mut broker, &self.topic, &self.topic, &PARTITIONS)
            else {
                continue;
            };
            if before.iter().zip(&now).any(|(before, now)| now < before) {
                let what = format!("the group's offsets went back from {before:?} to {now:?}");
                return Err(Failure::new(what));
            }
            (before, looks) = (now, looks + 1);
        }
        Ok(looks)
    }

    fn router(&self) -> Outcome<Member> {
        let mut command = Command::new(self.binary);
        command.args(["router", "start-consumer", "--topics", &self.topic, "--group", &self.topic]);
        command.args(["--brokers", &self.address.to_string(), "--assignor", self.assignor]);
        Member::start("a router", &mut command)
    }

    fn java(&self) -> Outcome<Member> {
        let mut command = (JAVA.command)(&JAVA.places(), "4.3:Share");
        command.args([&self.address.to_string(), &self.topic, &self.topic, self.assignor]);
        Member::start("Java's consumer", &mut command)
    }
}

/// A consumer at work; it is killed when this value goes.
struct Member {
    name: &'static str,
    child: Child,
    seen: Arc<Mutex<Vec<Place>>>,
    reader: Option<JoinHandle<()>>,
}

impl Member {
    fn start(name: &'static str, command: &mut Command) -> Outcome<Self> {
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

    fn seen(&self) -> Vec<Place> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn goes_on(&self) -> Outcome {
        let before = self.seen().len();
        until(&format!("{} to go on", self.name), || self.seen().len() > before)
    }

    fn reads(&self, partitions: &[i32]) -> Outcome {
        let before = self.seen().len();
        until(&format!("{} to read all partitions", self.name), || {
            let seen = self.seen();
            let new = seen.get(before..).unwrap_or_default();
            partitions.iter().all(|wanted| new.iter().any(|place| place.partition == *wanted))
        })
    }

    /// Asks it to end with SIGTERM; what it handled.
    fn terminate(self) -> Outcome<Vec<Place>> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Failure::new("no process id"))?;
        kill_process(pid, Signal::TERM).on("send a signal")?;
        self.close()
    }

    /// Closes its standard input, and waits until it has ended.
    fn close(mut self) -> Outcome<Vec<Place>> {
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

/// How often each was handled.
fn count(seen: &[&[Place]]) -> BTreeMap<Place, usize> {
    let mut counts = BTreeMap::new();
    for place in seen.iter().copied().flatten() {
        *counts.entry(*place).or_default() += 1;
    }
    counts
}

fn until(what: &str, mut condition: impl FnMut() -> bool) -> Outcome {
    let begin = Instant::now();
    while !condition() {
        if begin.elapsed() > PATIENCE {
            return Err(Failure::new(format!("waited {} s for {what}", PATIENCE.as_secs())));
        }
        thread::sleep(LOOK_PAUSE);
    }
    Ok(())
}
