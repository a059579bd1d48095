//! A copy of what a partition holds, record by record, as a consumer gets it.
use bytes::Bytes;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::fetch::FetchPartitionResponse;
use pagi_protocol::kafka::record::RecordReader;
use pagi_protocol::kafka::record_batch::batches;

use super::record::Stamp;
use crate::failure::{Failure, Outcome};
use crate::kafka::{self, Broker};

const FETCH_BYTES_MAX: i32 = 1 << 20;

/// The records of a partition, without a gap.
#[derive(Debug, Clone, Default)]
pub(super) struct Copy {
    /// The offset of the first.
    pub(super) start: i64,
    /// None where the bytes are not those that were sent.
    pub(super) stamps: Vec<Option<Stamp>>,
}

/// The error code of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused(pub(super) i16);

/// What a fetch gave beside records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetched {
    /// So many records, and the end as the broker sees it.
    Records { new: usize, high_watermark: i64 },
    /// An error code.
    Refused(i16),
}

impl Copy {
    /// The offset behind the last.
    pub(super) fn end(&self) -> i64 {
        self.start + i64::try_from(self.stamps.len()).unwrap_or(i64::MAX)
    }

    /// The record at an offset, if it is there and whole.
    pub(super) fn at(&self, offset: i64) -> Option<Stamp> {
        let index = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.stamps.get(index).copied().flatten()
    }

    /// Fetches what follows, waiting at most so long for it.
    ///
    /// # Errors
    /// The connection broke, or the answer is not what a broker may give: batches that are
    /// damaged, or that leave out an offset.
    pub(super) fn extend(
        &mut self,
        broker: &mut Broker,
        (topic, partition): (&str, i32),
        max_wait_ms: i32,
    ) -> Outcome<Fetched> {
        let end = self.end();
        broker.send(&kafka::fetch(topic, partition, end, FETCH_BYTES_MAX, max_wait_ms)?)?;
        let answer = broker.receive_fetched()?;
        if answer.error_code != KafkaCode::None.number() {
            return Ok(Fetched::Refused(answer.error_code));
        }
        let high_watermark = answer.high_watermark;
        let before = self.stamps.len();
        self.add(answer).map_err(|what| Failure::new(format!("{topic} {partition}: {what}")))?;
        Ok(Fetched::Records { new: self.stamps.len() - before, high_watermark })
    }

    fn add(&mut self, answer: FetchPartitionResponse) -> Result<(), String> {
        for (offset, value) in records(answer, self.end())? {
            if offset != self.end() {
                return Err(format!("offset {offset} follows {}", self.end() - 1));
            }
            self.stamps.push(Stamp::of(&value));
        }
        Ok(())
    }

    /// The whole partition from `start` to its end, or to where the broker refuses.
    ///
    /// # Errors
    /// As for [`Copy::extend`], and when nothing comes before the end.
    pub(super) fn read(
        broker: &mut Broker,
        place: (&str, i32),
        start: i64,
    ) -> Outcome<(Self, Option<Refused>)> {
        let mut copy = Self { start, stamps: Vec::new() };
        loop {
            match copy.extend(broker, place, 0)? {
                Fetched::Refused(code) => return Ok((copy, Some(Refused(code)))),
                Fetched::Records { high_watermark, .. } if copy.end() >= high_watermark => {
                    return Ok((copy, None));
                }
                Fetched::Records { new: 0, high_watermark } => {
                    let (topic, partition) = place;
                    let end = copy.end();
                    return Err(Failure::new(format!(
                        "{topic} {partition}: nothing at {end}, but the end is {high_watermark}"
                    )));
                }
                Fetched::Records { .. } => {}
            }
        }
    }
}

/// The values of all records of a partition that nobody writes to.
///
/// # Errors
/// As for [`Copy::read`].
pub(super) fn values(broker: &mut Broker, (topic, partition): (&str, i32)) -> Outcome<Vec<Bytes>> {
    let mut values = Vec::new();
    let mut next = 0;
    loop {
        broker.send(&kafka::fetch(topic, partition, next, FETCH_BYTES_MAX, 0)?)?;
        let answer = broker.receive_fetched()?;
        kafka::check([answer.error_code], &format!("read {topic} {partition}"))?;
        let end = answer.high_watermark;
        for (offset, value) in records(answer, next).map_err(Failure::new)? {
            values.push(value);
            next = offset + 1;
        }
        if next >= end {
            return Ok(values);
        }
    }
}

/// The records from `from` on; a batch may begin before.
fn records(answer: FetchPartitionResponse, from: i64) -> Result<Vec<(i64, Bytes)>, String> {
    let mut records = Vec::new();
    for batch in answer.records.0.into_iter().flat_map(batches) {
        // The last one may be cut where the answer was full.
        let Ok((header, batch)) = batch else { break };
        header.validate(&batch).map_err(|error| format!("{}: {error}", header.base_offset))?;
        for record in RecordReader::of_batch(&batch).map_err(|error| error.to_string())? {
            let (offset, record) = record.map_err(|error| error.to_string())?;
            if offset >= from {
                records.push((offset, record.value.unwrap_or_default()));
            }
        }
    }
    Ok(records)
}
