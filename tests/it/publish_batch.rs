//! Several events in one request, and an answer that tells what became of each.
use serde_json::{Value, json};

use crate::support::appliance::Appliance;
use crate::support::consumer;
use crate::support::gateway::Gateway;
use crate::support::http::{Http, Response};
use crate::support::problem::assert_problem;
use crate::support::publish::new_topic;

const PATH: &str = "/pagi/v1/event/publish";
const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json");

fn event(number: usize) -> Value {
    json!({
        "specversion": "1.0", "id": format!("e-{number}"), "source": "/s", "type": "t",
        "partitionkey": "k", "data": number,
    })
}

fn post(http: &mut Http, topic: &str, events: &Value) -> Response {
    let target = format!("{PATH}?topic={topic}");
    http.request("POST", &target, &[BATCH], events.to_string().as_bytes()).unwrap()
}

#[test]
fn a_batch_is_created_when_all_of_it_is_durable_and_keeps_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = new_topic("batch");
    let events: Value = (0..1_000).map(event).collect();
    let response = post(&mut appliance.http(), &topic, &events);
    assert_eq!(response.status, 201, "{}", response.body.escape_ascii());
    assert_eq!(response.header("content-type"), Some("application/json"));
    let results = response.json();
    let results = results.as_array().unwrap();
    assert_eq!(results.len(), 1_000);
    for (number, result) in results.iter().enumerate() {
        let id = format!("e-{number}");
        let expected = json!({
            "status": 201, "id": id, "topic": topic, "partition": result["partition"],
            "offset": number,
        });
        assert_eq!(*result, expected);
    }
    let delivered = consumer::read(&appliance.brokers, &topic);
    let payloads: Vec<_> = delivered.iter().map(|record| record.payload.clone()).collect();
    let expected: Vec<_> = (0..1_000).map(|number| number.to_string().into_bytes()).collect();
    assert_eq!(payloads, expected);
    assert!(delivered.iter().all(|record| record.key.as_deref() == Some("k")));
}

#[test]
fn of_a_mixed_batch_the_good_events_are_stored_and_each_bad_one_is_told_why() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = new_topic("mixed");
    let mut without_type = event(1);
    without_type.as_object_mut().unwrap().remove("type");
    let mut too_large = event(2);
    too_large["data"] = "x".repeat(1_000_000).into();
    let events = json!([event(0), without_type, too_large, 7, event(4)]);
    let response = post(&mut appliance.http(), &topic, &events);
    assert_eq!(response.status, 207, "{}", response.body.escape_ascii());
    let results = response.json();
    let statuses: Vec<_> = results.as_array().unwrap().iter().map(|r| &r["status"]).collect();
    assert_eq!(statuses, [201, 400, 413, 400, 201]);
    assert_eq!(results[1]["code"], "invalid_event");
    assert!(results[1]["detail"].as_str().unwrap().contains("type is missing"), "{results}");
    assert_eq!(results[2]["code"], "payload_too_large");
    assert_eq!(results[2]["retryable"], false);
    assert_eq!(results[3]["request_id"].as_str(), response.header("x-request-id"));
    let payloads: Vec<_> = consumer::read(&appliance.brokers, &topic)
        .into_iter()
        .map(|record| String::from_utf8(record.payload).unwrap())
        .collect();
    assert_eq!(payloads, ["0", "4"]);
}

#[test]
fn a_batch_of_which_nothing_is_stored_is_a_problem_with_its_results() {
    let gateway = Gateway::start();
    let mut http = gateway.http();
    let response = post(&mut http, "t", &json!([7, {}]));
    assert_problem(&response, 400, "invalid_event", "all bad");
    assert_eq!(response.json()["results"].as_array().unwrap().len(), 2);

    // Handing over is tried for a third of a second: once, not for each of the thousand.
    let events: Value = (0..1_000).map(event).collect();
    let response = post(&mut http, "t", &events);
    assert_problem(&response, 503, "broker_unavailable", "no broker");
    assert_eq!(response.header("retry-after"), Some("2"));
    let problem = response.json();
    assert_eq!(problem["retryable"], true);
    let results = problem["results"].as_array().unwrap();
    assert_eq!(results.len(), 1_000);
    for result in results {
        assert_eq!(
            (&result["code"], &result["retryable"]),
            (&json!("broker_unavailable"), &json!(true))
        );
    }
}

#[test]
fn what_is_no_batch_is_refused_as_a_whole() {
    let gateway = Gateway::start();
    let mut http = gateway.http();
    let too_many: Value = (0..1_001).map(event).collect();
    for (case, body, status, code) in [
        ("one event", event(0).to_string(), 400, "invalid_event"),
        ("cut off", "[{}".to_owned(), 400, "invalid_event"),
        ("empty", String::new(), 400, "invalid_event"),
        ("too many", too_many.to_string(), 413, "payload_too_large"),
    ] {
        let target = format!("{PATH}?topic=t");
        let response = http.request("POST", &target, &[BATCH], body.as_bytes()).unwrap();
        assert_problem(&response, status, code, case);
        http = gateway.http();
    }
    let response = http.request("POST", PATH, &[BATCH], b"[]").unwrap();
    assert_problem(&response, 400, "invalid_parameter", "no topic");
    let response = post(&mut http, "t", &json!([]));
    assert_eq!((response.status, response.body.as_slice()), (201, b"[]".as_slice()));
}
