//! How much may be published, by one client and by all: refused before a body is sent.
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::support::appliance::Appliance;
use crate::support::gateway::Gateway;
use crate::support::http::{Http, Response};
use crate::support::problem::assert_problem;
use crate::support::publish::new_topic;
use crate::support::wait;

const PATH: &str = "/pagi/v1/event/publish";

/// Sends the head of a request, and none of its body.
fn head(http: &mut Http, body_bytes: usize) -> Response {
    let head = format!(
        "POST {PATH}?topic=t HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: {body_bytes}\r\nexpect: 100-continue\r\n\r\n"
    );
    http.exchange(head.as_bytes()).unwrap()
}

#[test]
fn a_client_over_its_rate_is_told_when_to_come_again() {
    let gateway = Gateway::start_with(|part| {
        let one = NonZeroU32::MIN;
        part.gateway.client_rate =
            Some(pagi_appliance::core::rate::Rate { per_second: one, burst: one });
    });
    let refused = wait::until("two requests come within a second", || {
        let response = head(&mut gateway.http(), 1_000);
        (response.status != 100).then_some(response)
    });
    assert_problem(&refused, 429, "rate_limited", "too fast");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json()["retryable"], true);
    // Other paths are not limited, and the client's second is over some time.
    assert_eq!(gateway.http().get("/").unwrap().status, 404);
    wait::until("the client may publish again", || {
        (head(&mut gateway.http(), 1_000).status == 100).then_some(())
    });
}

#[test]
fn a_batch_beyond_the_rate_is_taken_and_paid_for_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start_with(folder.path(), &["--client-rate", "10"]).ready();
    let events: serde_json::Value = (0..200)
        .map(|id| serde_json::json!({"specversion":"1.0","id":id.to_string(),"source":"/","type":"t"}))
        .collect();
    let target = format!("{PATH}?topic={}", new_topic("debt"));
    let mut http = appliance.http();
    let batch = [("content-type", "application/cloudevents-batch+json")];
    let response = http.request("POST", &target, &batch, events.to_string().as_bytes()).unwrap();
    assert_eq!(response.status, 201);
    let refused = http.request("POST", &target, &batch, b"[]").unwrap();
    assert_problem(&refused, 429, "rate_limited", "in debt");
    let secs: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&secs), "{secs} s for 190 events too many");
}

#[test]
fn a_stream_beyond_the_rate_is_slowed_down_and_nothing_of_it_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--client-rate", "100", "--client-burst", "10"];
    let appliance = Appliance::start_with(folder.path(), &options).ready();
    let target = format!("{PATH}?topic={}", new_topic("paced"));
    let ndjson = [("content-type", "application/x-ndjson")];
    let begin = Instant::now();
    let response =
        appliance.http().request("POST", &target, &ndjson, "1\n".repeat(60).as_bytes()).unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(490), "{:?}", begin.elapsed());
    let results = String::from_utf8(response.body).unwrap();
    assert_eq!(results.lines().count(), 60);
    assert!(results.lines().all(|line| line.starts_with(r#"{"status":201,"#)), "{results}");
}

#[test]
fn more_requests_than_allowed_are_refused_at_once_and_there_is_room_afterwards() {
    let gateway = Gateway::start_with(|part| part.gateway.publish_requests_max = 1);
    let mut first = gateway.http();
    assert_eq!(head(&mut first, 10).status, 100);
    let refused = head(&mut gateway.http(), 10);
    assert_problem(&refused, 503, "overloaded", "a second one");
    assert_eq!(refused.header("retry-after"), Some("1"));
    drop(first);
    wait::until("there is room again", || {
        (head(&mut gateway.http(), 10).status == 100).then_some(())
    });
}

#[test]
fn a_body_that_the_router_has_no_room_for_is_not_asked_for() {
    let gateway = Gateway::start_with(|part| part.router.queue_bytes_max = 1_000);
    let refused = head(&mut gateway.http(), 1_001);
    assert_problem(&refused, 503, "overloaded", "no room");
    assert_eq!(head(&mut gateway.http(), 1_000).status, 100);
}
