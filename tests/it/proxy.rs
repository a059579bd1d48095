//! The way to the identity service and back.
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

use pagi_appliance::config::GatewayPart;

use crate::support::gateway::Gateway;
use crate::support::http::Response;
use crate::support::upstream::{Then, Upstream};
use crate::support::wait::{self, PATIENCE};

const STATUS: &str = "/pagi/v1/twin/twin-1/status";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn in_front_of(upstream: &Upstream) -> Gateway {
    in_front_of_with(upstream, |_| {})
}

fn in_front_of_with(upstream: &Upstream, change: impl FnOnce(&mut GatewayPart)) -> Gateway {
    Gateway::start_with(|part| {
        part.proxy.identity_urls = vec![upstream.url().parse().unwrap()];
        change(part);
    })
}

/// Says nothing until the other side is tired of waiting.
fn wait_for_close(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0]);
}

fn assert_failed(response: &Response, status: u16, code: &str, proxy_error: &str) {
    assert_eq!(response.status, status, "{}", response.body.escape_ascii());
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    assert_eq!(response.json()["code"], code);
    let expected = format!("pagi-appliance; error={proxy_error}");
    assert_eq!(response.header("proxy-status"), Some(expected.as_str()));
}

#[test]
fn the_answer_comes_back_as_it_was() {
    let upstream = Upstream::answering(
        b"HTTP/1.1 418 I'm a teapot\r\ncontent-type: text/x-tea\r\nset-cookie: a=1\r\n\
          set-cookie: b=2\r\nx-request-id: theirs\r\ncontent-length: 5\r\n\r\nt\0a\xff!",
    );
    let response = in_front_of(&upstream).http().get(STATUS).unwrap();
    assert_eq!(response.status, 418);
    assert_eq!(response.body, b"t\0a\xff!");
    assert_eq!(response.header("content-type"), Some("text/x-tea"));
    assert_eq!(response.header("content-length"), Some("5"));
    assert_eq!(response.header("x-request-id"), Some("theirs"));
    let cookies = response.headers.iter().filter(|(name, _)| name == "set-cookie");
    assert_eq!(cookies.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["a=1", "b=2"]);
}

#[test]
fn the_request_goes_on_without_what_concerned_one_connection_or_could_be_forged() {
    let upstream = Upstream::answering(OK);
    let gateway = in_front_of_with(&upstream, |part| {
        part.proxy.identity_urls = vec![format!("{}/base", upstream.url()).parse().unwrap()];
    });
    let headers = [
        ("accept", "application/json"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("connection", "keep-alive, x-private"),
        ("x-private", "1"),
        ("te", "trailers"),
        ("upgrade", "websocket"),
        ("x-forwarded-for", "6.6.6.6"),
        ("forwarded", "for=6.6.6.6"),
        ("expect", "100-continue"),
    ];
    let path = "/pagi/v1/twin/a.b~c/status?x=%2F&y";
    assert_eq!(gateway.http().request("GET", path, &headers, b"").unwrap().status, 200);
    let head = upstream.heads().pop().unwrap();
    let mut lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    assert_eq!(lines.remove(0), "GET /base/twin/a.b~c/status?x=%2F&y HTTP/1.1");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "accept: application/json",
            &format!("forwarded: for=127.0.0.1;proto=http;host=\"{}\"", gateway.address),
            &format!("host: {}", upstream.address),
            "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "via: 1.1 pagi-appliance",
            "x-forwarded-for: 127.0.0.1",
            &format!("x-forwarded-host: {}", gateway.address),
            "x-forwarded-proto: http",
        ]
    );
}

#[test]
fn the_answer_goes_on_without_what_concerned_one_connection() {
    let upstream = Upstream::answering(
        b"HTTP/1.1 200 OK\r\nconnection: x-private\r\nx-private: 1\r\nkeep-alive: timeout=5\r\n\
          x-public: 2\r\ncontent-length: 0\r\n\r\n",
    );
    let response = in_front_of(&upstream).http().get(STATUS).unwrap();
    let mut names: Vec<&str> = response.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "date", "x-public", "x-request-id"]);
}

#[test]
fn an_id_that_could_leave_its_segment_never_reaches_the_service() {
    let upstream = Upstream::answering(OK);
    let gateway = in_front_of(&upstream);
    let mut http = gateway.http();
    for id in ["a/b", "a%2Fb", "a%2fb", "..", ".", "%2e%2e", "a%00b", "a%0d%0ab", "", "a;b", "a\\b"]
    {
        let response = http.get(&format!("/pagi/v1/twin/{id}/status")).unwrap();
        assert_eq!(response.status, 400, "{id:?}");
        assert_eq!(response.json()["code"], "invalid_parameter", "{id:?}");
    }
    let control = b"GET /pagi/v1/twin/a\x01b/status HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(gateway.http().exchange(control).unwrap().status, 400);
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn bodies_are_streamed_back() {
    let (go_on, told) = mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let upstream = Upstream::start(move |_, stream| {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
        stream.write_all(head).unwrap();
        // The rest comes only when the first part has arrived on the far side.
        told.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").unwrap();
        Then::KeepOpen
    });
    let gateway = in_front_of(&upstream);
    let mut client = TcpStream::connect(gateway.address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(client, "GET {STATUS} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with("first") {
        client.read_exact(&mut byte).unwrap();
        text.push(char::from(byte[0]));
    }
    go_on.send(()).unwrap();
    client.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n"), "{text}");
}

#[test]
fn a_request_body_is_streamed_on_up_to_its_cap() {
    let upstream = Upstream::start(|_, stream| {
        let mut body = [0; 5];
        stream.read_exact(&mut body).unwrap();
        assert_eq!(&body, b"hello");
        stream.write_all(OK).unwrap();
        Then::KeepOpen
    });
    let gateway = in_front_of_with(&upstream, |part| part.proxy.request_bytes_max = 5);
    let with_body = |body: &str| {
        let length = body.len();
        let request =
            format!("GET {STATUS} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}");
        gateway.http().exchange(request.as_bytes()).unwrap()
    };
    assert_eq!(with_body("hello").status, 200);
    assert!(upstream.heads()[0].contains("\r\ncontent-length: 5\r\n"));
    let refused = with_body("hello!");
    assert_eq!((refused.status, refused.json()["code"].as_str()), (413, Some("payload_too_large")));
    assert_eq!(upstream.heads().len(), 1);
}

#[test]
fn a_head_request_gets_the_head_alone() {
    let upstream =
        Upstream::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\nx-a: b\r\n\r\n");
    let gateway = in_front_of(&upstream);
    for _ in 0..2 {
        let mut client = TcpStream::connect(gateway.address).unwrap();
        write!(client, "HEAD {STATUS} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n"), "{text}");
        assert!(text.contains("\r\ncontent-length: 1234\r\n"), "{text}");
    }
    assert!(upstream.heads()[0].starts_with("HEAD /twin/twin-1/status "));
    assert_eq!(upstream.connections(), 1, "an answer without a body ends with its head");
}

#[test]
fn connections_to_the_service_are_kept() {
    let upstream = Upstream::answering(OK);
    let gateway = in_front_of(&upstream);
    for _ in 0..5 {
        assert_eq!(gateway.http().get(STATUS).unwrap().body, b"ok");
    }
    assert_eq!((upstream.heads().len(), upstream.connections()), (5, 1));
}

#[test]
fn a_connection_that_is_not_needed_is_closed() {
    let upstream = Upstream::answering(OK);
    let short = Duration::from_millis(50);
    let gateway = in_front_of_with(&upstream, |part| part.proxy.idle_timeout = short);
    assert_eq!(gateway.http().get(STATUS).unwrap().status, 200);
    wait::until("the connection is closed", || (upstream.closed() == 1).then_some(()));
    assert_eq!(gateway.http().get(STATUS).unwrap().status, 200);
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_kept_connection_that_the_service_closed_is_replaced_without_a_trace() {
    let upstream = Upstream::start(|number, stream| match number {
        1 => Then::Close,
        _ => {
            stream.write_all(OK).unwrap();
            Then::KeepOpen
        }
    });
    let gateway = in_front_of(&upstream);
    let mut http = gateway.http();
    assert_eq!(http.get(STATUS).unwrap().status, 200);
    assert_eq!(http.get(STATUS).unwrap().status, 200);
    assert_eq!((upstream.heads().len(), upstream.connections()), (3, 2));
}

#[test]
fn a_request_is_sent_again_once_at_most_and_never_after_a_first_try_on_a_new_connection() {
    let upstream = Upstream::start(|number, stream| match number {
        0 => {
            stream.write_all(OK).unwrap();
            Then::KeepOpen
        }
        _ => Then::Close,
    });
    let gateway = in_front_of(&upstream);
    let mut http = gateway.http();
    assert_eq!(http.get(STATUS).unwrap().status, 200);
    let kept = http.get(STATUS).unwrap();
    assert_failed(&kept, 502, "upstream_unavailable", "connection_terminated");
    assert_eq!(upstream.heads().len(), 3, "one try and one more");
    let new = http.get(STATUS).unwrap();
    assert_failed(&new, 502, "upstream_unavailable", "connection_terminated");
    assert_eq!(upstream.heads().len(), 4, "one try");
}

#[test]
fn a_service_that_is_down_is_a_502() {
    let gateway = Gateway::start();
    let response = gateway.http().get(STATUS).unwrap();
    assert_failed(&response, 502, "upstream_unavailable", "connection_refused");
    assert_eq!(response.json()["retryable"], true);
}

#[test]
fn a_service_whose_name_is_unknown_is_a_502() {
    let gateway = Gateway::start_with(|part| {
        part.proxy.identity_urls = vec!["http://nobody.invalid:8081".parse().unwrap()];
        part.proxy.connect_timeout = PATIENCE;
        part.proxy.total_timeout = PATIENCE;
    });
    let response = gateway.http().get(STATUS).unwrap();
    assert_failed(&response, 502, "upstream_unavailable", "dns_error");
}

#[test]
fn a_service_that_speaks_something_else_is_a_502() {
    let upstream = Upstream::answering(b"220 smtp.example ESMTP\r\n\r\n");
    let response = in_front_of(&upstream).http().get(STATUS).unwrap();
    assert_failed(&response, 502, "upstream_unavailable", "http_protocol_error");
    let upstream = Upstream::answering(b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
    let response = in_front_of(&upstream).http().get(STATUS).unwrap();
    assert_failed(&response, 502, "upstream_unavailable", "http_protocol_error");
}

#[test]
fn a_service_that_does_not_answer_in_time_is_a_504() {
    let upstream = Upstream::start(|_, stream| {
        wait_for_close(stream);
        Then::Close
    });
    let short = Duration::from_millis(50);
    let gateway = in_front_of_with(&upstream, |part| part.proxy.first_byte_timeout = short);
    let response = gateway.http().get(STATUS).unwrap();
    assert_failed(&response, 504, "upstream_timeout", "http_response_timeout");
}

/// Reads all there is, and how the connection ended.
fn read_all(gateway: &Gateway) -> (String, Result<usize, ErrorKind>) {
    let mut client = TcpStream::connect(gateway.address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(client, "GET {STATUS} HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    let ended = client.read_to_end(&mut bytes).map_err(|error| error.kind());
    (String::from_utf8(bytes).unwrap(), ended)
}

#[test]
fn an_answer_that_drips_for_ever_is_cut_off_and_does_not_look_complete() {
    let upstream = Upstream::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        // Until the other side has had enough.
        while stream.write_all(b"1\r\n.\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Then::Close
    });
    let gateway = in_front_of_with(&upstream, |part| {
        part.proxy.total_timeout = Duration::from_millis(200);
    });
    let (text, _) = read_all(&gateway);
    assert!(text.contains("1\r\n.\r\n") && !text.ends_with("0\r\n\r\n"), "{text}");
}

#[test]
fn an_answer_that_breaks_off_does_not_look_complete() {
    let upstream = Upstream::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
        Then::Close
    });
    let (text, _) = read_all(&in_front_of(&upstream));
    assert!(text.contains("content-length: 100\r\n"), "{text}");
    let body = text.split_once("\r\n\r\n").unwrap().1;
    assert!(body.len() < 100, "{body}");
}

#[test]
fn a_client_that_leaves_takes_its_request_with_it() {
    let (noticed, closed) = mpsc::channel();
    let noticed = std::sync::Mutex::new(noticed);
    let upstream = Upstream::start(move |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
        wait_for_close(stream);
        noticed.lock().unwrap().send(()).unwrap();
        Then::Close
    });
    let gateway = in_front_of(&upstream);
    let mut client = TcpStream::connect(gateway.address).unwrap();
    write!(client, "GET {STATUS} HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut byte = [0];
    client.read_exact(&mut byte).unwrap();
    drop(client);
    closed.recv_timeout(PATIENCE).expect("the connection to the service is closed");
}

#[test]
fn more_requests_at_once_than_may_be_are_told_to_come_back() {
    let upstream = Upstream::start(|_, stream| {
        wait_for_close(stream);
        Then::Close
    });
    let gateway = in_front_of_with(&upstream, |part| {
        part.proxy.in_flight_max = 1;
        part.proxy.connect_timeout = Duration::from_millis(50);
    });
    let mut first = gateway.http();
    first.send(format!("GET {STATUS} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).unwrap();
    wait::until("the first is under way", || (upstream.heads().len() == 1).then_some(()));
    let second = gateway.http().get(STATUS).unwrap();
    assert_failed(&second, 503, "overloaded", "connection_limit_reached");
    assert_eq!(second.header("retry-after"), Some("1"));
}
