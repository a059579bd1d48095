//! Requests whose end two readers could find in different places. What may pass arrives exactly as
//! it should; everything else is a 400, the connection is closed, and the service sees nothing.
use std::net::SocketAddr;

use crate::support::appliance::Appliance;
use crate::support::http::Http;
use crate::support::recorder::{Recorded, Recorder};

const LINE: &str = "GET /pagi/v1/twin/t/status HTTP/1.1\r\n";
const HOST: &str = "host: a\r\n";
const CHUNKED: &str = "transfer-encoding: chunked\r\n";
/// Rides behind every request that is refused, and must never arrive.
const SMUGGLED: &str = "GET /pagi/v1/twin/smuggled/status HTTP/1.1\r\nhost: a\r\n\r\n";

/// Bytes that somebody may take for a space, for nothing, or for the end of a line.
const STRANGE: [u8; 38] = [
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
    0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f,
    0x7f, 0x80, 0x85, 0xa0, 0xc2, 0xff,
];

/// A head with these lines behind a good beginning, and a body.
fn with(lines: &str, body: &str) -> Vec<u8> {
    format!("{LINE}{HOST}{lines}\r\n{body}").into_bytes()
}

fn with_bytes(parts: &[&[u8]], body: &str) -> Vec<u8> {
    let lines = parts.concat();
    [LINE.as_bytes(), HOST.as_bytes(), &lines, b"\r\n", body.as_bytes()].concat()
}

fn whole(head: &str) -> Vec<u8> {
    head.as_bytes().to_vec()
}

fn request_lines_and_targets() -> Vec<Vec<u8>> {
    let lines = [
        "CONNECT a:80 HTTP/1.1",
        "connect a:80 HTTP/1.1",
        "GET  /pagi/v1/twin/t/status HTTP/1.1",
        "GET /pagi/v1/twin/t/status  HTTP/1.1",
        "GET /pagi/v1/twin/t/status HTTP/1.1 ",
        " GET /pagi/v1/twin/t/status HTTP/1.1",
        "GET\t/pagi/v1/twin/t/status HTTP/1.1",
        "GET /pagi/v1/twin/t/status\tHTTP/1.1",
        "GET /pagi/v1/twin/t/status",
        "GET /pagi/v1/twin/t/status HTTP/0.9",
        "GET /pagi/v1/twin/t/status HTTP/1.2",
        "GET /pagi/v1/twin/t/status HTTP/2.0",
        "GET /pagi/v1/twin/t/status HTTP/11",
        "GET /pagi/v1/twin/t/status HTTP/1.10",
        "GET /pagi/v1/twin/t/status http/1.1",
        "GET /pagi/v1/twin/t/status HTTP /1.1",
        "GET /pagi/v1/twin/t/status GET / HTTP/1.1",
        "GET /pagi/v1/twin/t/status#x HTTP/1.1",
        "GET /pagi/v1/twin/é/status HTTP/1.1",
        "GET /pagi/v1/twin/\x01/status HTTP/1.1",
        "GET /pagi/v1/twin/\x7f/status HTTP/1.1",
        "GET pagi/v1/twin/t/status HTTP/1.1",
        "GET * HTTP/1.1",
        "GET a HTTP/1.1",
        "GET http://b/pagi/v1/twin/t/status HTTP/1.1",
        "GET http://a:80/pagi/v1/twin/t/status HTTP/1.1",
        "GET http://a@b/pagi/v1/twin/t/status HTTP/1.1",
        "GET http:///pagi/v1/twin/t/status HTTP/1.1",
        "GET https://a/pagi/v1/twin/t/status HTTP/1.1",
        "GET ftp://a/pagi/v1/twin/t/status HTTP/1.1",
        "G@T /pagi/v1/twin/t/status HTTP/1.1",
        "GET: /pagi/v1/twin/t/status HTTP/1.1",
        "PRI * HTTP/2.0",
        "\u{16}\u{3}\u{1}\u{2}",
    ];
    let mut cases: Vec<Vec<u8>> =
        lines.iter().map(|line| whole(&format!("{line}\r\n{HOST}\r\n"))).collect();
    cases.push(whole(&format!("\r\n\r\n{LINE}{HOST}\r\n")));
    cases.push(whole(&format!("\n{LINE}{HOST}\r\n")));
    cases
}

fn hosts() -> Vec<Vec<u8>> {
    let mut cases = vec![
        whole(&format!("{LINE}\r\n")),
        whole(&format!("{LINE}accept: */*\r\n\r\n")),
        with(HOST, ""),
        with("host: b\r\n", ""),
        with("Host: a\r\n", ""),
        with("HOST:\r\n", ""),
        whole(&format!("{LINE} {HOST}\r\n")),
        whole(&format!("{LINE}host : a\r\n\r\n")),
        whole(&format!("{LINE}host: a\r\n b\r\n\r\n")),
    ];
    for value in [
        "", "a b", "a,b", "a, a", "u@a", "a/b", "a?b", "a#b", "a:", "a:b", "a:80:80", "a:999999",
        "\ta", "a\t", "[::1", "[::1]b", "[g]", ":80", "\"a\"", "a\\b", "é", "http://a",
    ] {
        cases.push(whole(&format!("{LINE}host: {value}\r\n\r\n")));
    }
    cases
}

fn line_ends() -> Vec<Vec<u8>> {
    let mut cases = vec![
        whole("GET /pagi/v1/twin/t/status HTTP/1.1\nhost: a\n\n"),
        whole(&format!("GET /pagi/v1/twin/t/status HTTP/1.1\n{HOST}\r\n")),
        whole(&format!("{LINE}host: a\n\r\n")),
        whole(&format!("{LINE}{HOST}\n")),
        whole(&format!("{LINE}{HOST}x: y\n\r\n")),
        whole(&format!("{LINE}{HOST}x: y\n{CHUNKED}\r\n0\r\n\r\n")),
        whole(&format!("{LINE}{HOST}x: y\r{CHUNKED}\r\n0\r\n\r\n")),
        whole(&format!("{LINE}{HOST}x: y\r\r\n\r\n")),
        whole(&format!("{LINE}{HOST}\r\r\n")),
        whole(&format!("{LINE}{HOST}x: y\n\n{SMUGGLED}")),
        whole(&format!("{LINE}{HOST}x: y\r\n\n")),
        whole(&format!("GET /pagi/v1/twin/t/status HTTP/1.1\r{HOST}\r\n\r\n")),
    ];
    for fold in [" ", "\t", "  ", " \t"] {
        cases.push(with(&format!("x: y\r\n{fold}z\r\n"), ""));
        cases.push(with(&format!("content-length: 3\r\n{fold}3\r\n"), "abc"));
        cases.push(with(&format!("transfer-encoding:\r\n{fold}chunked\r\n"), "0\r\n\r\n"));
        cases.push(whole(&format!("{LINE}{fold}x: y\r\n{HOST}\r\n")));
    }
    cases
}

fn names_and_values() -> Vec<Vec<u8>> {
    let mut cases = Vec::new();
    for line in [
        "x_y: z",
        "content_length: 3",
        "transfer_encoding: chunked",
        "x y: z",
        "x : y",
        "x\t: y",
        ": y",
        "x",
        "x=y",
        "x@y: z",
        "x(y): z",
        "\"x\": y",
        "x,y: z",
        "é: y",
        "x: \x01",
        "x: y\x7f",
        "x: y\0z",
        "x: \x0b",
        "x: \x0c",
        "x/y: z",
        "expect: 200-ok",
        "expect: 100-continue, x",
        "expect:",
    ] {
        cases.push(with(&format!("{line}\r\n"), ""));
    }
    cases
}

fn lengths() -> Vec<Vec<u8>> {
    let mut cases = Vec::new();
    for value in [
        "",
        "+3",
        "-3",
        "3,3",
        "3, 3",
        "3,4",
        "0x3",
        "3;x",
        "3 3",
        "3.0",
        "3e0",
        "three",
        "\"3\"",
        "3\t",
        "\t3",
        "\x0b3",
        "3\0",
        "٣",
        "99999999999999999999",
        "18446744073709551619",
        "1_0",
    ] {
        cases.push(with(&format!("content-length: {value}\r\n"), "abc"));
    }
    for lines in [
        "content-length: 3\r\ncontent-length: 3\r\n",
        "content-length: 3\r\ncontent-length: 4\r\n",
        "content-length: 0\r\nContent-Length: 3\r\n",
        "content-length: 3\r\nx: y\r\nCONTENT-LENGTH: 3\r\n",
        "content-length : 3\r\n",
        " content-length: 3\r\n",
        "content-length\r\n: 3\r\n",
        "content-length: 3\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
        "content-length: 0\r\ntransfer-encoding: chunked\r\n",
        "content-length: 3\r\ntransfer-encoding: identity\r\n",
    ] {
        cases.push(with(lines, "0\r\n\r\n"));
    }
    cases
}

fn codings() -> Vec<Vec<u8>> {
    let mut cases = Vec::new();
    for value in [
        "",
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "identity, chunked",
        "chunked, identity",
        "xchunked",
        "chunkedx",
        "chunk",
        "\"chunked\"",
        "'chunked'",
        "chunked;q=1",
        "chunked;",
        "chun ked",
        "cow",
        "chunked\t",
        "\tchunked",
        " \tchunked",
    ] {
        cases.push(with(&format!("transfer-encoding: {value}\r\n"), "0\r\n\r\n"));
    }
    for lines in [
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding:\r\ntransfer-encoding: chunked\r\n",
        "x: y\ntransfer-encoding: chunked\r\n",
        "transfer-encoding\n: chunked\r\n",
    ] {
        cases.push(with(lines, "0\r\n\r\n"));
    }
    let http_1_0 = LINE.replace("1.1", "1.0");
    cases.push(whole(&format!("{http_1_0}{HOST}{CHUNKED}\r\n0\r\n\r\n")));
    for byte in STRANGE.map(|byte| [byte]) {
        for parts in [
            [&b"transfer-encoding:"[..], &byte, b"chunked\r\n"],
            [b"transfer-encoding", &byte, b": chunked\r\n"],
            [b"", &byte, b"transfer-encoding: chunked\r\n"],
            [b"transfer-encoding: chunked", &byte, b"\r\n"],
        ] {
            cases.push(with_bytes(&parts, "0\r\n\r\n"));
        }
    }
    cases
}

fn connections() -> Vec<Vec<u8>> {
    let mut cases = Vec::new();
    for value in [
        "host",
        "Host",
        "content-length",
        "transfer-encoding",
        "close, Transfer-Encoding",
        "keep-alive,content-length",
        "content-type",
        "content-encoding",
        "authorization",
        "cookie",
        "expect",
        "forwarded",
        "via",
        "x-request-id",
        "",
        "close,",
        ",close",
        "close, , x",
        "close x",
        "close;x",
        "\tclose",
        "é",
    ] {
        cases.push(with(&format!("connection: {value}\r\n"), ""));
    }
    cases
}

fn chunks() -> Vec<Vec<u8>> {
    let mut cases = Vec::new();
    for body in [
        "3 \r\nabc\r\n0\r\n\r\n",
        "3\t\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "\r\n3\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\rabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nab\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\n\r\n",
        "3\r\nabc\r\n0\r\n\n",
        "3\r\nabc\r\n0\r\nx\r\n\r\n",
        "3\r\nabc\r\n0 \r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "3g\r\nabc\r\n0\r\n\r\n",
        "g\r\nabc\r\n0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        ";x\r\nabc\r\n0\r\n\r\n",
        "3;x y\r\nabc\r\n0\r\n\r\n",
        "3; x\r\nabc\r\n0\r\n\r\n",
        "3;x=\"y z\"\r\nabc\r\n0\r\n\r\n",
        "3;x\nabc\r\n0\r\n\r\n",
        "3;\n\r\nabc\r\n0\r\n\r\n",
        "3;x\ry\r\nabc\r\n0\r\n\r\n",
        "3;\0\r\nabc\r\n0\r\n\r\n",
        "3,3\r\nabc\r\n0\r\n\r\n",
        "3_0\r\nabc\r\n0\r\n\r\n",
        "10000000000000000\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "0000000000000003\r\nabc\r\n0\r\n\r\n",
        "0\r\ncontent-length: 3\r\n\r\n",
        "0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "0\r\nhost: b\r\n\r\n",
        "0\r\nconnection: close\r\n\r\n",
        "0\r\nx_y: z\r\n\r\n",
        "0\r\nx : y\r\n\r\n",
        "0\r\n x: y\r\n\r\n",
        "0\r\nx: y\n\r\n",
        "0\r\nx: y\rz\r\n\r\n",
        "0\r\nx: \0\r\n\r\n",
        "0\r\n: y\r\n\r\n",
        "0\r\n\rx\r\n\r\n",
    ] {
        cases.push(with(CHUNKED, body));
    }
    cases
}

fn refused() -> Vec<Vec<u8>> {
    let heads = [request_lines_and_targets(), hosts(), line_ends(), names_and_values()].concat();
    [heads, lengths(), codings(), connections(), chunks()].concat()
}

/// What may pass, with the lines and the body that arrive besides those that the proxy adds.
fn forwarded() -> Vec<(Vec<u8>, &'static [&'static str], &'static str)> {
    let line = |line: &str| whole(&format!("{line}\r\n{HOST}\r\n"));
    let none: &[&str] = &[];
    let three: &[&str] = &["content-length: 3"];
    let coded: &[&str] = &["transfer-encoding: chunked"];
    vec![
        (with("", ""), none, ""),
        (whole(&format!("\r\n{LINE}{HOST}\r\n")), none, ""),
        (line("GET http://a/pagi/v1/twin/t/status HTTP/1.1"), none, ""),
        (line("GET HTTP://A/pagi/v1/twin/t/status HTTP/1.1"), none, ""),
        (whole(&format!("{LINE}HoSt:a\r\n\r\n")), none, ""),
        (whole(&format!("{LINE}host:  a  \r\n\r\n")), none, ""),
        (with("x-y:\r\n", ""), &["x-y: "], ""),
        (with("x-y: a \t b \r\n", ""), &["x-y: a \t b"], ""),
        (with("x!#$%&'*+-.^`|~y: z\r\n", ""), &["x!#$%&'*+-.^`|~y: z"], ""),
        (with("x-y: z\r\nx-y: z\r\n", ""), &["x-y: z", "x-y: z"], ""),
        (with("connection: keep-alive, x-y\r\nx-y: z\r\n", ""), none, ""),
        (
            with("connection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: x\r\n", ""),
            &["http2-settings: x"],
            "",
        ),
        (with("te: trailers\r\ntrailer: x\r\n", ""), none, ""),
        (with("proxy-connection: keep-alive\r\n", ""), none, ""),
        (with("x-forwarded-for: 6.6.6.6\r\nx-real-ip: 6.6.6.6\r\n", ""), none, ""),
        (with("forwarded: for=6.6.6.6\r\n", ""), none, ""),
        (with("content-length: 0\r\n", ""), none, ""),
        (with("content-length: 3\r\n", "abc"), three, "abc"),
        (with("Content-Length:3  \r\n", "a\r\n"), three, "a\r\n"),
        (with("content-length: 0003\r\n", "abc"), three, "abc"),
        (with(CHUNKED, "0\r\n\r\n"), coded, ""),
        (with(CHUNKED, "3\r\nabc\r\n0\r\n\r\n"), coded, "abc"),
        (with("Transfer-Encoding: Chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"), coded, "abc"),
        (with("transfer-encoding:chunked  \r\n", "3\r\nabc\r\n0\r\n\r\n"), coded, "abc"),
        (with(CHUNKED, "1\r\na\r\n02\r\nbc\r\n000\r\n\r\n"), coded, "abc"),
        (with(CHUNKED, "A\r\n0123456789\r\n0\r\n\r\n"), coded, "0123456789"),
        (with(CHUNKED, "3;x=y;z\r\nabc\r\n0;x\r\n\r\n"), coded, "abc"),
        (with(CHUNKED, "3\r\nabc\r\n0\r\nx-y: z\r\n\r\n"), coded, "abc"),
        (with(CHUNKED, "5\r\n\r\n0\r\n\r\n0\r\n\r\n"), coded, "\r\n0\r\n"),
    ]
}

/// What arrives of a good request from this test.
fn arrived(client: SocketAddr, service: SocketAddr, more: &[&str], body: &str) -> Recorded {
    let ip = client.ip();
    let mut fields: Vec<String> = more.iter().map(|field| (*field).to_owned()).collect();
    fields.extend([
        format!("forwarded: for={ip};proto=http;host=\"a\""),
        format!("host: {service}"),
        "via: 1.1 pagi-appliance".to_owned(),
        format!("x-forwarded-for: {ip}"),
        "x-forwarded-host: a".to_owned(),
        "x-forwarded-proto: http".to_owned(),
    ]);
    fields.sort();
    let line = "GET /twin/t/status HTTP/1.1".to_owned();
    Recorded { line, fields, body: body.as_bytes().to_vec() }
}

fn start(folder: &std::path::Path) -> (Appliance, Recorder) {
    let service = Recorder::start();
    let url = format!("http://{}", service.address);
    (Appliance::start_with(folder, &["--identity-url", &url]), service)
}

/// Sends a good request on its own, after which nothing sent before can still arrive.
fn assert_only_this_arrives(appliance: &Appliance, service: &Recorder, case: &str) {
    assert_eq!(appliance.http().exchange(&with("", "")).unwrap().status, 200);
    let seen = service.take();
    assert_eq!(seen, [arrived(appliance.gateway, service.address, &[], "")], "{case}");
}

fn assert_refused(http: &mut Http, case: &str) {
    let response = http.response().unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(response.status, 400, "{case}");
    assert_eq!(response.header("content-type"), Some("application/problem+json"), "{case}");
    assert_eq!(response.json()["code"], "invalid_parameter", "{case}");
    assert!(http.is_closed(), "{case}: the connection is closed");
}

#[test]
fn what_two_readers_could_understand_differently_is_refused_and_never_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let (appliance, service) = start(folder.path());
    let cases = refused();
    assert!(cases.len() >= 200, "{} cases", cases.len());
    for case in cases {
        let name = case.escape_ascii().to_string();
        let bytes = [&case, SMUGGLED.as_bytes()].concat();
        let mut http = appliance.http();
        http.send(&bytes).unwrap();
        assert_refused(&mut http, &name);
        assert_only_this_arrives(&appliance, &service, &name);
    }
}

#[test]
fn what_is_refused_is_refused_behind_a_good_request_too_and_in_its_turn() {
    let folder = tempfile::tempdir().unwrap();
    let (appliance, service) = start(folder.path());
    for case in refused() {
        let name = case.escape_ascii().to_string();
        let bytes = [&with("", ""), &case[..], SMUGGLED.as_bytes()].concat();
        let mut http = appliance.http();
        http.send(&bytes).unwrap();
        assert_eq!(http.response().unwrap().status, 200, "{name}");
        assert_refused(&mut http, &name);
        assert_only_this_arrives_twice(&appliance, &service, &name);
    }
}

fn assert_only_this_arrives_twice(appliance: &Appliance, service: &Recorder, case: &str) {
    assert_eq!(appliance.http().exchange(&with("", "")).unwrap().status, 200);
    let one = arrived(appliance.gateway, service.address, &[], "");
    assert_eq!(service.take(), [one.clone(), one], "{case}");
}

#[test]
fn a_request_that_arrives_byte_by_byte_is_judged_as_if_it_came_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (appliance, service) = start(folder.path());
    // Bodies may be on their way already: what is forwarded then is never a whole request.
    for case in refused() {
        let name = case.escape_ascii().to_string();
        let mut http = appliance.http();
        for byte in case.iter().chain(SMUGGLED.as_bytes()) {
            if http.send(&[*byte]).is_err() {
                break;
            }
        }
        assert_refused(&mut http, &name);
        assert_only_this_arrives(&appliance, &service, &name);
    }
    for (case, more, body) in forwarded() {
        let name = case.escape_ascii().to_string();
        let mut http = appliance.http();
        for byte in &case {
            http.send(&[*byte]).unwrap();
        }
        assert_eq!(http.response().unwrap().status, 200, "{name}");
        let expected = arrived(appliance.gateway, service.address, more, body);
        assert_eq!(service.take(), [expected], "{name}");
    }
}

#[test]
fn what_may_pass_arrives_exactly_as_it_should_and_the_connection_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (appliance, service) = start(folder.path());
    let mut http = appliance.http();
    for (case, more, body) in forwarded() {
        let name = case.escape_ascii().to_string();
        let response = http.exchange(&case).unwrap();
        assert_eq!((response.status, &response.body[..]), (200, &b"ok"[..]), "{name}");
        let expected = arrived(appliance.gateway, service.address, more, body);
        assert_eq!(service.take(), [expected], "{name}");
    }
}
