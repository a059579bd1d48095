//! `pagi-appliance groups …` as an operator uses it, on any broker.
use serde_json::{Value, json};

use crate::support::appliance::Appliance;
use crate::support::consumer::Consumer;
use crate::support::events::Event;
use crate::support::operate::{json, run};
use crate::support::publish;

/// So many events, each under a key of its own.
fn publish(appliance: &Appliance, topic: &str, keys: std::ops::Range<u32>) {
    let mut http = appliance.http();
    for key in keys {
        let event = Event { key: Some(format!("k{key}")), body: b"{}".to_vec() };
        publish::one(&mut http, topic, &event).unwrap();
    }
}

/// Reads to the end as a member that leaves then; how much there was.
fn read(brokers: &str, topic: &str, group: &str) -> usize {
    Consumer::join(brokers, topic, group, &["--exit-at-end"]).rest().len()
}

/// The sum of a column.
fn sum(rows: &Value, column: &str) -> i64 {
    rows.as_array().unwrap().iter().map(|row| row[column].as_i64().unwrap()).sum()
}

fn lag(brokers: &str, group: &str) -> i64 {
    sum(&json(brokers, &["groups", "describe", group])["partitions"], "lag")
}

#[test]
fn a_group_is_listed_described_reset_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let brokers = appliance.brokers.as_str();
    let topic = publish::new_topic("grouped");
    let group = format!("group-of-{topic}");
    json(brokers, &["topics", "create", &topic, "--partitions", "2"]);
    publish(&appliance, &topic, 0..20);
    assert_eq!(read(brokers, &topic, &group), 20);

    let listed = json(brokers, &["groups", "list"]);
    let mut groups = listed.as_array().unwrap().iter();
    let row = groups.find(|row| row["group"] == group.as_str()).unwrap();
    assert_eq!((&row["state"], &row["protocol"]), (&json!("Empty"), &json!("consumer")));
    let described = json(brokers, &["groups", "describe", &group]);
    assert_eq!(described["groups"][0]["lag"], 0, "{described}");
    assert_eq!(sum(&described["partitions"], "committed"), 20, "{described}");
    assert_eq!(described["members"], json!([]));
    publish(&appliance, &topic, 20..23);
    assert_eq!(lag(brokers, &group), 3);

    let reset = |more: &[&str]| {
        json(brokers, &[&["groups", "reset", &group, "--topics", &topic], more].concat())
    };
    let shown = reset(&["--to", "earliest", "--dry-run"]);
    assert_eq!((sum(&shown, "before"), sum(&shown, "after")), (20, 0), "{shown}");
    assert_eq!(lag(brokers, &group), 3, "nothing was changed");
    reset(&["--to", "earliest"]);
    assert_eq!(read(brokers, &topic, &group), 23);
    reset(&["--to", "1970-01-01T00:00:01Z"]);
    assert_eq!(lag(brokers, &group), 23);
    reset(&["--to", "2999-01-01T00:00:00Z"]);
    assert_eq!(lag(brokers, &group), 0);
    let one = format!("{topic}:1");
    let partition = json(brokers, &["groups", "reset", &group, "--topics", &one, "--to", "1"]);
    let left = partition[0]["lag"].as_i64().unwrap();
    assert!(left > 0, "{partition}");
    assert_eq!(lag(brokers, &group), left, "the other partition stays");

    let deleted = json(brokers, &["groups", "delete", &group]);
    assert_eq!(deleted, json!([{"group": group, "result": "deleted"}]));
    let (code, _, errors) = run(brokers, &["groups", "describe", &group]);
    assert_eq!(code, 3);
    assert!(errors.contains("groups list"), "{errors}");
}

#[test]
fn a_group_with_members_tells_who_reads_what_and_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let brokers = appliance.brokers.as_str();
    let topic = publish::new_topic("grouped");
    let group = format!("group-of-{topic}");
    publish(&appliance, &topic, 0..1);
    let consumer = Consumer::start(brokers, &topic, &group, &[]);
    consumer.next().expect("an event");

    let described = json(brokers, &["groups", "describe", &group]);
    let state = &described["groups"][0];
    assert_eq!((&state["state"], &state["assignor"]), (&json!("Stable"), &json!("range")));
    let member = &described["members"][0];
    assert_eq!((&member["instance"], &member["client"]), (&json!("it"), &json!("pagi-router")));
    assert_eq!(described["partitions"][0]["member"], member["member"], "{described}");

    let refused: [&[&str]; 2] = [
        &["groups", "reset", &group, "--topics", &topic, "--to", "earliest"],
        &["groups", "delete", &group],
    ];
    for command in refused {
        let (code, _, errors) = run(brokers, command);
        assert_eq!(code, 1, "{errors}");
        assert!(errors.contains("stop its consumers"), "{errors}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let brokers = appliance.brokers.as_str();
    let topic = publish::new_topic("grouped");
    json(brokers, &["topics", "create", &topic]);
    let missing = publish::new_topic("missing");
    let reset =
        |topics: &str| run(brokers, &["groups", "reset", "g", "--topics", topics, "--to", "0"]);
    let no_partition = format!("{topic}:9");
    for (topics, named) in [(&missing, "does not exist"), (&no_partition, "no partition 9")] {
        let (code, _, errors) = reset(topics);
        assert_eq!(code, 3, "{errors}");
        assert!(errors.contains(named), "{errors}");
    }
    let (code, printed, _) = run(brokers, &["groups", "delete", &missing]);
    assert_eq!(code, 3, "{printed}");
    assert_eq!(run(brokers, &["groups", "reset", "g", "--topics", &topic, "--to", "soon"]).0, 2);
}
