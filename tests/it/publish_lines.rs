//! Events that come one a line, and whose results go back while others are still arriving.
use std::io::Write;
use std::time::Duration;

use pagi_appliance::config::GatewayPart;
use serde_json::Value;

use crate::support::appliance::Appliance;
use crate::support::consumer::{self, Consumer};
use crate::support::gateway::Gateway;
use crate::support::http::{Http, Response};
use crate::support::problem::assert_problem;
use crate::support::publish::new_topic;

const PATH: &str = "/pagi/v1/event/publish";
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

/// A request whose lines are sent, and whose results are read, one by one.
struct Stream {
    http: Http,
    unread: Vec<u8>,
}

impl Stream {
    fn begin(mut http: Http, query: &str) -> Self {
        let head = format!(
            "POST {PATH}{query} HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-ndjson\r\n\
             transfer-encoding: chunked\r\n\r\n"
        );
        http.send(head.as_bytes()).unwrap();
        Self { http, unread: Vec::new() }
    }

    fn send(&mut self, bytes: &str) {
        let chunk = format!("{:x}\r\n{bytes}\r\n", bytes.len());
        self.http.send(chunk.as_bytes()).unwrap();
    }

    fn finish(&mut self) {
        self.http.send(b"0\r\n\r\n").unwrap();
    }

    fn head(&mut self) -> Response {
        let response = self.http.head().unwrap();
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some("application/x-ndjson"));
        response
    }

    /// The next result; none at the end.
    fn result(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            match self.http.chunk().unwrap() {
                Some(chunk) => self.unread.extend(chunk),
                None => return None,
            }
        }
    }
}

/// A gateway in this process on the broker of `appliance`.
fn gateway_on(appliance: &Appliance, change: impl FnOnce(&mut GatewayPart)) -> Gateway {
    Gateway::start_with(|part| {
        part.router.brokers = vec![appliance.brokers.clone()];
        part.router.delivery_timeout = Duration::from_secs(15);
        change(part);
    })
}

#[test]
fn results_come_while_the_body_is_still_arriving() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = new_topic("lines");
    let mut stream = Stream::begin(appliance.http(), &format!("?topic={topic}&key=k"));
    stream.send("{\"n\":0}\n");
    stream.head();
    for number in 0..3 {
        let result = stream.result().unwrap();
        assert_eq!((&result["status"], &result["offset"]), (&201.into(), &number.into()));
        assert_eq!(result["topic"], topic);
        // Cut in the middle of a line.
        stream.send("\n{\"n\"");
        stream.send(&format!(":{}}}\r\n", number + 1));
    }
    stream.send("4");
    stream.finish();
    assert_eq!(stream.result().unwrap()["offset"], 3);
    assert_eq!(stream.result().unwrap()["offset"], 4, "a last line without an end");
    assert_eq!(stream.result(), None);
    let payloads: Vec<_> = consumer::read(&appliance.brokers, &topic)
        .into_iter()
        .map(|record| String::from_utf8(record.payload).unwrap())
        .collect();
    assert_eq!(payloads, ["{\"n\":0}", "{\"n\":1}", "{\"n\":2}", "{\"n\":3}", "4"]);
}

#[test]
fn each_bad_line_is_told_why_and_the_others_are_stored_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--publish-body-bytes-max", "1000"];
    let appliance = Appliance::start_with(folder.path(), &options).ready();
    let topic = new_topic("mixed-lines");
    let good = |number: usize| format!(r#"{{"topic":"{topic}","key":"k","data":{number}}}"#);
    let mut body = String::new();
    for number in 0..2_000 {
        let line = match number % 10 {
            3 => "{".to_owned(),
            4 => format!(r#"{{"topic":"{topic}","data":"{}"}}"#, "x".repeat(2_000)),
            5 => format!(r#"{{"topic":"{topic}","data":{}{}}}"#, "[".repeat(101), "]".repeat(101)),
            6 => r#"{"topic":"a b","data":1}"#.to_owned(),
            _ => good(number),
        };
        body.push_str(&line);
        body.push('\n');
    }
    let response = appliance.http().request("POST", PATH, &[NDJSON], body.as_bytes()).unwrap();
    assert_eq!(response.status, 200, "{}", response.body.escape_ascii());
    let results: Vec<Value> = response
        .body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(results.len(), 2_000);
    let mut offset = 0;
    for (number, result) in results.iter().enumerate() {
        let code = match number % 10 {
            3 | 5 => "invalid_event",
            4 => "payload_too_large",
            6 => "invalid_topic",
            _ => {
                assert_eq!((&result["status"], &result["offset"]), (&201.into(), &offset.into()));
                offset += 1;
                continue;
            }
        };
        assert_eq!((&result["code"], &result["retryable"]), (&code.into(), &false.into()));
        assert_eq!(result["request_id"].as_str(), response.header("x-request-id"));
    }
    let stored = consumer::read(&appliance.brokers, &topic);
    let expected = (0..2_000).filter(|number| !(3..=6).contains(&(number % 10)));
    let expected: Vec<_> = expected.map(|number| number.to_string().into_bytes()).collect();
    assert_eq!(stored.into_iter().map(|record| record.payload).collect::<Vec<_>>(), expected);
}

#[test]
fn a_client_that_does_not_read_is_not_read_either_and_loses_nothing() {
    const BYTES_MAX: usize = 256 << 20;
    const LINES: usize = 100;
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = new_topic("unread");
    let mut stream = Stream::begin(appliance.http(), &format!("?topic={topic}"));
    let mut writer = stream.http.writer();
    writer.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let lines = format!("\"{}\"\n", "x".repeat(200)).repeat(LINES);
    let chunk = format!("{:x}\r\n{lines}\r\n", lines.len());
    let (mut whole, mut left) = (0, chunk.as_bytes());
    while whole * chunk.len() < BYTES_MAX {
        match writer.write(left) {
            Ok(count) => left = &left[count..],
            Err(_) => break,
        }
        if left.is_empty() {
            (whole, left) = (whole + 1, chunk.as_bytes());
        }
    }
    assert!(whole * chunk.len() < BYTES_MAX, "all was read although no result was");
    let rest = left.to_vec();
    writer.set_write_timeout(None).unwrap();
    let sending = std::thread::spawn(move || {
        writer.write_all(&rest).unwrap();
        writer.write_all(b"0\r\n\r\n").unwrap();
    });
    stream.head();
    let mut count = 0;
    while let Some(result) = stream.result() {
        assert_eq!(result["status"], 201, "{result}");
        count += 1;
    }
    sending.join().unwrap();
    assert_eq!(count, (whole + 1) * LINES);
}

#[test]
fn a_stream_that_cannot_begin_is_a_plain_problem() {
    let gateway = Gateway::start_with(|part| part.gateway.body_timeout = Duration::from_millis(50));
    let target = format!("{PATH}?topic=t");
    let post = |target: &str, headers: &[_], body: &[u8]| {
        gateway.http().request("POST", target, headers, body).unwrap()
    };
    let response = post(&target, &[NDJSON], b"1\n2\n3\n");
    assert_problem(&response, 503, "broker_unavailable", "no broker");
    assert_eq!(response.header("retry-after"), Some("2"));
    assert_problem(&post(&target, &[NDJSON], b"\n \n"), 400, "invalid_event", "no line");
    assert_problem(
        &post("/pagi/v1/event/publish?topic=/", &[NDJSON], b"1\n"),
        400,
        "invalid_topic",
        "bad topic",
    );
    let coded = post(&target, &[NDJSON, ("content-encoding", "gzip")], b"1\n");
    assert_problem(&coded, 415, "unsupported_media_type", "compressed");
    let mut silent = Stream::begin(gateway.http(), "?topic=t");
    assert_problem(&silent.http.response().unwrap(), 408, "request_timeout", "silence");
    // A line that is bad says nothing about those that follow.
    let response = post(&target, &[NDJSON], b"{\n1\n");
    assert_eq!(response.status, 200);
    let results: Vec<Value> = response
        .body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let codes: Vec<_> = results.iter().map(|result| &result["code"]).collect();
    assert_eq!(codes, ["invalid_event", "broker_unavailable"]);
    assert_eq!(results[1]["retryable"], true);
}

#[test]
fn when_the_broker_goes_away_results_say_so_and_the_stream_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path()).ready();
    let gateway = gateway_on(&appliance, |part| {
        part.router.delivery_timeout = Duration::from_millis(500);
    });
    let topic = new_topic("gone");
    let mut stream = Stream::begin(gateway.http(), &format!("?topic={topic}"));
    stream.send("1\n");
    stream.head();
    assert_eq!(stream.result().unwrap()["status"], 201);
    appliance.process.kill_9();
    stream.send("2\n3\n");
    for _ in 0..2 {
        let result = stream.result().unwrap();
        let code = result["code"].as_str().unwrap();
        assert!(["broker_unavailable", "delivery_unknown"].contains(&code), "{result}");
        assert_eq!(result["retryable"], true);
    }
    stream.finish();
    assert_eq!(stream.result(), None);
}

#[test]
fn a_stream_that_falls_silent_or_meets_a_stop_is_ended_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = new_topic("ended");
    let quick = Duration::from_millis(50);
    let gateway = gateway_on(&appliance, |part| part.gateway.body_timeout = quick);
    let mut stream = Stream::begin(gateway.http(), &format!("?topic={topic}"));
    stream.send("1\n2");
    stream.head();
    assert_eq!(stream.result().unwrap()["status"], 201);
    let end = stream.result().unwrap();
    assert_eq!((&end["code"], &end["status"]), (&"request_timeout".into(), &408.into()));
    assert_eq!(stream.result(), None);
    assert!(stream.http.is_closed());

    // Bytes that do not make a line do not count as a sign of life; blank lines do.
    let mut stream = Stream::begin(gateway.http(), &format!("?topic={topic}"));
    stream.send("1\n");
    stream.head();
    assert_eq!(stream.result().unwrap()["status"], 201);
    let mut writer = stream.http.writer();
    let dripping = std::thread::spawn(move || while writer.write_all(b"1\r\n2\r\n").is_ok() {});
    assert_eq!(stream.result().unwrap()["code"], "request_timeout");
    assert_eq!(stream.result(), None);
    drop(stream);
    dripping.join().unwrap();

    let gateway = gateway_on(&appliance, |_| {});
    let mut stream = Stream::begin(gateway.http(), &format!("?topic={topic}"));
    stream.send("1\n");
    stream.head();
    assert_eq!(stream.result().unwrap()["status"], 201);
    gateway.ask_to_stop();
    let end = stream.result().unwrap();
    assert_eq!((&end["code"], &end["retryable"]), (&"shutting_down".into(), &true.into()));
    assert_eq!(stream.result(), None);
    gateway.wait().unwrap();
}

#[test]
fn a_stream_whose_client_leaves_is_audited_with_what_became_of_its_events() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start_with(folder.path(), &["--audit"]).ready();
    let topic = new_topic("left");
    let mut stream = Stream::begin(appliance.http(), &format!("?topic={topic}"));
    stream.send("1\n{\n3\n");
    stream.head();
    for status in [201, 400, 201] {
        assert_eq!(stream.result().unwrap()["status"], status);
    }
    drop(stream);
    let mut consumer = Consumer::start(&appliance.brokers, "pagi.audit", &topic, &[]);
    let record = consumer.next().unwrap_or_else(|| panic!("{}", consumer.process.errors()));
    let entry: Value = serde_json::from_slice(&record.payload).unwrap();
    assert_eq!((&entry["status"], &entry["route"]), (&200.into(), &"publish".into()));
    assert_eq!(entry["events"], serde_json::json!({"stored": 2, "failed": 1}));
    consumer.process.kill_9();
}
