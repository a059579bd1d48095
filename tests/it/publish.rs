//! Publishing over HTTP: what every kind of bad request is told, and what good ones become.
use std::time::Duration;

use crate::support::appliance::{Appliance, brokers_outside};
use crate::support::consumer::{self, Consumer};
use crate::support::gateway::Gateway;
use crate::support::http::Http;
use crate::support::kcat;
use crate::support::problem::assert_problem;
use crate::support::publish::new_topic;
use crate::support::skip;

const PATH: &str = "/pagi/v1/event/publish";
const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn every_kind_of_bad_request_is_told_what_is_wrong_with_it() {
    let gateway = Gateway::start();
    let mut http = gateway.http();
    let (topic, none) = ("?topic=t", "");
    for (case, query, headers, body, status, code) in [
        ("not JSON", none, &[JSON][..], b"hello".as_slice(), 400, "invalid_event"),
        ("cut off", none, &[JSON], br#"{"topic":"t","data":"#, 400, "invalid_event"),
        ("more than one", none, &[JSON], br#"{"topic":"t","data":1}{}"#, 400, "invalid_event"),
        ("a wrong type", none, &[JSON], br#"{"topic":7,"data":1}"#, 400, "invalid_event"),
        ("no data", none, &[JSON], br#"{"topic":"t"}"#, 400, "invalid_event"),
        ("no topic", none, &[JSON], br#"{"data":1}"#, 400, "invalid_event"),
        (
            "a key twice",
            none,
            &[JSON],
            br#"{"topic":"t","topic":"u","data":1}"#,
            400,
            "invalid_event",
        ),
        ("data twice", none, &[JSON], br#"{"topic":"t","data":1,"data":2}"#, 400, "invalid_event"),
        (
            "a misspelt member",
            none,
            &[JSON],
            br#"{"topic":"t","data":1,"kye":1}"#,
            400,
            "invalid_event",
        ),
        ("an array", none, &[JSON], br#"["t",1]"#, 400, "invalid_event"),
        ("not UTF-8", none, &[JSON], b"{\"topic\":\"t\",\"data\":\"\xff\"}", 400, "invalid_event"),
        ("empty", none, &[JSON], b"", 400, "invalid_event"),
        ("empty payload", topic, &[JSON], b"", 400, "invalid_event"),
        ("payload not JSON", topic, &[JSON], b"{'a':1}", 400, "invalid_event"),
        ("payload not UTF-8", topic, &[JSON], b"\"\xc3\x28\"", 400, "invalid_event"),
        ("a bad topic", none, &[JSON], br#"{"topic":"a b","data":1}"#, 400, "invalid_topic"),
        ("an empty topic", none, &[JSON], br#"{"topic":"","data":1}"#, 400, "invalid_topic"),
        ("a bad topic", "?topic=a%2Fb", &[JSON], b"1", 400, "invalid_topic"),
        ("a misspelt parameter", "?topci=t", &[JSON], b"1", 400, "invalid_parameter"),
        ("a parameter twice", "?topic=t&topic=u", &[JSON], b"1", 400, "invalid_parameter"),
        ("a key alone", "?key=k", &[JSON], b"1", 400, "invalid_parameter"),
        ("a form", topic, &[("content-type", "text/plain")], b"1", 415, "unsupported_media_type"),
        ("no media type", topic, &[], b"1", 415, "unsupported_media_type"),
        (
            "compressed",
            topic,
            &[JSON, ("content-encoding", "br")],
            b"1",
            415,
            "unsupported_media_type",
        ),
        ("an event without id", topic, &[("ce-type", "t")], b"", 400, "invalid_event"),
        (
            "a structured event without type",
            topic,
            &[("content-type", "application/cloudevents+json")],
            br#"{"specversion":"1.0","id":"1","source":"/s"}"#,
            400,
            "invalid_event",
        ),
    ] {
        let response = http.request("POST", &format!("{PATH}{query}"), headers, body).unwrap();
        assert_problem(&response, status, code, case);
    }
}

#[test]
fn unknown_routes_and_methods_are_told_apart() {
    let gateway = Gateway::start();
    let mut http = gateway.http();
    for path in ["/", "/pagi/v1/event/publish/", "/pagi/v1/twin/x", "/livez", "/metrics"] {
        assert_problem(&http.get(path).unwrap(), 404, "not_found", path);
    }
    for (method, path, allow) in [
        ("GET", PATH, "POST"),
        ("DELETE", PATH, "POST"),
        ("POST", "/pagi/v1/twin/x/status", "GET, HEAD"),
    ] {
        let response = http.request(method, path, &[], b"").unwrap();
        assert_problem(&response, 405, "method_not_allowed", method);
        assert_eq!(response.header("allow"), Some(allow), "{method} {path}");
    }
}

#[test]
fn a_body_over_the_cap_is_refused_before_it_is_sent() {
    let gateway = Gateway::start_with(|part| part.gateway.body_bytes_max = 1000);
    let mut http = gateway.http();
    let head = format!(
        "POST {PATH}?topic=t HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: 1001\r\n\r\n"
    );
    // Not a byte of the body is sent, and still there is an answer.
    let response = http.exchange(head.as_bytes()).unwrap();
    assert_problem(&response, 413, "payload_too_large", "announced");
    assert!(http.is_closed(), "what follows would be the body");
}

#[test]
fn a_body_that_does_not_say_its_size_is_cut_off_at_the_cap() {
    let gateway = Gateway::start_with(|part| part.gateway.body_bytes_max = 1000);
    let mut http = gateway.http();
    let head = format!(
        "POST {PATH}?topic=t HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    http.send(head.as_bytes()).unwrap();
    let chunk = format!("1f4\r\n{}\r\n", "1".repeat(500));
    http.send(chunk.as_bytes()).unwrap();
    http.send(chunk.as_bytes()).unwrap();
    let response = http.exchange(b"1\r\n1\r\n").unwrap();
    assert_problem(&response, 413, "payload_too_large", "chunked");
}

#[test]
fn a_body_that_does_not_arrive_is_not_waited_for_for_ever() {
    let short = Duration::from_millis(50);
    let gateway = Gateway::start_with(|part| part.gateway.body_timeout = short);
    let mut http = gateway.http();
    let head = format!(
        "POST {PATH}?topic=t HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: 10\r\n\r\n123"
    );
    let response = http.exchange(head.as_bytes()).unwrap();
    assert_problem(&response, 408, "request_timeout", "three bytes of ten");
}

#[test]
fn a_connection_that_sends_no_request_is_closed() {
    let short = Duration::from_millis(50);
    let gateway = Gateway::start_with(|part| part.gateway.idle_timeout = short);
    let mut silent = gateway.http();
    let mut slow = gateway.http();
    slow.send(b"POST /pagi").unwrap();
    assert!(silent.is_closed());
    assert!(slow.is_closed());
}

#[test]
fn more_bytes_than_the_budget_are_refused_at_once_and_freed_afterwards() {
    let gateway = Gateway::start_with(|part| {
        part.gateway.body_bytes_max = 1000;
        part.gateway.in_flight_bytes_max = 1000;
    });
    let head = |bytes| {
        format!(
            "POST {PATH}?topic=t HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
             content-length: {bytes}\r\nexpect: 100-continue\r\n\r\n"
        )
    };
    let mut first = gateway.http();
    // The 100 says that the bytes are reserved.
    assert_eq!(first.exchange(head(900).as_bytes()).unwrap().status, 100);
    let refused = gateway.http().exchange(head(101).as_bytes()).unwrap();
    assert_problem(&refused, 503, "overloaded", "over the budget");
    assert_eq!(refused.header("retry-after"), Some("1"));
    drop(first);
    crate::support::wait::until("the bytes are free again", || {
        let response = gateway.http().exchange(head(101).as_bytes()).unwrap();
        (response.status == 100).then_some(())
    });
}

#[test]
fn one_connection_too_many_is_told_so_and_closed() {
    let gateway = Gateway::start_with(|part| part.gateway.connections_max = 1);
    let mut first = gateway.http();
    assert_eq!(first.get("/").unwrap().status, 404);
    let mut second = gateway.http();
    let response = second.response().unwrap();
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    assert_eq!(response.json()["code"], "overloaded");
    assert!(second.is_closed());
    assert_eq!(first.get("/").unwrap().status, 404, "the first is unharmed");
}

#[test]
fn requests_with_no_clear_meaning_are_refused() {
    let gateway = Gateway::start();
    for (case, request) in [
        ("no host", "GET / HTTP/1.1\r\n\r\n"),
        ("two hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n"),
        ("another authority", "GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("a tunnel", "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n"),
        (
            "framing named as hop-by-hop",
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: content-length\r\n\r\n",
        ),
        (
            "coded twice",
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        ),
    ] {
        let response = gateway.http().exchange(request.as_bytes()).unwrap();
        assert_problem(&response, 400, "invalid_parameter", case);
    }
    for (case, request, status) in [
        ("not HTTP", "hello\r\n\r\n".to_owned(), 400),
        (
            "a head that is too large",
            format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(70_000)),
            431,
        ),
    ] {
        let response = gateway.http().exchange(request.as_bytes()).unwrap();
        assert_eq!(response.status, status, "{case}");
    }
}

#[test]
fn without_a_broker_nothing_is_promised() {
    let gateway = Gateway::start();
    let response = gateway.http().publish("t", Some("k"), b"{}").unwrap();
    assert_problem(&response, 503, "broker_unavailable", "no broker");
    assert_eq!(response.json()["retryable"], true);
    assert!(response.header("retry-after").is_some());

    let mut admin = Http::connect(gateway.admin).unwrap();
    assert_eq!(admin.get("/livez").unwrap().status, 200);
    let ready = admin.get("/readyz").unwrap();
    assert_problem(&ready, 503, "broker_unavailable", "not ready");
    let metrics = String::from_utf8(admin.get("/metrics").unwrap().body).unwrap();
    let counted = r#"pagi_http_requests_total{route="publish",status="503"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"));
    assert_eq!(admin.get("/").unwrap().status, 404);
    let response = admin.request("POST", "/livez", &[], b"").unwrap();
    assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD")));
}

#[test]
fn a_request_keeps_its_id_where_that_is_harmless() {
    let gateway = Gateway::start();
    let mut http = gateway.http();
    let mut id_for = |given: &[(&str, &str)]| {
        let response = http.request("GET", "/", given, b"").unwrap();
        response.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(id_for(&[("x-request-id", "abc-123")]), "abc-123");
    let made = id_for(&[]);
    assert_eq!(made.len(), 36, "{made}");
    assert_ne!(id_for(&[("x-request-id", "a b\"c")]), "a b\"c");
    assert_ne!(id_for(&[("x-request-id", "a"), ("x-request-id", "b")]), "a");
}

#[test]
fn every_form_of_an_event_arrives_with_its_payload_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let mut http = appliance.http();
    let topic = new_topic("forms");
    let query = format!("{PATH}?topic={topic}&key=k");
    let payload = br#"{ "n": 1.00,"t":"\u00e9"}"#;
    let envelope =
        format!(r#"{{"topic":"{topic}","key":"k","data":{{ "n": 1.00,"t":"\u00e9"}} }}"#);
    let structured = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t",
        "data":{ "n": 1.00,"t":"\u00e9"}}"#;
    let binary =
        [JSON, ("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];
    for (path, headers, body) in [
        (PATH, &[JSON][..], envelope.as_bytes()),
        (&query, &[JSON], payload),
        (&query, &[("content-type", "application/cloudevents+json")], structured.as_bytes()),
        (&query, &binary, payload),
    ] {
        let response = http.request("POST", path, headers, body).unwrap();
        assert_eq!(response.status, 201, "{}", response.body.escape_ascii());
        assert_eq!(response.json()["topic"], topic);
    }
    let delivered = consumer::read(&appliance.brokers, &topic);
    assert_eq!(delivered.len(), 4);
    for record in &delivered {
        assert_eq!(record.payload.escape_ascii().to_string(), payload.escape_ascii().to_string());
        assert_eq!(record.key.as_deref(), Some("k"));
    }
    if kcat::is_installed() {
        assert_eq!(kcat::read(&appliance.brokers, &topic), delivered);
    }
}

#[test]
fn topics_of_its_own_are_there_also_when_none_is_created_on_first_use() {
    if brokers_outside().is_some() {
        return skip::say("another broker creates topics as it was told");
    }
    let folder = tempfile::tempdir().unwrap();
    let options = ["--audit", "--auto-create-topics=false"];
    let appliance = Appliance::start_with(folder.path(), &options).ready();
    let topic = new_topic("not-there");
    let refused =
        appliance.http().request("POST", &format!("{PATH}?topic={topic}"), &[JSON], b"{}");
    let refused = refused.unwrap();
    assert_eq!((refused.status, &refused.json()["code"]), (404, &"unknown_topic".into()));
    let mut consumer = Consumer::start(&appliance.brokers, "pagi.audit", &topic, &[]);
    let record = consumer.next().unwrap_or_else(|| panic!("{}", consumer.process.errors()));
    let entry: serde_json::Value = serde_json::from_slice(&record.payload).unwrap();
    assert_eq!(entry["code"], "unknown_topic");
    consumer.process.kill_9();
}

#[test]
fn gzip_bodies_are_stored_as_they_were_before_and_bombs_refused() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start_with(folder.path(), &[]).ready();
    let topic = new_topic("gzip");
    let path = format!("{PATH}?topic={topic}");
    let mut http = appliance.http();
    let mut post = |coding: &str, body: &[u8]| {
        http = appliance.http();
        http.request("POST", &path, &[JSON, ("content-encoding", coding)], body).unwrap()
    };
    let zipped = gzip(br#"{ "n": 1.00 }"#);
    assert_eq!(post("GZip", &zipped).status, 201);
    assert_problem(&post("gzip", &zipped[..zipped.len() - 9]), 400, "invalid_event", "cut off");
    assert_problem(&post("gzip", b"{}"), 400, "invalid_event", "not gzip");
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert_problem(&post("gzip", &bomb), 413, "payload_too_large", "a bomb");
    let unknown = post("br", b"x");
    assert_problem(&unknown, 415, "unsupported_media_type", "an unknown coding");
    assert_eq!(unknown.header("accept-encoding"), Some("gzip"));
    let mut consumer = Consumer::start(&appliance.brokers, &topic, &topic, &[]);
    let record = consumer.next().unwrap_or_else(|| panic!("{}", consumer.process.errors()));
    assert_eq!(record.payload, br#"{ "n": 1.00 }"#);
    consumer.process.kill_9();
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn audit_events_tell_of_published_and_refused_requests() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start_with(folder.path(), &["--audit"]).ready();
    let (topic, id) = (new_topic("audited"), new_topic("request"));
    let path = format!("{PATH}?topic={topic}");
    let mut http = appliance.http();
    let headers = [JSON, ("x-request-id", id.as_str())];
    assert_eq!(http.request("POST", &path, &headers, b"{}").unwrap().status, 201);
    assert_eq!(http.request("POST", &path, &headers, b"{").unwrap().status, 400);
    let mut consumer = Consumer::start(&appliance.brokers, "pagi.audit", &id, &[]);
    let mut entries = Vec::new();
    while entries.len() < 2 {
        let record = consumer.next().unwrap_or_else(|| panic!("{}", consumer.process.errors()));
        let entry: serde_json::Value = serde_json::from_slice(&record.payload).unwrap();
        if entry["request_id"] == id {
            entries.push(entry);
        }
    }
    consumer.process.kill_9();
    let published = entries.iter().find(|entry| entry["status"] == 201).unwrap();
    assert_eq!(published["receipt"]["topic"], topic);
    assert_eq!((&published["route"], &published["path"]), (&"publish".into(), &PATH.into()));
    let refused = entries.iter().find(|entry| entry["status"] == 400).unwrap();
    assert_eq!(refused["code"], "invalid_event");
}
