//! Just enough HTTP/1.1 to read the answers of our own gateway.
use std::io::Read;
use std::net::TcpStream;

use crate::failure::{Failure, Outcome, While};

/// Reads one message with a `content-length`, or without a body.
pub(crate) fn read_message<'a>(stream: &mut TcpStream, buffer: &'a mut [u8]) -> Outcome<&'a [u8]> {
    let mut filled = 0;
    loop {
        let read =
            stream.read(buffer.get_mut(filled..).unwrap_or_default()).on("read an answer")?;
        if read == 0 {
            return Err(Failure::new("the connection was closed"));
        }
        filled += read;
        let message = buffer.get(..filled).unwrap_or_default();
        if message_length(message).is_some_and(|length| length <= filled) {
            return Ok(buffer.get(..filled).unwrap_or_default());
        }
    }
}

/// The length of the message that begins here, once its head is complete.
pub(crate) fn message_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = std::str::from_utf8(bytes.get(..head)?).ok()?;
    let body = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Some(head + 4 + body.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_measured_by_its_head() {
        assert_eq!(message_length(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"), Some(40));
        assert_eq!(message_length(b"GET / HTTP/1.1\r\n\r\n"), Some(18));
        assert_eq!(message_length(b"GET / HTTP/1.1\r\n"), None);
    }
}
