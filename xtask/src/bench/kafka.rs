//! Load over the Kafka protocol.
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::load::{self, Load};
use super::wire;
use crate::failure::{Failure, Outcome};
use crate::kafka::{self, Broker};

/// What one producer connection sends again and again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Each request has one batch for each of them.
    pub(super) partitions: i32,
    pub(super) records_per_batch: i32,
    pub(super) value_bytes: usize,
    pub(super) connections: usize,
    /// Requests that a connection has under way at a time.
    pub(super) in_flight: usize,
    /// Without it, as many as there can be. With it each connection sends a request so often, and
    /// counts how long it took from when it was due.
    pub(super) every: Option<Duration>,
}

impl Shape {
    fn records_per_request(&self) -> u64 {
        u64::try_from(self.partitions * self.records_per_batch).unwrap_or(0)
    }
}

/// Produces for `how_long` with acks=all.
pub(super) fn produce(
    address: SocketAddr,
    topic: &str,
    shape: Shape,
    how_long: Duration,
) -> Outcome<Load> {
    let batch = wire::batch(shape.records_per_batch, shape.value_bytes)?;
    let frame = wire::produce(topic, shape.partitions, &batch)?;
    let mut broker = Broker::connect(address)?;
    broker.create_topic(topic, shape.partitions)?;
    until_produced(&mut broker, &frame)?;
    load::side_by_side(shape.connections, |_| {
        let mut broker = Broker::connect(address)?;
        let mut sent = std::collections::VecDeque::new();
        let mut load = Load::default();
        let begin = Instant::now();
        let mut due = Due { next: begin, every: shape.every };
        loop {
            while sent.len() < shape.in_flight && begin.elapsed() < how_long {
                sent.push_back(due.next());
                broker.send(&frame)?;
            }
            let Some(before) = sent.pop_front() else { return Ok(load) };
            wire::receive_produced(&mut broker)?;
            load.latencies.add(before.elapsed());
            load.operations += shape.records_per_request();
            load.bytes += shape.records_per_request() * shape.value_bytes as u64;
        }
    })
}

/// When requests are to be sent.
struct Due {
    next: Instant,
    every: Option<Duration>,
}

impl Due {
    /// Waits until the next one is due, and says when that was.
    fn next(&mut self) -> Instant {
        let Some(every) = self.every else { return Instant::now() };
        let due = self.next;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        self.next = due + every;
        due
    }
}

/// A broker may need a moment until it leads the partitions of a new topic.
fn until_produced(broker: &mut Broker, frame: &[u8]) -> Outcome {
    const PATIENCE: Duration = Duration::from_secs(30);
    const PAUSE: Duration = Duration::from_millis(50);
    let begin = Instant::now();
    loop {
        broker.send(frame)?;
        match wire::receive_produced(broker) {
            Err(_) if begin.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
            outcome => return outcome,
        }
    }
}

/// Reads partition 0 of `topic` from its beginning, and again, for `how_long`.
pub(super) fn consume(
    address: SocketAddr,
    topic: &str,
    value_bytes: usize,
    how_long: Duration,
) -> Outcome<Load> {
    const FETCH_BYTES_MAX: i32 = 1024 * 1024;
    load::side_by_side(1, |_| {
        let mut broker = Broker::connect(address)?;
        let mut load = Load::default();
        let begin = Instant::now();
        let mut offset = 0;
        while begin.elapsed() < how_long {
            let before = Instant::now();
            broker.send(&kafka::fetch(topic, 0, offset, FETCH_BYTES_MAX, 0)?)?;
            let records = wire::receive_fetched(&mut broker)?;
            load.latencies.add(before.elapsed());
            load.operations += records;
            load.bytes += records * value_bytes as u64;
            offset = match records {
                0 if offset == 0 => return Err(Failure::new("there is nothing to consume")),
                0 => 0,
                records => offset + i64::try_from(records).unwrap_or(0),
            };
        }
        Ok(load)
    })
}
