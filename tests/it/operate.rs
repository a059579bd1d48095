//! `pagi-appliance topics …` as an operator uses it, on any broker.
use serde_json::{Value, json};

use crate::support::appliance::Appliance;
use crate::support::events::Event;
use crate::support::operate::{json, run};
use crate::support::publish;

/// What is set on a topic, by name.
fn settings(brokers: &str, topic: &str) -> Value {
    let described = json(brokers, &["topics", "describe", topic]);
    let settings = described["settings"].as_array().unwrap().iter();
    settings.map(|s| (s["setting"].as_str().unwrap().to_owned(), s["value"].clone())).collect()
}

#[test]
fn a_topic_is_created_listed_described_changed_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let brokers = appliance.brokers.as_str();
    let topic = publish::new_topic("operated");
    let create = ["topics", "create", &topic, "--partitions", "3", "--set", "retention.ms=7000000"];
    assert_eq!(json(brokers, &create), json!([{"topic": topic, "result": "created"}]));

    let event = Event { key: Some("k".to_owned()), body: b"{}".to_vec() };
    let place = publish::one(&mut appliance.http(), &topic, &event).unwrap();
    let listed = json(brokers, &["topics", "list"]);
    let row = json!({"topic": topic, "partitions": 3, "replicas": 1, "without_leader": 0});
    assert!(listed.as_array().unwrap().contains(&row), "{listed}");
    let described = json(brokers, &["topics", "describe", &topic]);
    let partitions = described["partitions"].as_array().unwrap();
    let latest: Vec<_> = partitions.iter().map(|p| p["latest"].as_i64().unwrap()).collect();
    let expected: Vec<_> = (0..3).map(|index| i64::from(index == place.partition)).collect();
    assert_eq!(latest, expected, "{described}");
    assert_eq!(settings(brokers, &topic)["retention.ms"], "7000000");

    let set = ["topics", "set", &topic, "--partitions", "4", "--unset", "retention.ms"];
    json(brokers, &[&set[..], &["--set", "max.message.bytes=20000"]].concat());
    let set = settings(brokers, &topic);
    assert_eq!(set["max.message.bytes"], "20000");
    assert!(set.get("retention.ms").is_none(), "{set}");
    let described = json(brokers, &["topics", "describe", &topic]);
    assert_eq!(described["partitions"].as_array().unwrap().len(), 4);

    let deleted = json(brokers, &["topics", "delete", &topic]);
    assert_eq!(deleted, json!([{"topic": topic, "result": "deleted"}]));
    let (code, _, errors) = run(brokers, &["topics", "describe", &topic]);
    assert_eq!(code, 3);
    assert!(errors.contains("does not exist"), "{errors}");
}

#[test]
fn refusals_say_why_and_have_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let brokers = appliance.brokers.as_str();
    let (topic, missing) = (publish::new_topic("operated"), publish::new_topic("missing"));
    json(brokers, &["topics", "create", &topic]);

    let (code, _, errors) = run(brokers, &["topics", "create", &topic]);
    assert_eq!(code, 1);
    assert!(errors.contains("--if-not-exists"), "{errors}");
    let again = json(brokers, &["topics", "create", &topic, "--if-not-exists"]);
    assert_eq!(again, json!([{"topic": topic, "result": "exists"}]));

    let (code, _, errors) = run(brokers, &["topics", "set", &topic, "--set", "retention.ms=soon"]);
    assert_eq!(code, 1);
    assert!(errors.contains("retention.ms"), "{errors}");
    let (code, _, errors) = run(brokers, &["topics", "set", &missing, "--partitions", "2"]);
    assert_eq!(code, 3, "{errors}");
    assert_eq!(run(brokers, &["topics", "set", &topic]).0, 2, "nothing to change");

    // What exists is described and deleted, whatever else is named.
    let (code, printed, _) = run(brokers, &["topics", "describe", &topic, &missing]);
    assert_eq!(code, 3);
    assert!(printed.contains(&topic) && !printed.contains(&missing), "{printed}");
    let (code, printed, _) = run(brokers, &["topics", "delete", &topic, &missing]);
    assert_eq!(code, 3, "{printed}");
    let left = json(brokers, &["topics", "delete", &topic, "--if-exists"]);
    assert_eq!(left, json!([{"topic": topic, "result": "not there"}]));
    let listed = json(brokers, &["topics", "list"]).to_string();
    assert!(!listed.contains(&missing), "looking creates nothing: {listed}");
}

#[test]
fn a_broker_that_does_not_answer_is_named_with_what_to_do() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let hanging_up = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let (code, printed, errors) = run(&address, &["topics", "list"]);
    hanging_up.join().unwrap();
    assert_eq!((code, printed.as_str()), (1, ""));
    assert!(errors.contains(&address) && errors.contains("--brokers"), "{errors}");
}
