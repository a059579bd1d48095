//! The main job, on any broker: what is published over HTTP arrives byte for byte and in order, and
//! what was acknowledged is never lost.
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::support::appliance::Appliance;
use crate::support::consumer::{self, Consumer};
use crate::support::delivered::Delivered;
use crate::support::publish::{self, Acknowledged};
use crate::support::{arrived, events, kcat, wait};

/// A gateway that is ready. The embedded broker gives each topic several partitions, so that order
/// per key is more than order; another broker does as it is set up.
fn start(data_dir: &Path) -> Appliance {
    Appliance::start_with(data_dir, &["--default-partitions", "3"]).ready()
}

#[test]
fn every_event_arrives_byte_for_byte_through_the_router() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = start(folder.path());
    let topic = publish::new_topic("router");
    let acknowledged = publish::all(&mut appliance.http(), &topic, &events::all());
    let delivered = consumer::read(&appliance.brokers, &topic);
    assert_eq!(delivered.len(), acknowledged.len());
    arrived::assert_all(&acknowledged, &delivered);
}

#[test]
fn every_event_arrives_byte_for_byte_through_kcat() {
    if !kcat::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let appliance = start(folder.path());
    let topic = publish::new_topic("kcat");
    let acknowledged = publish::all(&mut appliance.http(), &topic, &events::all());
    let delivered = kcat::read(&appliance.brokers, &topic);
    assert_eq!(delivered.len(), acknowledged.len());
    arrived::assert_all(&acknowledged, &delivered);
}

#[test]
fn what_was_acknowledged_survives_kill_9_in_the_middle_of_publishing() {
    const ROUNDS: usize = 3;
    let folder = tempfile::tempdir().unwrap();
    let topic = publish::new_topic("kill-9");
    let mut acknowledged = Vec::new();
    for round in 1..=ROUNDS {
        acknowledged.extend(publish_until_killed(folder.path(), &topic, round * 100));
    }
    let appliance = start(folder.path());
    acknowledged.push(publish::one(&mut appliance.http(), &topic, &events::all()[0]).unwrap());

    let delivered = consumer::read(&appliance.brokers, &topic);
    arrived::assert_all(&acknowledged, &delivered);
    // What was under way at a kill may be there, nothing else.
    let most = acknowledged.len() + ROUNDS * PUBLISHERS;
    assert!(delivered.len() <= most, "{} records, at most {most}", delivered.len());
    if kcat::is_installed() {
        let sorted = |mut records: Vec<Delivered>| {
            records.sort_by_key(|record| (record.partition, record.offset));
            records
        };
        assert_eq!(sorted(kcat::read(&appliance.brokers, &topic)), sorted(delivered));
    }
}

const PUBLISHERS: usize = 4;

/// Publishes over several connections at once and kills the process with that many
/// acknowledgements seen; gives them all.
fn publish_until_killed(data_dir: &Path, topic: &str, kill_after: usize) -> Vec<Acknowledged> {
    let mut appliance = start(data_dir);
    let seen = AtomicUsize::new(0);
    let events = events::all();
    let publisher = |number: usize, mut http: crate::support::http::Http| {
        let mut acknowledged = Vec::new();
        for event in events.iter().cycle().skip(number) {
            let Ok(one) = publish::one(&mut http, topic, event) else { break };
            acknowledged.push(one);
            seen.fetch_add(1, Ordering::Relaxed);
        }
        acknowledged
    };
    let mut acknowledged = thread::scope(|scope| {
        let publisher = &publisher;
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|number| (number, appliance.http()))
            .map(|(number, http)| scope.spawn(move || publisher(number * 7, http)))
            .collect();
        wait::until("enough is acknowledged", || {
            (seen.load(Ordering::Relaxed) >= kill_after).then_some(())
        });
        appliance.process.kill_9();
        publishers.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    // Several connections publish events of one key: their order is that of the offsets.
    acknowledged.sort_by_key(|one| (one.partition, one.offset));
    acknowledged
}

#[test]
fn a_consumer_killed_with_kill_9_skips_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = start(folder.path());
    let topic = publish::new_topic("consumer-kill-9");
    let acknowledged = publish::all(&mut appliance.http(), &topic, &events::all());

    let mut first = Consumer::start(&appliance.brokers, &topic, &topic, &[]);
    let before: Vec<_> = (0..acknowledged.len() / 3).map_while(|_| first.next()).collect();
    first.process.kill_9();
    let after = Consumer::start(&appliance.brokers, &topic, &topic, &["--exit-at-end"]).rest();

    let mut union = [before, after].concat();
    union.sort_by_key(|record| (record.partition, record.offset));
    union.dedup();
    assert_eq!(union.len(), acknowledged.len());
    arrived::assert_all(&acknowledged, &union);
}

#[test]
fn a_consumer_that_ended_in_good_order_continues_behind_what_it_processed() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = start(folder.path());
    let topic = publish::new_topic("consumer-resumes");
    let acknowledged = publish::all(&mut appliance.http(), &topic, &events::all());
    let consume = |more: &[&str]| Consumer::start(&appliance.brokers, &topic, &topic, more).rest();

    let first = consume(&["--max-events", "100"]);
    assert_eq!(first.len(), 100);
    let second = consume(&["--exit-at-end"]);
    assert_eq!(consume(&["--exit-at-end"]), []);

    let mut all = [first, second].concat();
    assert_eq!(all.len(), acknowledged.len(), "nothing twice");
    all.sort_by_key(|record| (record.partition, record.offset));
    arrived::assert_all(&acknowledged, &all);
}
