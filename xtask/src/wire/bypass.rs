//! Notices when the broker sends clients past the proxy.
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use pagi_protocol::kafka::api::ApiKey;
use pagi_protocol::kafka::cursor::Cursor;
use pagi_protocol::kafka::exchange::{Response, decode_any_response, decode_header};
use pagi_wiretap::recording::Direction;

use super::flaky::correlation_id;
use super::proxy::Observer;

/// Reads where brokers say they are, and tells once when that is not the proxy.
pub(super) struct Bypass<O> {
    inner: O,
    proxy: SocketAddr,
    state: Mutex<State>,
    tell: fn(&str),
}

#[derive(Default)]
struct State {
    /// The versions of the Metadata requests that wait for answers, by connection and correlation
    /// id.
    asked: HashMap<(u32, i32), i16>,
    told: bool,
}

impl<O: Observer> Bypass<O> {
    /// Watches what passes the proxy at `proxy` on its way to `inner`.
    pub(super) fn new(inner: O, proxy: SocketAddr, tell: fn(&str)) -> Self {
        Self { inner, proxy, state: Mutex::new(State::default()), tell }
    }
}

impl<O: Observer> Observer for Bypass<O> {
    fn frame(&self, connection: u32, direction: Direction, frame: &Bytes) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.told {
            match direction {
                Direction::Request => state.note(connection, frame),
                Direction::Answer => {
                    if let Some(elsewhere) = state.elsewhere(connection, frame, self.proxy) {
                        state.told = true;
                        (self.tell)(&elsewhere);
                    }
                }
            }
        }
        drop(state);
        self.inner.frame(connection, direction, frame);
    }
}

impl State {
    fn note(&mut self, connection: u32, request: &Bytes) {
        if let Ok(header) = decode_header(&mut Cursor::new(request.clone()))
            && header.api_key == ApiKey::Metadata.api().number
        {
            self.asked.insert((connection, header.correlation_id), header.api_version);
        }
    }

    /// The address that clients are sent to, if it is not the proxy's.
    fn elsewhere(&mut self, connection: u32, answer: &Bytes, proxy: SocketAddr) -> Option<String> {
        let version = self.asked.remove(&(connection, correlation_id(answer)?))?;
        let mut cursor = Cursor::new(answer.clone());
        let (_, answer) = decode_any_response(ApiKey::Metadata, version, &mut cursor).ok()?;
        let Response::Metadata(answer) = answer else { return None };
        // Names may stand for the proxy's address; ports are what they are.
        let elsewhere = |port: &i32| *port != i32::from(proxy.port());
        let broker = answer.brokers.into_iter().find(|broker| elsewhere(&broker.port))?;
        Some(format!("{}:{}", broker.host, broker.port))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use pagi_protocol::kafka::exchange::{encode_request, encode_response};
    use pagi_protocol::kafka::messages::metadata::{
        MetadataBroker, MetadataRequest, MetadataResponse,
    };
    use pagi_protocol::kafka::wire::Version;

    use super::*;

    struct Nobody;

    impl Observer for Nobody {
        fn frame(&self, _: u32, _: Direction, _: &Bytes) {}
    }

    static TOLD: AtomicU32 = AtomicU32::new(0);

    fn metadata_names(port: i32, bypass: &Bypass<Nobody>) {
        let request = encode_request(&MetadataRequest::default(), 9, 5, "x").unwrap();
        let broker = MetadataBroker { host: "host".to_owned(), port, ..Default::default() };
        let answer = MetadataResponse { brokers: vec![broker], ..Default::default() };
        let answer = encode_response(&answer, Version { number: 9, flexible: true }, 5);
        for (direction, chunks) in [(Direction::Request, request), (Direction::Answer, answer)] {
            bypass.frame(0, direction, &Bytes::from(chunks.concat()).slice(4..));
        }
    }

    #[test]
    fn a_broker_that_names_another_port_than_the_proxys_is_told_of_once() {
        let tell = |elsewhere: &str| {
            assert_eq!(elsewhere, "host:9092");
            TOLD.fetch_add(1, Ordering::SeqCst);
        };
        let bypass = Bypass::new(Nobody, "127.0.0.1:19092".parse().unwrap(), tell);
        metadata_names(19092, &bypass);
        assert_eq!(TOLD.load(Ordering::SeqCst), 0);
        metadata_names(9092, &bypass);
        metadata_names(9092, &bypass);
        assert_eq!(TOLD.load(Ordering::SeqCst), 1);
    }
}
