//! A recording: the frames of one or many connections, in the order in which they passed.
//!
//! The file begins with [`MAGIC`]. Behind it stands one entry for each frame, numbers in network
//! byte order:
//!
//! | bytes | |
//! |---|---|
//! | 1 | `>` for a request, `<` for an answer |
//! | 4 | the connection, counted from 0 |
//! | 8 | when the frame had passed: microseconds since the recording began |
//! | 4 | the frame's length, as on the wire |
//! | … | the frame |
//!
//! **Invariants.** A frame is kept as it was on the wire, byte for byte.
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// What a recording begins with; the digit is the format's version.
pub const MAGIC: &[u8; 8] = b"PAGIWIR1";

/// The bytes of an entry before its frame.
const HEAD_BYTES: usize = 17;

/// Which way a frame went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the broker.
    Request,
    /// From the broker to the client.
    Answer,
}

/// A frame that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which way it went.
    pub direction: Direction,
    /// The connection, counted from 0.
    pub connection: u32,
    /// Microseconds since the recording began.
    pub at_us: u64,
    /// The frame, without its length.
    pub frame: Bytes,
}

/// Why bytes are not a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// It begins with something else.
    #[error("this is not a recording of `cargo xtask wire`: it does not begin with PAGIWIR1")]
    Magic,
    /// An entry is neither a request nor an answer.
    #[error("the entry at byte {0} is damaged")]
    Damaged(usize),
    /// The last entry is not there as a whole.
    #[error("the entry at byte {0} is cut short")]
    Short(usize),
}

impl Entry {
    /// The entry as it stands in the file.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(HEAD_BYTES + self.frame.len());
        bytes.put_u8(match self.direction {
            Direction::Request => b'>',
            Direction::Answer => b'<',
        });
        bytes.put_u32(self.connection);
        bytes.put_u64(self.at_us);
        // A frame came with a length of 31 bits.
        bytes.put_u32(u32::try_from(self.frame.len()).unwrap_or(u32::MAX));
        bytes.put_slice(&self.frame);
        bytes.freeze()
    }
}

/// The entries of a file.
///
/// # Errors
/// [`RecordingError`] when it is not a recording, or not a whole one.
pub fn parse(file: &Bytes) -> Result<Vec<Entry>, RecordingError> {
    let mut rest = file.clone();
    if !rest.starts_with(MAGIC) {
        return Err(RecordingError::Magic);
    }
    rest.advance(MAGIC.len());
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let at = file.len() - rest.len();
        if rest.len() < HEAD_BYTES {
            return Err(RecordingError::Short(at));
        }
        let direction = match rest.get_u8() {
            b'>' => Direction::Request,
            b'<' => Direction::Answer,
            _ => return Err(RecordingError::Damaged(at)),
        };
        let (connection, at_us) = (rest.get_u32(), rest.get_u64());
        let length = usize::try_from(rest.get_u32()).unwrap_or(usize::MAX);
        if rest.len() < length {
            return Err(RecordingError::Short(at));
        }
        let frame = rest.split_to(length);
        entries.push(Entry { direction, connection, at_us, frame });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        let request = Entry {
            direction: Direction::Request,
            connection: 7,
            at_us: 1_500,
            frame: Bytes::from_static(b"a request"),
        };
        let answer = Entry { direction: Direction::Answer, frame: Bytes::new(), ..request.clone() };
        vec![request, answer]
    }

    fn file() -> Bytes {
        let mut file = MAGIC.to_vec();
        entries().iter().for_each(|entry| file.extend(entry.to_bytes()));
        file.into()
    }

    #[test]
    fn a_recording_is_read_as_it_was_written() {
        assert_eq!(parse(&file()), Ok(entries()));
        assert_eq!(parse(&Bytes::from_static(MAGIC)), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_recording_is_refused_with_its_place() {
        assert_eq!(parse(&Bytes::from_static(b"PAGI")), Err(RecordingError::Magic));
        let file = file();
        let last = file.len() - HEAD_BYTES;
        assert_eq!(parse(&file.slice(..file.len() - 1)), Err(RecordingError::Short(last)));
        assert_eq!(parse(&file.slice(..last - 1)), Err(RecordingError::Short(MAGIC.len())));
        let mut damaged = file.to_vec();
        damaged[last] = b'?';
        assert_eq!(parse(&damaged.into()), Err(RecordingError::Damaged(last)));
    }
}
