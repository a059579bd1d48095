//! Publish requests that are built to hurt, and clients that leave in the middle of one.
use std::net::Shutdown;
use std::time::Duration;

use crate::support::appliance::Appliance;
use crate::support::gateway::Gateway;
use crate::support::http::Http;
use crate::support::problem::assert_problem;
use crate::support::publish::new_topic;
use crate::support::wait;

const PATH: &str = "/pagi/v1/event/publish";
const JSON: (&str, &str) = ("content-type", "application/json");
const STRUCTURED: (&str, &str) = ("content-type", "application/cloudevents+json");
const BINARY: [(&str, &str); 5] =
    [JSON, ("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];

/// Arrays in arrays, `depth` deep.
fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

/// Every form in which a payload can be sent: its name, query, headers and body.
fn forms(topic: &str, payload: &str) -> Vec<(&'static str, String, Vec<Field>, String)> {
    let query = format!("?topic={topic}");
    let event = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t""#;
    vec![
        ("payload", query.clone(), vec![JSON], payload.to_owned()),
        (
            "envelope",
            String::new(),
            vec![JSON],
            format!(r#"{{"topic":"{topic}","data":{payload}}}"#),
        ),
        ("binary", query.clone(), BINARY.to_vec(), payload.to_owned()),
        ("structured", query.clone(), vec![STRUCTURED], format!(r#"{event},"data":{payload}}}"#)),
        (
            "structured, with a media type",
            query,
            vec![STRUCTURED],
            format!(r#"{event},"datacontenttype":"application/json","data":{payload}}}"#),
        ),
    ]
}

type Field = (&'static str, &'static str);

#[test]
fn payloads_nested_a_hundred_deep_are_stored_in_every_form_and_deeper_ones_refused() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let mut http = appliance.http();
    let topic = new_topic("deep");
    for (depth, status) in [(100, 201), (101, 400), (100_000, 400)] {
        for (form, query, headers, body) in forms(&topic, &nested(depth)) {
            let case = format!("{form}, {depth} deep");
            let target = format!("{PATH}{query}");
            let response = http.request("POST", &target, &headers, body.as_bytes()).unwrap();
            assert_eq!(response.status, status, "{case}: {}", response.body.escape_ascii());
            if status == 400 {
                assert_problem(&response, 400, "invalid_event", &case);
                let detail = response.json()["detail"].to_string();
                assert!(detail.contains("deeper than 100"), "{case}: {detail}");
            }
        }
    }
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    let gateway = Gateway::start();
    let mut http = gateway.http();
    let none = "";
    let topic = "?topic=t";
    for (case, query, headers, body) in [
        (
            "an escaped member twice",
            none,
            JSON,
            br#"{"topic":"t","d\u0061ta":1,"data":2}"#.as_slice(),
        ),
        ("key twice", none, JSON, br#"{"topic":"t","key":"a","key":"b","data":1}"#),
        ("an attribute twice", topic, STRUCTURED, br#"{"specversion":"1.0","id":"1","id":"2"}"#),
        (
            "data in both forms",
            topic,
            STRUCTURED,
            br#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":1,"data_base64":""}"#,
        ),
        ("half a character", none, JSON, br#"{"topic":"t","key":"\ud800","data":1}"#),
        ("an overlong character", topic, JSON, b"\"\xc0\xaf\""),
        ("a byte that no text has", topic, STRUCTURED, b"{\"id\":\"\xff\"}"),
        ("a byte order mark", topic, JSON, b"\xef\xbb\xbf{}"),
        ("a control character in a string", topic, JSON, b"\"a\nb\""),
        ("a zero byte behind the value", topic, JSON, b"{}\0"),
        ("deep base64", topic, STRUCTURED, deep_base64().as_bytes()),
    ] {
        let target = format!("{PATH}{query}");
        let response = http.request("POST", &target, &[headers], body).unwrap();
        assert_problem(&response, 400, "invalid_event", case);
    }
}

/// An event whose payload is JSON in base64, 102 deep: three brackets are four characters.
fn deep_base64() -> String {
    format!(
        r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t",
        "datacontenttype":"application/json","data_base64":"{}{}"}}"#,
        "W1tb".repeat(34),
        "XV1d".repeat(34),
    )
}

/// Begins a request whose body is longer than what is sent of it.
fn begin(http: &mut Http, framing: &str, body: &str) {
    let head = format!(
        "POST {PATH}?topic=t HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         {framing}\r\n\r\n{body}"
    );
    http.send(head.as_bytes()).unwrap();
}

/// The value of a metric.
fn metric(gateway: &Gateway, name: &str) -> u64 {
    let metrics = Http::connect(gateway.admin).unwrap().get("/metrics").unwrap().body;
    let metrics = String::from_utf8(metrics).unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

#[test]
fn a_body_that_ends_early_is_refused_and_counted() {
    let gateway = Gateway::start();
    for (framing, body) in
        [("content-length: 10", "123"), ("transfer-encoding: chunked", "3\r\n123\r\n")]
    {
        let before = metric(&gateway, r#"pagi_http_requests_total{route="publish",status="400"}"#);
        let mut http = gateway.http();
        begin(&mut http, framing, body);
        http.shutdown(Shutdown::Write);
        wait::until("the request is counted", || {
            let name = r#"pagi_http_requests_total{route="publish",status="400"}"#;
            (metric(&gateway, name) == before + 1).then_some(())
        });
    }
}

#[test]
fn the_outcome_for_a_client_that_leaves_is_still_found_and_counted() {
    // No broker is there: that is tried for a second, and the client leaves at once.
    let gateway = Gateway::start_with(|part| part.router.delivery_timeout = Duration::from_secs(1));
    let mut http = gateway.http();
    begin(&mut http, "content-length: 2", "{}");
    drop(http);
    wait::until("it is known that the client left", || {
        (metric(&gateway, "pagi_publish_clients_left_total") == 1).then_some(())
    });
    assert_eq!(metric(&gateway, r#"pagi_http_requests_total{route="publish",status="503"}"#), 1);
}
