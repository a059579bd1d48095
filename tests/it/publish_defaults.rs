//! Where an event goes that does not say, and how it stays tied to its request.
use crate::support::appliance::Appliance;
use crate::support::consumer::{self, Consumer};
use crate::support::publish::new_topic;

const PATH: &str = "/pagi/v1/event/publish";
const JSON: (&str, &str) = ("content-type", "application/json");
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn topic_and_key_come_from_the_configuration_where_the_request_names_none() {
    let folder = tempfile::tempdir().unwrap();
    let topic = new_topic("default");
    let options = ["--default-topic", &topic, "--key-pointer", "/twin/id"];
    let appliance = Appliance::start_with(folder.path(), &options).ready();
    let mut http = appliance.http();
    let binary =
        [JSON, ("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];
    let partition_key = [&binary[..], &[("ce-partitionkey", "partition")]].concat();
    let payload = r#"{"twin":{"id":"pointer"}}"#;
    let envelope = format!(r#"{{"data":{payload}}}"#);
    let keyed_envelope = format!(r#"{{"key":"envelope","data":{payload}}}"#);
    let cases: [(&str, &[_], &str, Option<&str>); 7] = [
        ("", &[JSON], &envelope, Some("pointer")),
        ("", &[JSON], &keyed_envelope, Some("envelope")),
        ("?key=query", &[JSON], payload, Some("query")),
        ("", &binary, payload, Some("pointer")),
        ("", &partition_key, payload, Some("partition")),
        ("?key=query", &partition_key, payload, Some("query")),
        ("", &binary, r#"{"twin":null}"#, None),
    ];
    for (query, headers, body, _) in cases {
        let target = format!("{PATH}{query}");
        let response = http.request("POST", &target, headers, body.as_bytes()).unwrap();
        assert_eq!(response.status, 201, "{body}: {}", response.body.escape_ascii());
        assert_eq!(response.json()["topic"], topic, "{body}");
    }
    let keys: Vec<_> =
        consumer::read(&appliance.brokers, &topic).into_iter().map(|record| record.key).collect();
    assert_eq!(keys, cases.map(|(_, _, _, key)| key.map(str::to_owned)));
}

#[test]
fn a_record_names_its_request_and_its_trace() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = new_topic("traced");
    let target = format!("{PATH}?topic={topic}");
    for trace in [TRACE, "not a trace"] {
        let headers = [JSON, ("traceparent", trace), ("x-request-id", "request-1")];
        let response = appliance.http().request("POST", &target, &headers, b"{}").unwrap();
        assert_eq!(response.status, 201);
    }
    let consumer = Consumer::start(&appliance.brokers, &topic, &topic, &["--exit-at-end"]);
    for trace in [Some(TRACE), None] {
        let line =
            consumer.process.line().unwrap_or_else(|| panic!("{}", consumer.process.errors()));
        let headers = &serde_json::from_str::<serde_json::Value>(&line).unwrap()["headers"];
        assert_eq!(headers["x-request-id"], "request-1", "{line}");
        assert_eq!(headers["traceparent"].as_str(), trace, "{line}");
        assert_eq!(headers["content-type"], "application/json", "{line}");
    }
}
