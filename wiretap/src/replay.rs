//! A recorded conversation, held again with another broker.
//!
//! Answers are waited for in the recorded order, over as many connections as were recorded, and a
//! request goes out when its answer is next: what was answered before has happened by then, also
//! what was asked on another connection at the same time. Only those go out in their own place that
//! others may wait for: members that join, synchronise or leave, and requests without an answer.
//!
//! **Invariants.** A request is sent as it was recorded, byte for byte, unless it names something
//! that the broker makes up ([`crate::carried`]). No wait is longer than the patience given.
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use pagi_protocol::kafka::api::ApiKey;
use pagi_protocol::kafka::cursor::DecodeError;

use crate::carried::Carried;
use crate::conversation::{Conversation, Exchange, Said};
use crate::fields::{self, Field, Value};
use crate::stream::{read_frame, write_frame};
use crate::understood::{self, UnderstoodAnswer};

/// Why a conversation could not be held to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The connection failed, ended or was silent for too long.
    #[error("exchange {at}: {error}")]
    Io {
        /// The exchange.
        at: usize,
        /// What the socket says.
        error: io::Error,
    },
}

/// How a new answer differs from the recorded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// An error code.
    Code {
        /// Where.
        path: String,
        /// What was recorded, if the field was there.
        recorded: Option<i16>,
        /// What came, if the field was there.
        new: Option<i16>,
    },
    /// A list has another length, or something is null or not.
    Shape {
        /// Where.
        path: String,
        /// What was recorded.
        recorded: Value,
        /// What came.
        new: Value,
    },
    /// There are bytes behind the new answer's last field.
    Behind(usize),
    /// The new answer cannot be read.
    Unreadable(DecodeError),
}

/// Holds `conversation` with the broker at `address`; gives the differences by the exchange.
///
/// # Errors
/// [`ReplayError`] when a connection fails, ends or is silent for longer than `patience`.
pub fn replay(
    conversation: &Conversation,
    address: SocketAddr,
    patience: Duration,
) -> Result<Vec<(usize, Difference)>, ReplayError> {
    let mut session = Session::new(address, patience);
    let mut differences = Vec::new();
    for said in &conversation.order {
        let (Said::Request(at) | Said::Answer(at)) = *said;
        let Some(exchange) = conversation.exchanges.get(at) else { continue };
        let found = match said {
            Said::Request(_) => session.ask(at, exchange).map(|()| Vec::new()),
            Said::Answer(_) => {
                session.send_until(exchange.connection, at).and_then(|()| session.listen(exchange))
            }
        };
        let found = found.map_err(|error| ReplayError::Io { at, error })?;
        differences.extend(found.into_iter().map(|difference| (at, difference)));
    }
    Ok(differences)
}

/// Whether others may wait for what this request does.
fn is_awaited(exchange: &Exchange) -> bool {
    let api = ApiKey::from_number(exchange.header.api_key);
    exchange.answer.is_none()
        || matches!(api, Some(ApiKey::JoinGroup | ApiKey::SyncGroup | ApiKey::LeaveGroup))
}

struct Session<'a> {
    address: SocketAddr,
    patience: Duration,
    connections: HashMap<u32, TcpStream>,
    carried: Carried,
    /// What is not sent yet, by connection.
    unsent: HashMap<u32, VecDeque<(usize, &'a Exchange)>>,
}

impl<'a> Session<'a> {
    fn new(address: SocketAddr, patience: Duration) -> Self {
        Self {
            address,
            patience,
            connections: HashMap::new(),
            carried: Carried::default(),
            unsent: HashMap::new(),
        }
    }

    fn connection(&mut self, number: u32) -> io::Result<&TcpStream> {
        match self.connections.entry(number) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(new) => {
                let stream = TcpStream::connect_timeout(&self.address, self.patience)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(self.patience))?;
                Ok(new.insert(stream))
            }
        }
    }

    fn ask(&mut self, at: usize, exchange: &'a Exchange) -> io::Result<()> {
        self.unsent.entry(exchange.connection).or_default().push_back((at, exchange));
        if is_awaited(exchange) { self.send_until(exchange.connection, at) } else { Ok(()) }
    }

    /// Sends what the connection has to say up to the exchange `last`.
    fn send_until(&mut self, connection: u32, last: usize) -> io::Result<()> {
        while let Some((_, exchange)) = self
            .unsent
            .get_mut(&connection)
            .and_then(|unsent| unsent.pop_front_if(|(at, _)| *at <= last))
        {
            let frame = self.with_new_names(&exchange.request);
            write_frame(&mut self.connection(connection)?, &frame)?;
        }
        Ok(())
    }

    /// The request with what is known of the new broker's inventions.
    fn with_new_names(&self, recorded: &Bytes) -> Bytes {
        // What is not spoken here names nothing that is known.
        let Ok(mut understood) = understood::request(recorded) else { return recorded.clone() };
        let group = group(&fields::of(&mut understood.request));
        if !self.carried.apply(&group, &mut understood.request) {
            return recorded.clone();
        }
        understood::frame(&understood.header, &understood.request)
            .unwrap_or_else(|_| recorded.clone())
    }

    /// Waits for the answer of this exchange. Those that come before it were cut off when this was
    /// recorded.
    fn listen(&mut self, exchange: &Exchange) -> io::Result<Vec<Difference>> {
        let id = exchange.header.correlation_id.to_be_bytes();
        let mut connection = self.connection(exchange.connection)?;
        let frame = loop {
            let frame = read_frame(&mut connection)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if frame.starts_with(&id) {
                break frame;
            }
        };
        let Some(recorded) = &exchange.answer else { return Ok(Vec::new()) };
        let Ok(recorded) = understood::answer(&exchange.header, recorded) else {
            return Ok(Vec::new());
        };
        let new = match understood::answer(&exchange.header, &frame) {
            Ok(new) => new,
            Err(error) => return Ok(vec![Difference::Unreadable(error)]),
        };
        let group = understood::request(&exchange.request)
            .map_or_else(|_| String::new(), |mut asked| group(&fields::of(&mut asked.request)));
        self.carried.learn(&group, &recorded.fields, &new.fields);
        Ok(compare(&recorded, &new))
    }
}

/// The group that a request is about, or nothing.
fn group(request: &[Field]) -> String {
    request
        .iter()
        .find_map(|field| match &field.value {
            Value::Text(group) if field.path == "group_id" => Some(group.clone()),
            _ => None,
        })
        .unwrap_or_default()
}

fn compare(recorded: &UnderstoodAnswer, new: &UnderstoodAnswer) -> Vec<Difference> {
    let mut differences = Vec::new();
    let codes = |answer: &UnderstoodAnswer| -> HashMap<String, i16> {
        let codes = fields::codes(&answer.fields).into_iter();
        codes.map(|(path, code)| (path.to_owned(), code)).collect()
    };
    let (recorded_codes, new_codes) = (codes(recorded), codes(new));
    let paths: BTreeSet<_> = recorded_codes.keys().chain(new_codes.keys()).collect();
    for path in paths {
        let (recorded, new) = (recorded_codes.get(path).copied(), new_codes.get(path).copied());
        // That the new broker knows more topics or groups is no error.
        let is_more = recorded.is_none() && new == Some(0);
        if recorded != new && !is_more {
            differences.push(Difference::Code { path: path.clone(), recorded, new });
        }
    }
    let by_path: HashMap<_, _> =
        new.fields.iter().map(|field| (&field.path, &field.value)).collect();
    for Field { path, value: recorded, .. } in &recorded.fields {
        let shaped = |value: &Value| matches!(value, Value::List(_) | Value::Null);
        if let Some(new) = by_path.get(path)
            && (shaped(recorded) || shaped(new))
            && recorded != *new
        {
            let (path, recorded) = (path.clone(), recorded.clone());
            differences.push(Difference::Shape { path, recorded, new: (*new).clone() });
        }
    }
    if new.behind > 0 {
        differences.push(Difference::Behind(new.behind));
    }
    differences
}

#[cfg(test)]
mod tests {
    use pagi_protocol::kafka::messages::metadata::{
        MetadataPartition, MetadataResponse, MetadataTopic,
    };

    use super::*;

    fn answer(topics: &[(&str, i16)], partitions: usize) -> UnderstoodAnswer {
        let topic = |(name, error_code): &(&str, i16)| MetadataTopic {
            name: Some((*name).to_owned()),
            error_code: *error_code,
            partitions: vec![MetadataPartition::default(); partitions],
            ..Default::default()
        };
        let topics = topics.iter().map(topic).collect();
        let mut answer = MetadataResponse { topics, ..Default::default() };
        UnderstoodAnswer { fields: fields::of(&mut answer), behind: 0 }
    }

    #[test]
    fn answers_that_say_the_same_in_another_order_are_equal() {
        let differences =
            compare(&answer(&[("a", 0), ("b", 5)], 0), &answer(&[("b", 5), ("a", 0)], 0));
        assert_eq!(differences, []);
    }

    #[test]
    fn what_the_new_broker_has_beside_is_no_error_unless_it_says_so() {
        let codes = |new| {
            let differences = compare(&answer(&[("a", 0)], 0), &answer(&[("a", 0), new], 0));
            let is_code = |difference: &&Difference| matches!(difference, Difference::Code { .. });
            differences.iter().filter(is_code).count()
        };
        assert_eq!((codes(("b", 0)), codes(("b", 5))), (0, 1));
    }

    #[test]
    fn other_codes_and_shapes_and_bytes_behind_are_told() {
        let mut new = answer(&[("a", 5)], 1);
        new.behind = 3;
        let differences = compare(&answer(&[("a", 0)], 0), &new);
        let path = "topics[a].error_code".to_owned();
        let code = Difference::Code { path, recorded: Some(0), new: Some(5) };
        let path = "topics[a].partitions".to_owned();
        let shape = Difference::Shape { path, recorded: Value::List(0), new: Value::List(1) };
        assert!(differences.contains(&code), "{differences:?}");
        assert!(differences.contains(&shape), "{differences:?}");
        assert!(differences.contains(&Difference::Behind(3)), "{differences:?}");
    }
}
