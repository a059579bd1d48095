//! Consumers of one group share a topic's partitions: each event is handled by one of them, whoever
//! comes and goes.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::appliance::Appliance;
use crate::support::consumer::Consumer;
use crate::support::http::Http;
use crate::support::publish::{self, Acknowledged};
use crate::support::{events, wait};

type Place = (i32, i64);

/// Publishes without end, until it is dropped or asked what it published.
struct Publisher {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Vec<Acknowledged>>,
}

impl Publisher {
    fn start(mut http: Http, topic: &str) -> Self {
        // The topic is there when this returns.
        let first = publish::one(&mut http, topic, &events::all()[0]).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (told, topic) = (Arc::clone(&stop), topic.to_owned());
        let thread = thread::spawn(move || {
            let mut published = vec![first];
            for event in events::all().iter().cycle() {
                if told.load(Ordering::Relaxed) {
                    break;
                }
                published.push(publish::one(&mut http, &topic, event).unwrap());
            }
            published
        });
        Self { stop, thread }
    }

    fn all(self) -> BTreeSet<Place> {
        self.stop.store(true, Ordering::Relaxed);
        let published = self.thread.join().unwrap();
        published.iter().map(|one| (one.partition, one.offset)).collect()
    }
}

/// A consumer, and what it has printed so far.
struct Reader {
    consumer: Arc<Mutex<Consumer>>,
    seen: Arc<Mutex<Vec<Place>>>,
    thread: thread::JoinHandle<()>,
}

impl Reader {
    fn start(appliance: &Appliance, topic: &str, more: &[&str]) -> Self {
        let consumer = Consumer::join(&appliance.brokers, topic, topic, more);
        let lines = consumer.process.take_lines();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let seen_there = Arc::clone(&seen);
        let thread = thread::spawn(move || {
            for line in lines {
                let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                let partition = i32::try_from(line["partition"].as_i64().unwrap()).unwrap();
                let offset = line["offset"].as_i64().unwrap();
                seen_there.lock().unwrap().push((partition, offset));
            }
        });
        Self { consumer: Arc::new(Mutex::new(consumer)), seen, thread }
    }

    fn seen(&self) -> Vec<Place> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until it gets more than it has.
    fn goes_on(&self) {
        let before = self.seen().len();
        wait::until("the consumer gets more", || (self.seen().len() > before).then_some(()));
    }

    /// Waits until it gets events of all these partitions, besides those that it has.
    fn reads(&self, wanted: &BTreeSet<i32>) {
        let before = self.seen().len();
        wait::until("the consumer gets events of these partitions", || {
            partitions(&self.seen()[before..]).is_superset(wanted).then_some(())
        });
    }

    fn errors(&self) -> String {
        self.consumer.lock().unwrap().process.errors()
    }

    fn terminate(self) -> Vec<Place> {
        {
            let process = &mut self.consumer.lock().unwrap().process;
            process.terminate();
            assert!(process.wait().success(), "{}", process.errors());
        }
        self.thread.join().unwrap();
        Arc::into_inner(self.seen).unwrap().into_inner().unwrap()
    }

    fn kill_9(self) -> Vec<Place> {
        self.consumer.lock().unwrap().process.kill_9();
        self.thread.join().unwrap();
        Arc::into_inner(self.seen).unwrap().into_inner().unwrap()
    }
}

fn appliance(folder: &tempfile::TempDir) -> Appliance {
    Appliance::start_with(folder.path(), &["--default-partitions", "4"]).ready()
}

/// How often each was seen.
fn counted(seen: &[&[Place]]) -> BTreeMap<Place, usize> {
    let mut counts = BTreeMap::new();
    for place in seen.iter().copied().flatten() {
        *counts.entry(*place).or_default() += 1;
    }
    counts
}

fn partitions(seen: &[Place]) -> BTreeSet<i32> {
    seen.iter().map(|(partition, _)| *partition).collect()
}

fn members_that_come_and_go_in_good_order_handle_each_event_once(assignor: &str) {
    let folder = tempfile::tempdir().unwrap();
    let appliance = appliance(&folder);
    let topic = publish::new_topic(assignor);
    let publisher = Publisher::start(appliance.http(), &topic);
    let more = ["--assignor", assignor];
    let first = Reader::start(&appliance, &topic, &more);
    first.goes_on();
    let second = Reader::start(&appliance, &topic, &more);
    second.goes_on();
    first.goes_on();
    let third = Reader::start(&appliance, &topic, &more);
    third.goes_on();
    let first = first.terminate();
    second.goes_on();
    third.goes_on();
    let second = second.terminate();
    third.reads(&BTreeSet::from([0, 1, 2, 3]));
    let published = publisher.all();
    wait::until("everything was read", || {
        let third = third.seen();
        (counted(&[&first, &second, &third]).len() == published.len()).then_some(())
    });
    let third = third.terminate();
    let counts = counted(&[&first, &second, &third]);
    assert!(counts.keys().eq(published.iter()), "each event that was published, and no other");
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{} events were handled twice: {twice:?}", twice.len());
}

#[test]
fn members_that_come_and_go_handle_each_event_once_with_range() {
    members_that_come_and_go_in_good_order_handle_each_event_once("range");
}

#[test]
fn members_that_come_and_go_handle_each_event_once_with_cooperative_sticky() {
    members_that_come_and_go_in_good_order_handle_each_event_once("cooperative-sticky");
}

#[test]
fn what_a_killed_member_read_is_read_by_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = appliance(&folder);
    let topic = publish::new_topic("killed");
    let publisher = Publisher::start(appliance.http(), &topic);
    let more = ["--session-timeout", "6s"];
    let (stays, dies) =
        (Reader::start(&appliance, &topic, &more), Reader::start(&appliance, &topic, &more));
    stays.goes_on();
    dies.goes_on();
    stays.goes_on();
    let died = dies.kill_9();
    stays.reads(&partitions(&died));
    let published = publisher.all();
    wait::until("everything was read", || {
        (counted(&[&stays.seen(), &died]).len() == published.len()).then_some(())
    });
    stays.terminate();
}

#[test]
fn a_static_member_that_restarts_finds_what_it_had_and_disturbs_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = appliance(&folder);
    let topic = publish::new_topic("static");
    let publisher = Publisher::start(appliance.http(), &topic);
    let start = |name| Reader::start(&appliance, &topic, &["--group-instance-id", name]);
    let generations = |reader: &Reader| reader.errors().matches("in the group").count();
    let other = start("other");
    other.goes_on();
    let one = start("one");
    wait::until("both are in", || (generations(&other) == 2).then_some(()));
    one.goes_on();
    other.goes_on();
    let shared = other.seen().len();
    let died = one.kill_9();
    let one = start("one");
    one.goes_on();
    other.goes_on();
    assert_eq!(generations(&other), 2, "nothing was shared anew");
    assert!(partitions(&one.seen()).is_disjoint(&partitions(&other.seen()[shared..])));
    let published = publisher.all();
    wait::until("everything was read", || {
        let counts = counted(&[&other.seen(), &one.seen(), &died]);
        (counts.len() == published.len()).then_some(())
    });
    one.terminate();
    other.terminate();
}

#[test]
fn partitions_can_be_named_and_are_then_nobody_else_s_business() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = appliance(&folder);
    let topic = publish::new_topic("named");
    let acknowledged = publish::all(&mut appliance.http(), &topic, &events::all());
    let read = |more: &[&str]| {
        let mut more = more.to_vec();
        more.push("--exit-at-end");
        let delivered = Consumer::join(&appliance.brokers, &topic, &topic, &more).rest();
        delivered.iter().map(|event| (event.partition, event.offset)).collect::<Vec<_>>()
    };
    let some = read(&["--partitions", &format!("{topic}:0-1,{topic}:3")]);
    assert_eq!(partitions(&some), BTreeSet::from([0, 1, 3]));
    let rest = read(&["--standalone"]);
    assert_eq!(partitions(&rest), BTreeSet::from([2]), "the others are committed");
    assert_eq!(some.len() + rest.len(), acknowledged.len());
}
