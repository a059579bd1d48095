//! An idempotent producer that stays: it sends again, with the same sequences, what it got no
//! answer for.
//!
//! **Invariants.** What a producer sent it sends again until it is acknowledged, in the same order
//! in each lane. At most five batches of a lane are under way, as in Kafka's own clients.
//!
//! **References.** KIP-98, and KIP-185 for five requests under way.
use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::init_producer_id::{
    InitProducerIdRequest, InitProducerIdResponse,
};
use pagi_protocol::kafka::messages::produce::{
    ProducePartition, ProduceRequest, ProduceResponse, ProduceTopic,
};

use super::findings::Sort;
use super::ledger::Acknowledged;
use super::random::Random;
use super::record::{self, Stamp};
use super::shared::Shared;
use crate::failure::{Failure, Outcome};
use crate::kafka::{self, Broker, TIMEOUT_MS, check, frame};

const PRODUCE_VERSION: i16 = 7;
const INIT_PRODUCER_ID_VERSION: i16 = 1;
const IN_FLIGHT_MAX: usize = 5;
const BATCHES_MAX: usize = 3;
const RECORDS_MAX: usize = 8;
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// See the module.
#[derive(Debug)]
pub(super) struct Producer {
    number: u32,
    random: Random,
    pause_ms_max: u64,
    id: Option<(i64, i16)>,
    /// The next sequence in each lane that was used.
    next: Vec<i32>,
    /// Requests that were sent at least once, without the batches that are acknowledged.
    pending: VecDeque<Vec<Batch>>,
    gave_up: bool,
}

#[derive(Debug, Clone)]
struct Batch {
    lane: u32,
    first_sequence: i32,
    records: i32,
    bytes: Bytes,
}

impl Producer {
    pub(super) const fn new(number: u32, random: Random, pause_ms_max: u64) -> Self {
        Self {
            number,
            random,
            pause_ms_max,
            id: None,
            next: Vec::new(),
            pending: VecDeque::new(),
            gave_up: false,
        }
    }

    /// Produces on one connection until it breaks or something is refused (an error), or the load
    /// ends with everything acknowledged.
    pub(super) fn session(&mut self, shared: &Shared) -> Outcome {
        if self.gave_up {
            return Ok(());
        }
        shared.wait_rest();
        let _session = shared.enter();
        let mut broker = Broker::connect(shared.address)?;
        self.produce(&mut broker, shared)
    }

    fn produce(&mut self, broker: &mut Broker, shared: &Shared) -> Outcome {
        let (id, epoch) = match self.id {
            Some(known) => known,
            None => self.introduce(broker, shared)?,
        };
        self.send_again(broker, shared)?;
        let depth = 1 + self.random.below(IN_FLIGHT_MAX);
        while !shared.stops() {
            while self.pending.len() < depth {
                let request = self.request(id, epoch, shared)?;
                let frame = request_frame(&request, shared)?;
                self.pending.push_back(request);
                if let Err(failure) = broker.send(&frame) {
                    return self.read_rest(broker, shared).and(Err(failure));
                }
            }
            self.receive(broker, shared)?;
            std::thread::sleep(self.random.millis(0..=self.pause_ms_max));
            shared.wait_rest();
        }
        while !self.pending.is_empty() {
            self.receive(broker, shared)?;
        }
        Ok(())
    }

    /// Sends what was not acknowledged, one request after the other: nothing that came before can
    /// then be the reason of a refusal.
    fn send_again(&mut self, broker: &mut Broker, shared: &Shared) -> Outcome {
        self.pending.retain(|request| !request.is_empty());
        while let Some(request) = self.pending.front() {
            broker.send(&request_frame(request, shared)?)?;
            let refused = self.take_answer(broker, 0, shared)?;
            for (batch, code) in &refused {
                if !is_retriable(*code) {
                    self.give_up(batch, *code, shared);
                }
            }
            if !refused.is_empty() {
                std::thread::sleep(RETRY_PAUSE);
                return Err(Failure::new("refused"));
            }
            self.pending.pop_front();
        }
        Ok(())
    }

    /// A broker that hung up may have answered before.
    fn read_rest(&mut self, broker: &mut Broker, shared: &Shared) -> Outcome {
        for index in 0..self.pending.len() {
            self.take_answer(broker, index, shared)?;
        }
        Ok(())
    }

    /// Takes the answer to the oldest of several requests. When something in it was refused, so
    /// are the batches behind it, for their sequences leave a gap: all answers are taken then.
    fn receive(&mut self, broker: &mut Broker, shared: &Shared) -> Outcome {
        let refused = self.take_answer(broker, 0, shared)?;
        if refused.is_empty() {
            self.pending.pop_front();
            return Ok(());
        }
        let mut all = refused;
        for index in 1..self.pending.len() {
            all.extend(self.take_answer(broker, index, shared)?);
        }
        for (batch, code) in &all {
            let gap = *code == KafkaCode::OutOfOrderSequenceNumber.number();
            if !gap && !is_retriable(*code) {
                self.give_up(batch, *code, shared);
            }
        }
        std::thread::sleep(RETRY_PAUSE);
        Err(Failure::new("refused"))
    }

    /// Gets a producer id, which nobody else may ever have.
    fn introduce(&mut self, broker: &mut Broker, shared: &Shared) -> Outcome<(i64, i16)> {
        let known = producer_id(broker)?;
        if !shared.ledger.add_producer_id(known.0) {
            let (number, id) = (self.number, known.0);
            shared
                .findings
                .add(Sort::Twice, || format!("producer {number} got id {id}, as another"));
        }
        self.id = Some(known);
        Ok(known)
    }

    /// Batches for some lanes, one for each.
    fn request(&mut self, id: i64, epoch: i16, shared: &Shared) -> Outcome<Vec<Batch>> {
        self.next.resize(usize::try_from(shared.lanes.count())?, 0);
        let mut request: Vec<Batch> = Vec::new();
        for _ in 0..=self.random.below(BATCHES_MAX) {
            let lane = self.random.below(self.next.len());
            let records = i32::try_from(1 + self.random.below(RECORDS_MAX))?;
            let Some(next) = self.next.get_mut(lane) else { continue };
            let lane = u32::try_from(lane)?;
            if request.iter().any(|batch| batch.lane == lane) {
                continue;
            }
            let first_sequence = *next;
            *next = next.checked_add(records).ok_or_else(|| Failure::new("too many records"))?;
            let first = Stamp { producer: self.number, lane, sequence: first_sequence };
            let bytes = record::batch(first, records, id, epoch)?;
            request.push(Batch { lane, first_sequence, records, bytes });
        }
        Ok(request)
    }

    /// An answer that no retry gets past.
    fn give_up(&mut self, batch: &Batch, code: i16, shared: &Shared) {
        self.gave_up = true;
        let (topic, partition) = shared.lanes.place(batch.lane);
        let (number, sequence) = (self.number, batch.first_sequence);
        let gap = code == KafkaCode::OutOfOrderSequenceNumber.number();
        shared.findings.add(if gap { Sort::Lost } else { Sort::Wrong }, || {
            let code = kafka::name(code);
            format!(
                "{topic} {partition}: producer {number}'s sequence {sequence} was answered {code}"
            )
        });
    }

    /// Reads an answer, enters what is acknowledged into the ledger, and gives what is not.
    fn take_answer(
        &mut self,
        broker: &mut Broker,
        index: usize,
        shared: &Shared,
    ) -> Outcome<Vec<(Batch, i16)>> {
        let answer: ProduceResponse = broker.receive(PRODUCE_VERSION)?;
        let Some(request) = self.pending.get_mut(index) else {
            return Err(Failure::new("an answer to nothing"));
        };
        let mut refused = Vec::new();
        for topic in &answer.responses {
            for partition in &topic.partition_responses {
                let lane = shared.lanes.lane(&topic.name, partition.index);
                let at = request.iter().position(|batch| Some(batch.lane) == lane);
                let Some(at) = at else { continue };
                if partition.error_code != KafkaCode::None.number() {
                    refused.extend(request.get(at).map(|b| (b.clone(), partition.error_code)));
                    continue;
                }
                let Batch { lane, first_sequence, records, .. } = request.remove(at);
                let (producer, base_offset) = (self.number, partition.base_offset);
                let one = Acknowledged { producer, lane, first_sequence, records, base_offset };
                shared.ledger.add(one)?;
            }
        }
        Ok(refused)
    }
}

fn is_retriable(code: i16) -> bool {
    KafkaCode::from_number(code).is_some_and(KafkaCode::retriable)
}

/// A new producer id and its epoch.
pub(super) fn producer_id(broker: &mut Broker) -> Outcome<(i64, i16)> {
    let request =
        InitProducerIdRequest { producer_id: -1, producer_epoch: -1, ..Default::default() };
    let answer: InitProducerIdResponse = broker.call(&request, INIT_PRODUCER_ID_VERSION)?;
    check([answer.error_code], "get a producer id")?;
    Ok((answer.producer_id, answer.producer_epoch))
}

fn request_frame(request: &[Batch], shared: &Shared) -> Outcome<Vec<u8>> {
    let mut topic_data: Vec<ProduceTopic> = Vec::new();
    for batch in request {
        let (name, index) = shared.lanes.place(batch.lane);
        let partition = ProducePartition { index, records: Some(batch.bytes.clone()) };
        match topic_data.iter_mut().find(|topic| topic.name == name) {
            Some(topic) => topic.partition_data.push(partition),
            None => topic_data
                .push(ProduceTopic { name: name.to_owned(), partition_data: vec![partition] }),
        }
    }
    let request =
        ProduceRequest { transactional_id: None, acks: -1, timeout_ms: TIMEOUT_MS, topic_data };
    frame(&request, PRODUCE_VERSION)
}
