//! Frames on a blocking stream.
use std::io::{self, ErrorKind, Read, Write};

use bytes::Bytes;
use pagi_protocol::kafka::frame::{self, PREFIX_BYTES};

/// The largest frame that is taken: as large as the largest that Apache Kafka takes by default.
pub const FRAME_BYTES_MAX: usize = 100 * 1024 * 1024;

/// Waits for the next frame, and gives it without its length; `None` when the stream ends where a
/// frame would begin.
///
/// # Errors
/// What the stream says; [`ErrorKind::InvalidData`] when the length makes no sense, and
/// [`ErrorKind::UnexpectedEof`] when the stream ends inside a frame.
pub fn read_frame(stream: &mut impl Read) -> io::Result<Option<Bytes>> {
    let mut prefix = [0; PREFIX_BYTES];
    let (first, rest) = prefix.split_at_mut(1);
    loop {
        match stream.read(first) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    stream.read_exact(rest)?;
    let length = frame::length(prefix, FRAME_BYTES_MAX)
        .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some(body.into()))
}

/// Sends a frame with its length, in one piece.
///
/// # Errors
/// What the stream says.
pub fn write_frame(stream: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    stream.write_all(&[&length.to_be_bytes(), frame].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_sent() {
        let mut wire = Vec::new();
        for frame in [b"one".as_slice(), b"", b"three"] {
            write_frame(&mut wire, frame).unwrap();
        }
        let mut wire = wire.as_slice();
        for frame in [b"one".as_slice(), b"", b"three"] {
            assert_eq!(read_frame(&mut wire).unwrap().as_deref(), Some(frame));
        }
        assert_eq!(read_frame(&mut wire).unwrap(), None);
    }

    #[test]
    fn what_is_no_whole_frame_is_an_error() {
        let kind = |mut wire: &[u8]| read_frame(&mut wire).unwrap_err().kind();
        assert_eq!(kind(b"\0\0\0\x05four"), ErrorKind::UnexpectedEof);
        assert_eq!(kind(b"\0\0"), ErrorKind::UnexpectedEof);
        assert_eq!(kind(b"\xff\0\0\0"), ErrorKind::InvalidData);
        assert_eq!(kind(b"GET / HTTP/1.1"), ErrorKind::InvalidData);
    }
}
