//! HTTP clients that publish one event after the other.
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::failure::{Failure, Outcome, While};
use crate::http::read_message;

const BUFFER_BYTES: usize = 16 << 10;
/// Longer than any answer takes unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of one client's events.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// Answered as accepted.
    pub(crate) accepted: Vec<String>,
    /// Answered otherwise.
    pub(crate) refused: Vec<String>,
    /// Sent, without an answer.
    pub(crate) unanswered: Option<String>,
}

/// An answer of the gateway.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Publishes one event over a connection of its own. `query` has the topic, and perhaps a key.
pub(crate) fn once(address: SocketAddr, query: &str, payload: &str) -> Outcome<Answer> {
    let mut stream = connect(address)?;
    stream.write_all(request(address, query, payload).as_bytes()).on("publish an event")?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let answer = String::from_utf8_lossy(read_message(&mut stream, &mut buffer)?).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    match (status, answer.split_once("\r\n\r\n")) {
        (Some(status), Some((_, body))) => Ok(Answer { status, body: body.to_owned() }),
        _ => Err(Failure::new(format!("an answer without a status: {answer}"))),
    }
}

/// Publishes to `topic` over one connection until it ends. No payload is sent twice: they begin
/// with `name`.
pub(crate) fn until_closed(address: SocketAddr, topic: &str, name: &str) -> Outcome<Published> {
    let mut stream = connect(address)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut published = Published::default();
    let query = format!("topic={topic}");
    for number in 0_u64.. {
        let payload = format!("{{\"event\":\"{name}-{number}\"}}");
        if stream.write_all(request(address, &query, &payload).as_bytes()).is_err() {
            break;
        }
        match read_message(&mut stream, &mut buffer) {
            Ok(answer) if answer.starts_with(b"HTTP/1.1 2") => published.accepted.push(payload),
            Ok(_) => published.refused.push(payload),
            Err(_) => {
                published.unanswered = Some(payload);
                break;
            }
        }
    }
    Ok(published)
}

fn connect(address: SocketAddr) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(address).on(format!("connect to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn request(address: SocketAddr, query: &str, payload: &str) -> String {
    format!(
        "POST /pagi/v1/event/publish?{query} HTTP/1.1\r\nhost: {address}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{payload}",
        payload.len()
    )
}
