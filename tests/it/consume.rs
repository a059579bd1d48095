//! Consuming: what is committed, when, and what happens when things go away.
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use crate::support::appliance::{self, Appliance, brokers_outside};
use crate::support::consumer::{self, Consumer};
use crate::support::events;
use crate::support::process::Process;
use crate::support::publish;
use crate::support::skip;

/// Publishes an event with this payload by the command, and gives its receipt.
fn publish_test_event(brokers: &str, topic: &str, data: &str) -> serde_json::Value {
    let mut command = appliance::command(&["router", "publish-test-event", "--key", "k"]);
    command.args(["--brokers", brokers, "--topic", topic, "--data", data]);
    let mut process = Process::start(&mut command);
    let receipt = process.line();
    assert!(process.wait().success(), "{}", process.errors());
    serde_json::from_str(&receipt.expect("a receipt")).unwrap()
}

#[test]
fn a_topic_that_does_not_exist_is_waited_for_and_read_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = publish::new_topic("later");
    let consumer = Consumer::start(&appliance.brokers, &topic, &topic, &["--max-events", "1"]);
    crate::support::wait::until("the consumer says that it waits", || {
        consumer.process.errors().contains(&topic).then_some(())
    });
    let receipt = publish_test_event(&appliance.brokers, &topic, "{\"n\": 1}");
    assert_eq!((&receipt["topic"], &receipt["offset"]), (&topic.as_str().into(), &0.into()));
    let delivered = consumer.rest();
    assert_eq!(delivered[0].payload, b"{\"n\": 1}");
    assert_eq!(delivered[0].key.as_deref(), Some("k"));
}

#[test]
fn the_end_of_a_topic_that_does_not_exist_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = publish::new_topic("missing");
    let mut consumer = Consumer::start(&appliance.brokers, &topic, &topic, &["--exit-at-end"]);
    assert!(!consumer.process.wait().success());
    assert!(consumer.process.errors().contains("does not exist"), "{}", consumer.process.errors());
}

#[test]
fn sigterm_ends_a_consumer_with_everything_committed_that_it_printed() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = publish::new_topic("sigterm");
    let acknowledged = publish::all(&mut appliance.http(), &topic, &events::all());
    let mut consumer = Consumer::start(&appliance.brokers, &topic, &topic, &[]);
    for _ in &acknowledged {
        consumer.next().unwrap();
    }
    consumer.process.terminate();
    assert!(consumer.process.wait().success(), "{}", consumer.process.errors());
    let again = Consumer::start(&appliance.brokers, &topic, &topic, &["--exit-at-end"]).rest();
    assert_eq!(again, []);
}

#[test]
fn a_reader_that_goes_away_ends_the_consumer_and_nothing_unread_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = publish::new_topic("pipe");
    let acknowledged = publish::all(&mut appliance.http(), &topic, &events::all());
    let mut command = appliance::command(&["router", "start-consumer", "--topics", &topic]);
    command.args(["--brokers", &appliance.brokers, "--group", &topic]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    // More is printed than a pipe holds, so that the writer is stuck when its reader goes.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(child.wait().unwrap().success(), "{errors}");
    let all = consumer::read(&appliance.brokers, &topic);
    let again = Consumer::start(&appliance.brokers, &topic, &topic, &["--exit-at-end"]).rest();
    assert_eq!(all.len(), acknowledged.len());
    assert_eq!(again, all, "no batch was taken whole, so none counts as done");
}

#[test]
fn kill_9_again_and_again_with_a_slow_reader_skips_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = publish::new_topic("slow");
    let acknowledged = publish::all(&mut appliance.http(), &topic, &events::all());
    let mut seen = std::collections::BTreeSet::new();
    for round in 1..=4 {
        let mut command = appliance::command(&["router", "start-consumer", "--topics", &topic]);
        command.args(["--brokers", &appliance.brokers, "--group", &topic]);
        command.args(["--group-instance-id", "it"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.take(round * 17) {
            let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            seen.insert((line["partition"].as_i64().unwrap(), line["offset"].as_i64().unwrap()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let rest = Consumer::start(&appliance.brokers, &topic, &topic, &["--exit-at-end"]).rest();
    seen.extend(rest.iter().map(|event| (i64::from(event.partition), event.offset)));
    let published = acknowledged.iter().map(|one| (i64::from(one.partition), one.offset));
    assert_eq!(seen, published.collect());
}

#[test]
fn a_broker_that_dies_and_comes_back_is_read_on() {
    if brokers_outside().is_some() {
        skip::say("a broker that dies: the one that was named is not ours to kill");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let start = |listen: &str| {
        let mut command = appliance::command(&["broker", "--admin-listen", "127.0.0.1:0"]);
        command.args(["--kafka-listen", listen, "--data-dir"]).arg(folder.path());
        let process = Process::start(&mut command);
        let places = process.line().unwrap_or_else(|| panic!("{}", process.errors()));
        let (_, address) = places.split_once("Kafka ").expect("where Kafka listens");
        let address = address.split([',', ' ']).next().unwrap_or_default().to_owned();
        (process, address)
    };
    let (mut broker, address) = start("127.0.0.1:0");
    let topic = publish::new_topic("broker-dies");
    let consumer = Consumer::start(&address, &topic, &topic, &["--max-events", "3"]);
    for payload in ["1", "2", "3"] {
        publish_test_event(&address, &topic, payload);
        if payload != "3" {
            assert_eq!(consumer.next().unwrap().payload, payload.as_bytes());
            broker.kill_9();
            (broker, _) = start(&address);
        }
    }
    let last = consumer.rest();
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].payload, b"3");
    let again = Consumer::start(&address, &topic, &topic, &["--exit-at-end"]).rest();
    assert_eq!(again, [], "committed before the end");
}

#[test]
fn partitions_that_a_topic_gets_later_are_published_to_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = publish::new_topic("grows");
    let topics = |arguments: &[&str]| {
        let mut command = appliance::command(&["topics"]);
        command.args(arguments).args(["--brokers", &appliance.brokers, "--partitions"]);
        command
    };
    let mut made = Process::start(topics(&["create", &topic]).arg("1"));
    assert!(made.wait().success(), "{}", made.errors());
    let consumer = Consumer::start(&appliance.brokers, &topic, &topic, &[]);
    let mut http = appliance.http();
    let event = events::Event { key: None, body: b"1".to_vec() };
    assert_eq!(publish::one(&mut http, &topic, &event).unwrap().partition, 0);
    assert_eq!(consumer.next().unwrap().partition, 0);
    let mut grown = Process::start(topics(&["set", &topic]).arg("2"));
    assert!(grown.wait().success(), "{}", grown.errors());
    // Both look every 30 s.
    let first = crate::support::wait::until("the second partition is published to", || {
        let published = publish::one(&mut http, &topic, &event).unwrap();
        (published.partition == 1).then_some(published)
    });
    let read = std::iter::from_fn(|| consumer.next()).find(|event| event.partition == 1);
    assert_eq!(read.unwrap().offset, first.offset);
}

#[test]
fn without_a_broker_the_commands_say_where_they_looked_and_what_to_try() {
    for arguments in [
        ["router", "publish-test-event", "--topic", "t"],
        ["router", "start-consumer", "--topics", "t"],
    ] {
        let mut command = appliance::command(&arguments);
        // Nothing listens on port 1.
        let mut process = Process::start(command.args(["--brokers", "127.0.0.1:1"]));
        assert!(!process.wait().success());
        let errors = process.errors();
        assert!(errors.contains("127.0.0.1:1"), "{errors}");
        assert!(errors.contains("--brokers HOST:PORT"), "{errors}");
    }
}
