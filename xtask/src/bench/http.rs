//! HTTP load: connections that each send one request after the other, as fast as answers come; and
//! an upstream service that answers at once.
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::load::{self, Load};
use crate::failure::{Failure, Outcome, While};
use crate::http::read_message;

const BUFFER_BYTES: usize = 16 * 1024;
/// What the upstream service answers: 200 bytes, as a status would be.
const STATUS_BYTES: usize = 200;

/// A request that is sent again and again.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    pub(super) payload_bytes: usize,
}

/// Sends requests over `connections` connections for `how_long`; `request` gives each connection
/// its own. An answer without `status` ends the run.
pub(super) fn closed_loop(
    address: SocketAddr,
    connections: usize,
    how_long: Duration,
    status: &str,
    request: impl Fn(usize) -> Request + Sync,
) -> Outcome<Load> {
    let status = format!("HTTP/1.1 {status}");
    load::side_by_side(connections, |number| {
        let mut stream = TcpStream::connect(address).on(format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        let request = request(number);
        let mut load = Load::default();
        let mut buffer = vec![0; BUFFER_BYTES];
        let begin = Instant::now();
        while begin.elapsed() < how_long {
            let before = Instant::now();
            stream.write_all(&request.bytes).on("send a request")?;
            let message = read_message(&mut stream, &mut buffer)?;
            load.latencies.add(before.elapsed());
            if !message.starts_with(status.as_bytes()) {
                return Err(Failure::new(format!("expected {status}: {}", message.escape_ascii())));
            }
            load.operations += 1;
            load.bytes += request.payload_bytes as u64;
        }
        Ok(load)
    })
}

/// A request to publish `payload_bytes` of JSON to `topic`, with a key of this connection's own.
pub(super) fn publish(
    address: SocketAddr,
    topic: &str,
    payload_bytes: usize,
    number: usize,
) -> Request {
    let mut body = format!("{{\"twin\":{number},\"filler\":\"");
    body.push_str(&"x".repeat(payload_bytes.saturating_sub(body.len() + 2)));
    body.push_str("\"}");
    let head = format!(
        "POST /pagi/v1/event/publish?topic={topic}&key=twin-{number} HTTP/1.1\r\nhost: {address}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Request { bytes: (head + &body).into_bytes(), payload_bytes: body.len() }
}

/// A request for a twin's status.
pub(super) fn twin_status(address: SocketAddr, number: usize) -> Request {
    let head =
        format!("GET /pagi/v1/twin/twin-{number}/status HTTP/1.1\r\nhost: {address}\r\n\r\n");
    Request { bytes: head.into_bytes(), payload_bytes: STATUS_BYTES }
}

/// Starts the upstream service on a free port; it lives as long as this program.
pub(super) fn upstream() -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").on("listen as the upstream service")?;
    let address = listener.local_addr()?;
    let body = format!("{{\"status\":\"{}\"}}", "u".repeat(STATUS_BYTES - 13));
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || {
                let mut buffer = vec![0; BUFFER_BYTES];
                // Ends when the other side hangs up.
                while stream.set_nodelay(true).is_ok()
                    && read_message(&mut stream, &mut buffer).is_ok()
                    && stream.write_all(answer.as_bytes()).is_ok()
                {}
            });
        }
    });
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_runs_against_the_upstream_service() {
        let address = upstream().unwrap();
        let how_long = Duration::from_millis(20);
        let request = |number| twin_status(address, number);
        let load = closed_loop(address, 3, how_long, "200", request).unwrap();
        assert!(load.operations >= 3);
        assert!(closed_loop(address, 1, how_long, "201", request).is_err());
    }

    #[test]
    fn a_publish_request_has_the_size_that_was_asked_for() {
        let request = publish("127.0.0.1:1".parse().unwrap(), "t", 1024, 63);
        assert_eq!(request.payload_bytes, 1024);
        assert_eq!(crate::http::message_length(&request.bytes), Some(request.bytes.len()));
    }
}
