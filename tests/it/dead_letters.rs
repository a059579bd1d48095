//! Dead letters: what cannot be handled goes to a topic of its own, and the rest goes on.
use std::collections::BTreeSet;
use std::path::Path;

use crate::support::appliance::{self, Appliance};
use crate::support::consumer::Consumer;
use crate::support::events::Event;
use crate::support::process::Process;
use crate::support::publish;
use crate::support::wait;

/// Fails at every payload with the word, and keeps every other line in the file.
fn program(file: &Path) -> String {
    format!(
        "while read -r line; do case \"$line\" in *bitter*) exit 3;; esac; \
         printf '%s\\n' \"$line\" >> '{}'; printf '%s\\n' \"$line\"; done",
        file.display()
    )
}

/// Payloads with the number of each; those that the consumer's program cannot handle say so.
fn events(count: usize, is_poison: impl Fn(usize) -> bool) -> Vec<Event> {
    let event = |number| {
        let kind = if is_poison(number) { "bitter" } else { "sweet" };
        let body = format!("{{\"number\":{number},\"kind\":\"{kind}\"}}").into_bytes();
        Event { key: Some("k".to_owned()), body }
    };
    (0..count).map(event).collect()
}

fn consumer(appliance: &Appliance, topic: &str, program: &str, more: &[&str]) -> Consumer {
    let arguments = ["--handler", "exec", "--max-tries", "2", "--exec", program];
    Consumer::start(&appliance.brokers, topic, topic, &[&arguments, more].concat())
}

/// What is in a topic now, line by line as it is printed.
fn lines(appliance: &Appliance, topic: &str) -> Vec<serde_json::Value> {
    let group = publish::new_topic("reader");
    let consumer = Consumer::start(&appliance.brokers, topic, &group, &["--exit-at-end"]);
    let lines = std::iter::from_fn(|| consumer.process.line());
    lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
}

fn numbers(payloads: impl IntoIterator<Item = String>) -> Vec<usize> {
    let number = |payload: String| {
        let value: serde_json::Value = serde_json::from_str(&payload).unwrap();
        usize::try_from(value["number"].as_u64().unwrap()).unwrap()
    };
    payloads.into_iter().map(number).collect()
}

fn payload(line: &serde_json::Value) -> String {
    line["payload"].as_str().unwrap().to_owned()
}

/// The numbers of the events that were handled, in their order.
fn handled(file: &Path) -> Vec<usize> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    // The last line may be half written when its writer is killed.
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    numbers(lines.map(|line| payload(&serde_json::from_str(line).unwrap())))
}

#[test]
fn a_poison_event_becomes_a_dead_letter_and_those_behind_it_are_handled() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(&folder.path().join("data")).ready();
    let (topic, file) = (publish::new_topic("poison"), folder.path().join("handled"));
    let sent = events(20, |number| number == 10);
    let acknowledged = publish::all(&mut appliance.http(), &topic, &sent);
    consumer(&appliance, &topic, &program(&file), &["--exit-at-end"]).rest();
    assert_eq!(handled(&file), (0..20).filter(|number| *number != 10).collect::<Vec<_>>());

    let dead = lines(&appliance, &format!("{topic}.dlq"));
    let [dead] = &dead[..] else { panic!("one dead letter: {dead:?}") };
    assert_eq!(payload(dead).as_bytes(), sent[10].body);
    assert_eq!(dead["key"], "k");
    let headers = &dead["headers"];
    assert!(headers["ce_id"].is_string(), "those of the event: {headers}");
    let reason = headers["pagi_dlq_reason"].as_str().unwrap();
    assert!(reason.contains("exit status: 3"), "{reason}");
    for (name, value) in [
        ("topic", topic.clone()),
        ("partition", acknowledged[10].partition.to_string()),
        ("offset", acknowledged[10].offset.to_string()),
        ("tries", "2".to_owned()),
        ("group", topic.clone()),
    ] {
        assert_eq!(headers[format!("pagi_dlq_{name}")], value, "{name}");
    }
    let again = Consumer::start(&appliance.brokers, &topic, &topic, &["--exit-at-end"]).rest();
    assert_eq!(again, [], "all is committed");
}

#[test]
fn dead_letters_may_have_another_topic_but_not_one_that_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(&folder.path().join("data")).ready();
    let (topic, graves) = (publish::new_topic("poison"), publish::new_topic("graves"));
    publish::all(&mut appliance.http(), &topic, &events(3, |_| true));
    let flags = ["--exit-at-end", "--dlq-topic", &graves];
    consumer(&appliance, &topic, "exit 1", &flags).rest();
    let dead = lines(&appliance, &graves);
    assert_eq!(numbers(dead.iter().map(payload)), [0, 1, 2], "in their order");

    let mut command = appliance::command(&["router", "start-consumer", "--topics", "t"]);
    let output = command.args(["--dlq-topic", "t"]).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && errors.contains("another topic"), "{errors}");
}

#[test]
fn kill_9_while_dead_letters_are_made_loses_none() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(&folder.path().join("data")).ready();
    let topic = publish::new_topic("poison-kill");
    let is_poison = |number: usize| number.is_multiple_of(3);
    publish::all(&mut appliance.http(), &topic, &events(60, is_poison));
    let graves = format!("{topic}.dlq");
    let mut seen = BTreeSet::new();
    for round in 1..=4 {
        // A file for each: the program of a killed consumer goes on to the end of its input.
        let file = folder.path().join(round.to_string());
        if round == 4 {
            consumer(&appliance, &topic, &program(&file), &["--exit-at-end"]).rest();
        } else {
            let mut consumer = consumer(&appliance, &topic, &program(&file), &[]);
            wait::until("an event became a dead letter", || {
                consumer.process.errors().contains("became a dead letter").then_some(())
            });
            consumer.process.kill_9();
        }
        seen.extend(handled(&file));
    }
    let dead = numbers(lines(&appliance, &graves).iter().map(payload));
    assert!(dead.iter().all(|number| is_poison(*number)), "{dead:?}");
    assert_eq!(
        dead.iter().copied().collect::<BTreeSet<_>>(),
        (0..60).filter(|number| is_poison(*number)).collect()
    );
    assert!(seen.iter().all(|number| !is_poison(*number)), "{seen:?}");
    assert_eq!(seen, (0..60).filter(|number| !is_poison(*number)).collect());
}

/// What `router dlq` prints, line by line.
fn dlq(appliance: &Appliance, arguments: &[&str]) -> Vec<String> {
    let mut command = appliance::command(&["router", "dlq"]);
    let mut process =
        Process::start(command.args(arguments).args(["--brokers", &appliance.brokers]));
    let lines = std::iter::from_fn(|| process.line()).collect();
    assert!(process.wait().success(), "{}", process.errors());
    lines
}

#[test]
fn dead_letters_are_listed_shown_and_sent_back_once() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = publish::new_topic("redrive");
    let sent = events(5, |number| number == 1 || number == 3);
    publish::all(&mut appliance.http(), &topic, &sent);
    let program = program(&folder.path().join("handled"));
    consumer(&appliance, &topic, &program, &["--exit-at-end"]).rest();

    let listed = dlq(&appliance, &["list", "--topics", &topic]);
    assert_eq!(listed.len(), 3, "a head, and two: {listed:?}");
    assert!(listed[1].contains(&format!("{topic}/0:1")), "{}", listed[1]);
    assert!(listed[2].contains("exit status: 3"), "{}", listed[2]);
    let shown = dlq(&appliance, &["show", "--topics", &topic, "--at", "0:1"]);
    let shown: Vec<serde_json::Value> =
        shown.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(numbers(shown.iter().map(payload)), [3]);

    let first = dlq(&appliance, &["redrive", "--topics", &topic, "--max-events", "1"]);
    assert_eq!(first, [format!("{topic}.dlq/0:0 -> {topic}/0:5")]);
    let second = dlq(&appliance, &["redrive", "--topics", &topic]);
    assert_eq!(second, [format!("{topic}.dlq/0:1 -> {topic}/0:6")]);
    assert_eq!(dlq(&appliance, &["redrive", "--topics", &topic]), Vec::<String>::new());
    assert_eq!(dlq(&appliance, &["list", "--topics", &topic]).len(), 1, "none is left");
    assert_eq!(dlq(&appliance, &["list", "--topics", &topic, "--all"]).len(), 3);

    // The same group goes on: what came back is new to it.
    let back = Consumer::start(&appliance.brokers, &topic, &topic, &["--exit-at-end"]);
    let back: Vec<serde_json::Value> = std::iter::from_fn(|| back.process.line())
        .map(|line| serde_json::from_str(&line).unwrap())
        .collect();
    assert_eq!(numbers(back.iter().map(payload)), [1, 3]);
    assert_eq!(back[0]["key"], "k");
    let original = &lines(&appliance, &topic)[1]["headers"];
    assert_eq!(&back[0]["headers"], original, "without the story");
}

#[test]
fn a_topic_without_dead_letters_has_none_to_list_or_send() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = publish::new_topic("no-dead");
    for command in ["show", "redrive"] {
        assert_eq!(dlq(&appliance, &[command, "--topics", &topic]), Vec::<String>::new());
    }
    assert_eq!(dlq(&appliance, &["list", "--dlq-topic", &topic]).len(), 1, "the head");
    let mut command = appliance::command(&["router", "dlq", "list", "--topics", "t"]);
    let output = command.args(["--brokers", "127.0.0.1:1"]).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && errors.contains("--brokers HOST:PORT"), "{errors}");
}
