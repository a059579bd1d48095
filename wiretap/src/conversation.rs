//! Requests and the answers to them, in the order in which they were said.
//!
//! **Invariants.** An answer belongs to the oldest request of its connection that has its
//! correlation id. A request may stay without: Produce with acks=0 has none, and a connection may
//! have been cut.
use std::collections::HashMap;

use bytes::Bytes;
use pagi_protocol::kafka::cursor::{Cursor, DecodeError};
use pagi_protocol::kafka::exchange::{RequestHeader, decode_header};

use crate::recording::{Direction, Entry};

/// A request and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The connection, counted from 0.
    pub connection: u32,
    /// What the request begins with.
    pub header: RequestHeader,
    /// The request's frame, header included.
    pub request: Bytes,
    /// The answer's frame, if one came.
    pub answer: Option<Bytes>,
    /// When the request passed: microseconds since the recording began.
    pub at_us: u64,
}

/// Something was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// The request of the exchange at this place.
    Request(usize),
    /// The answer of the exchange at this place.
    Answer(usize),
}

/// What was said on all connections of a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversation {
    /// By the order of their requests.
    pub exchanges: Vec<Exchange>,
    /// The order of all frames.
    pub order: Vec<Said>,
}

/// Why entries are not a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConversationError {
    /// A request has no header.
    #[error("frame {0} is not a Kafka request: {1}")]
    Request(usize, DecodeError),
    /// An answer answers nothing.
    #[error("frame {0} answers no request of its connection")]
    Answer(usize),
}

impl Conversation {
    /// Puts requests and answers together.
    ///
    /// # Errors
    /// [`ConversationError`], with the place of the entry.
    pub fn of(entries: Vec<Entry>) -> Result<Self, ConversationError> {
        let mut conversation = Self::default();
        let mut waiting: HashMap<u32, Vec<usize>> = HashMap::new();
        for (place, entry) in entries.into_iter().enumerate() {
            let waiting = waiting.entry(entry.connection).or_default();
            match entry.direction {
                Direction::Request => {
                    let header = decode_header(&mut Cursor::new(entry.frame.clone()))
                        .map_err(|error| ConversationError::Request(place, error))?;
                    let at = conversation.exchanges.len();
                    waiting.push(at);
                    conversation.order.push(Said::Request(at));
                    conversation.exchanges.push(Exchange {
                        connection: entry.connection,
                        header,
                        request: entry.frame,
                        answer: None,
                        at_us: entry.at_us,
                    });
                }
                Direction::Answer => {
                    let at = conversation
                        .answer(waiting, entry.frame)
                        .ok_or(ConversationError::Answer(place))?;
                    conversation.order.push(Said::Answer(at));
                }
            }
        }
        Ok(conversation)
    }

    /// Gives the answer to the request that it answers.
    fn answer(&mut self, waiting: &mut Vec<usize>, frame: Bytes) -> Option<usize> {
        let id = i32::from_be_bytes(*frame.first_chunk()?);
        let asked = |at: &usize| self.exchanges.get(*at).map(|e| e.header.correlation_id);
        let place = waiting.iter().position(|at| asked(at) == Some(id))?;
        // Answers keep the order of their requests: what is older has none.
        let at = waiting.drain(..=place).next_back()?;
        self.exchanges.get_mut(at)?.answer = Some(frame);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(connection: u32, correlation_id: u8) -> Entry {
        let frame = Bytes::from(vec![0, 3, 0, 1, 0, 0, 0, correlation_id, 0xff, 0xff]);
        Entry { direction: Direction::Request, connection, at_us: 0, frame }
    }

    fn answer(connection: u32, correlation_id: u8) -> Entry {
        let frame = Bytes::from(vec![0, 0, 0, correlation_id]);
        Entry { direction: Direction::Answer, connection, at_us: 0, frame }
    }

    #[test]
    fn answers_go_to_the_requests_of_their_connection() {
        let entries = vec![request(0, 1), request(1, 1), request(0, 2), answer(1, 1), answer(0, 2)];
        let conversation = Conversation::of(entries).unwrap();
        let answered: Vec<_> =
            conversation.exchanges.iter().map(|exchange| exchange.answer.is_some()).collect();
        assert_eq!(answered, [false, true, true]);
        use Said::{Answer, Request};
        let order = [Request(0), Request(1), Request(2), Answer(1), Answer(2)];
        assert_eq!(conversation.order, order);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let unasked = Conversation::of(vec![request(0, 1), answer(0, 2)]);
        assert_eq!(unasked, Err(ConversationError::Answer(1)));
        let short = Entry { frame: Bytes::from_static(b"\0"), ..request(0, 1) };
        let error = Conversation::of(vec![short]).unwrap_err();
        assert!(error.to_string().starts_with("frame 0 is not a Kafka request"), "{error}");
    }
}
