//! `--handler webhook`: events are posted, and the answer decides.
use std::collections::BTreeMap;

use crate::support::appliance::{self, Appliance};
use crate::support::consumer::Consumer;
use crate::support::events::Event;
use crate::support::publish;
use crate::support::webhook::{Received, Webhook};

/// An event for each key, with its place in the row as its payload.
fn events(keys: &[&str]) -> Vec<Event> {
    let event = |(number, key): (usize, &&str)| Event {
        key: Some((*key).to_owned()),
        body: number.to_string().into_bytes(),
    };
    keys.iter().enumerate().map(event).collect()
}

fn deliver(appliance: &Appliance, topic: &str, webhook: &Webhook, more: &[&str]) {
    let url = webhook.url();
    let arguments = ["--handler", "webhook", "--webhook-url", &url, "--exit-at-end"];
    let consumer = Consumer::start(&appliance.brokers, topic, topic, &[&arguments, more].concat());
    assert_eq!(consumer.rest(), []);
}

/// What came under each key, in its order.
fn by_key(received: &[Received]) -> BTreeMap<String, Vec<String>> {
    let mut by_key = BTreeMap::<_, Vec<_>>::new();
    for one in received {
        let key = one.header("ce-partitionkey").expect("a key").to_owned();
        by_key.entry(key).or_default().push(one.body.clone());
    }
    by_key
}

/// The dead letters of a topic: payload and reason.
fn dead_letters(appliance: &Appliance, topic: &str) -> Vec<(String, String)> {
    let graves = format!("{topic}.dlq");
    let consumer = Consumer::start(&appliance.brokers, &graves, &graves, &["--exit-at-end"]);
    let lines = std::iter::from_fn(|| consumer.process.line());
    let parse = |line: String| -> (String, String) {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (text(&line["payload"]), text(&line["headers"]["pagi_dlq_reason"]))
    };
    lines.map(parse).collect()
}

#[test]
fn each_event_is_posted_once_over_kept_connections_and_committed() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = publish::new_topic("webhook");
    let keys: Vec<_> = (0..200).map(|number| ["a", "b", "c", "d", "e"][number % 5]).collect();
    publish::all(&mut appliance.http(), &topic, &events(&keys));
    let webhook = Webhook::start(|_| Some("204 No Content"));
    deliver(&appliance, &topic, &webhook, &["--concurrency", "4"]);
    let received = webhook.received();
    assert_eq!(received.len(), 200);
    for payloads in by_key(&received).into_values() {
        assert!(payloads.is_sorted_by_key(|number| number.parse::<u32>().unwrap()), "{payloads:?}");
    }
    assert!(webhook.connections() <= 4, "{}", webhook.connections());
    assert_eq!(received[0].target, "/in?x=1");
    assert_eq!(received[0].header("content-type"), Some("application/json"));
    assert_eq!(received[0].header("ce-specversion"), Some("1.0"));
    assert_eq!(received[0].header("pagi-topic"), Some(topic.as_str()));
    deliver(&appliance, &topic, &webhook, &[]);
    assert_eq!(webhook.received().len(), 200, "all is committed");
}

#[test]
fn a_refusal_makes_a_dead_letter_and_what_may_pass_is_tried_again_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = publish::new_topic("webhook-answers");
    let keys = ["slow", "slow", "bad", "quick", "gone", "slow", "quick"];
    publish::all(&mut appliance.http(), &topic, &events(&keys));
    let webhook = Webhook::start(|received| match received.header("ce-partitionkey") {
        // The first events come first, so that this one has time to be in the way of others.
        Some("slow") if received.number == 0 => Some("503 Busy\r\nretry-after: 1"),
        Some("bad") => Some("422 Unprocessable Content"),
        Some("gone") => None,
        _ => Some("200 OK"),
    });
    deliver(&appliance, &topic, &webhook, &["--max-tries", "3"]);
    let received = webhook.received();
    let by_key = by_key(&received);
    assert_eq!(
        by_key["slow"],
        ["0", "0", "1", "5"],
        "in order, behind the one that is tried again"
    );
    assert_eq!(by_key["quick"], ["3", "6"]);
    assert_eq!(by_key["bad"], ["2"], "once");
    let at = |body: &str| received.iter().rposition(|one| one.body == body).unwrap();
    assert!(at("6") < at("0"), "other keys do not wait");
    let mut dead = dead_letters(&appliance, &topic);
    dead.sort();
    let [(bad, refused), (gone, broke)] = &dead[..] else { panic!("{dead:?}") };
    assert_eq!((bad.as_str(), gone.as_str()), ("2", "4"));
    assert_eq!(refused, "the webhook answers 422 Unprocessable Entity");
    assert!(broke.contains("broke off"), "{broke}");
}

#[test]
fn a_whole_event_in_the_body_and_a_signature_if_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(&folder.path().join("data")).ready();
    let topic = publish::new_topic("webhook-structured");
    publish::all(&mut appliance.http(), &topic, &events(&["k"]));
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
    let webhook = Webhook::start(|_| Some("200 OK"));
    let flags = ["--webhook-mode", "structured", "--webhook-secret-file", secret.to_str().unwrap()];
    deliver(&appliance, &topic, &webhook, &flags);
    let received = webhook.received();
    let [one] = &received[..] else { panic!("{received:?}") };
    assert_eq!(one.header("content-type"), Some("application/cloudevents+json"));
    let event: serde_json::Value = serde_json::from_str(&one.body).unwrap();
    assert_eq!((&event["specversion"], &event["data"]), (&"1.0".into(), &0.into()));
    assert_eq!(one.header("webhook-id"), event["id"].as_str());
    assert!(one.header("webhook-signature").is_some_and(|value| value.starts_with("v1,")));
    assert!(one.header("webhook-timestamp").is_some());
}

#[test]
fn an_endpoint_that_is_away_for_a_while_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = publish::new_topic("webhook-away");
    publish::all(&mut appliance.http(), &topic, &events(&["a", "b", "a"]));
    let webhook = Webhook::start(|received| (received.number >= 6).then_some("200 OK"));
    deliver(&appliance, &topic, &webhook, &["--concurrency", "2"]);
    let done: Vec<_> = webhook.received().into_iter().filter(|one| one.number >= 6).collect();
    let by_key = by_key(&done);
    assert_eq!(
        (&by_key["a"][..], &by_key["b"][..]),
        (&["0".into(), "2".into()][..], &["1".into()][..])
    );
}

#[test]
fn flags_that_cannot_work_are_refused_with_code_2() {
    for (arguments, why) in [
        (&["--handler", "webhook"][..], "--webhook-url"),
        (&["--handler", "webhook", "--webhook-url", "https://h"], "no TLS"),
        (&["--webhook-url", "http://h"], "--handler webhook"),
        (
            &["--handler", "webhook", "--webhook-url", "http://h", "--concurrency", "0"],
            "concurrency",
        ),
    ] {
        let mut command = appliance::command(&["router", "start-consumer", "--topics", "t"]);
        let output = command.args(arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(why), "{errors}");
    }
}
