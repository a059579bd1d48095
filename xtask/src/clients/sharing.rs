//! `cargo xtask clients --sharing`: two routers and Java's consumer in one group, under load, while
//! they come and go in good order.
//!
//! Each event is handled once, by one of them; what the group has committed never goes back.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use pagi_protocol::kafka::error_code::KafkaCode;

use super::java::JAVA;
use crate::failure::{Failure, Outcome, While};
use crate::kafka::{Broker, check};
use crate::member::{Member, Place, until};
use crate::{offsets, plain};

const ASSIGNORS: [&str; 2] = ["range", "cooperative-sticky"];
const PARTITIONS: [i32; 6] = [0, 1, 2, 3, 4, 5];
/// New events in each partition at a time, and the pause behind them: 600 a second.
const EVENTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(50);
const LOOK_PAUSE: Duration = Duration::from_millis(20);

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

/// How often each was handled.
fn count(seen: &[&[Place]]) -> BTreeMap<Place, usize> {
    let mut counts = BTreeMap::new();
    for place in seen.iter().copied().flatten() {
        *counts.entry(*place).or_default() += 1;
    }
    counts
}
