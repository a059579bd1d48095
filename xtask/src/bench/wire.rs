//! The few Kafka frames that the load needs, in one old version each, written and read by hand: the
//! load shares no code with what it measures, and costs next to nothing itself.
//!
//! **References.** Kafka protocol: `CreateTopics` 2, `Produce` 7, `Fetch` 4, record batch 2.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::failure::{Failure, Outcome, While};

const PRODUCE: (i16, i16) = (0, 7);
const FETCH: (i16, i16) = (1, 4);
const CREATE_TOPICS: (i16, i16) = (19, 2);
const TIMEOUT_MS: i32 = 30_000;
const ALREADY_EXISTS: i16 = 36;
/// Longer than any answer takes unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where a record batch says how many records it has, and how long it is behind that.
const BATCH_LENGTH_AT: usize = 8;
const BATCH_RECORDS_AT: usize = 57;

/// A connection to a broker.
#[derive(Debug)]
pub(super) struct Broker {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Broker {
    pub(super) fn connect(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).on(format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, answer: Vec::new() })
    }

    /// Sends a whole frame.
    pub(super) fn send(&mut self, frame: &[u8]) -> Outcome {
        self.stream.write_all(frame).on("send to the broker")
    }

    /// Waits for the next answer; gives what follows its correlation id.
    pub(super) fn receive(&mut self) -> Outcome<&[u8]> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).on("read the broker's answer")?;
        let length = usize::try_from(i32::from_be_bytes(length)).on("read a length")?;
        self.answer.resize(length, 0);
        self.stream.read_exact(&mut self.answer).on("read the broker's answer")?;
        self.answer.get(4..).ok_or_else(cut_short)
    }

    /// Creates `topic` unless it is there.
    pub(super) fn create_topic(&mut self, topic: &str, partitions: i32) -> Outcome {
        let mut body = Vec::new();
        body.extend(1_i32.to_be_bytes());
        string(&mut body, topic);
        body.extend(partitions.to_be_bytes());
        body.extend(1_i16.to_be_bytes());
        body.extend([0; 8]); // no assignments, no settings
        body.extend(TIMEOUT_MS.to_be_bytes());
        body.push(0);
        self.send(&frame(CREATE_TOPICS, &body))?;
        let mut answer = Reader(self.receive()?);
        answer.skip(8)?; // throttle time, one topic
        answer.string()?;
        match answer.i16()? {
            0 | ALREADY_EXISTS => Ok(()),
            code => Err(Failure::new(format!("cannot create {topic}: Kafka's error {code}"))),
        }
    }
}

fn frame((key, version): (i16, i16), body: &[u8]) -> Vec<u8> {
    let client = "pagi-bench";
    let length = 4 + 4 + 2 + client.len() + body.len();
    let mut frame = i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes().to_vec();
    frame.extend(key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(0_i32.to_be_bytes()); // answers come in order
    string(&mut frame, client);
    frame.extend_from_slice(body);
    frame
}

fn string(to: &mut Vec<u8>, text: &str) {
    to.extend(i16::try_from(text.len()).unwrap_or(i16::MAX).to_be_bytes());
    to.extend_from_slice(text.as_bytes());
}

fn bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend(i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_be_bytes());
    to.extend_from_slice(bytes);
}

/// A Produce frame with acks=all and the same batch for partitions 0 to `partitions` - 1.
pub(super) fn produce(topic: &str, partitions: i32, batch: &[u8]) -> Vec<u8> {
    let mut body = (-1_i16).to_be_bytes().to_vec(); // no transaction
    body.extend((-1_i16).to_be_bytes());
    body.extend(TIMEOUT_MS.to_be_bytes());
    body.extend(1_i32.to_be_bytes());
    string(&mut body, topic);
    body.extend(partitions.to_be_bytes());
    for partition in 0..partitions {
        body.extend(partition.to_be_bytes());
        bytes(&mut body, batch);
    }
    frame(PRODUCE, &body)
}

/// Fails unless every partition in a Produce answer was written.
pub(super) fn check_produced(answer: &[u8]) -> Outcome {
    let mut answer = Reader(answer);
    for _ in 0..answer.i32()? {
        answer.string()?;
        for _ in 0..answer.i32()? {
            answer.skip(4)?;
            let code = answer.i16()?;
            if code != 0 {
                return Err(Failure::new(format!("not produced: Kafka's error {code}")));
            }
            answer.skip(24)?;
        }
    }
    Ok(())
}

/// A Fetch frame for one partition.
pub(super) fn fetch(topic: &str, partition: i32, offset: i64, bytes_max: i32) -> Vec<u8> {
    let mut body = (-1_i32).to_be_bytes().to_vec(); // not a replica
    body.extend(0_i32.to_be_bytes()); // no waiting at the end
    body.extend(1_i32.to_be_bytes());
    body.extend(bytes_max.to_be_bytes());
    body.push(0);
    body.extend(1_i32.to_be_bytes());
    string(&mut body, topic);
    body.extend(1_i32.to_be_bytes());
    body.extend(partition.to_be_bytes());
    body.extend(offset.to_be_bytes());
    body.extend(bytes_max.to_be_bytes());
    frame(FETCH, &body)
}

/// How many records the whole batches of a Fetch answer for one partition have.
pub(super) fn fetched_records(answer: &[u8]) -> Outcome<u32> {
    let mut answer = Reader(answer);
    answer.skip(8)?; // throttle time, one topic
    answer.string()?;
    answer.skip(8)?; // one partition, its number
    let code = answer.i16()?;
    if code != 0 {
        return Err(Failure::new(format!("not fetched: Kafka's error {code}")));
    }
    answer.skip(16)?; // high watermark, last stable offset
    for _ in 0..answer.i32()? {
        answer.skip(16)?; // an aborted transaction
    }
    answer.skip(4)?;
    let mut records = 0;
    let mut rest = answer.0;
    // The last batch may be cut short.
    while let Some(length) = i32_at(rest, BATCH_LENGTH_AT).and_then(|l| usize::try_from(l).ok()) {
        let (Some(count), Some(next)) =
            (i32_at(rest, BATCH_RECORDS_AT), rest.get(BATCH_LENGTH_AT + 4 + length..))
        else {
            break;
        };
        records += u32::try_from(count).unwrap_or(0);
        rest = next;
    }
    Ok(records)
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..at + 4)?.try_into().ok().map(i32::from_be_bytes)
}

/// A record batch of `records` values of `value_bytes` each, without keys or compression.
pub(super) fn batch(records: i32, value_bytes: usize) -> Vec<u8> {
    let mut from_attributes = Vec::new();
    from_attributes.extend(0_i16.to_be_bytes());
    from_attributes.extend((records - 1).to_be_bytes());
    from_attributes.extend(1_700_000_000_000_i64.to_be_bytes());
    from_attributes.extend(1_700_000_000_000_i64.to_be_bytes());
    from_attributes.extend((-1_i64).to_be_bytes()); // no producer id
    from_attributes.extend((-1_i16).to_be_bytes());
    from_attributes.extend((-1_i32).to_be_bytes());
    from_attributes.extend(records.to_be_bytes());
    // Not one letter again and again: a broker must not profit from what no event looks like.
    let value: Vec<u8> = (0_u32..).map(noise).take(value_bytes).collect();
    for number in 0..records {
        let mut record = vec![0, 0]; // attributes, time
        varint(&mut record, i64::from(number));
        varint(&mut record, -1);
        varint(&mut record, i64::try_from(value.len()).unwrap_or(i64::MAX));
        record.extend_from_slice(&value);
        record.push(0); // no headers
        varint(&mut from_attributes, i64::try_from(record.len()).unwrap_or(i64::MAX));
        from_attributes.extend(record);
    }
    let mut batch = 0_i64.to_be_bytes().to_vec();
    bytes(
        &mut batch,
        &[&[0, 0, 0, 0, 2], &crc32c::crc32c(&from_attributes).to_be_bytes()[..], &from_attributes]
            .concat(),
    );
    batch
}

const fn noise(number: u32) -> u8 {
    let [byte, ..] = number.wrapping_mul(2_654_435_761).to_be_bytes();
    byte
}

fn varint(to: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            return to.push(low & 0x7F);
        }
        to.push(low | 0x80);
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Outcome<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(cut_short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn skip(&mut self, bytes: usize) -> Outcome {
        self.0 = self.0.get(bytes..).ok_or_else(cut_short)?;
        Ok(())
    }

    fn i16(&mut self) -> Outcome<i16> {
        Ok(i16::from_be_bytes(self.take()?))
    }

    fn i32(&mut self) -> Outcome<i32> {
        Ok(i32::from_be_bytes(self.take()?))
    }

    fn string(&mut self) -> Outcome {
        let length = usize::try_from(self.i16()?).unwrap_or(0);
        self.skip(length)
    }
}

fn cut_short() -> Failure {
    Failure::new("the broker's answer is cut short")
}

#[cfg(test)]
mod tests {
    use pagi_protocol::kafka::record_batch::BatchHeader;

    use super::*;

    #[test]
    fn the_batch_is_one_that_the_codec_accepts() {
        let batch = batch(4, 1024);
        let header = BatchHeader::parse(&batch).unwrap();
        header.validate(&batch).unwrap();
        assert_eq!((header.records, header.total_bytes), (4, batch.len()));
    }

    #[test]
    fn answers_are_read() {
        let mut produced = vec![0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        produced.extend([0; 28]);
        assert!(check_produced(&produced).is_ok());
        produced[16] = 3;
        assert!(check_produced(&produced).is_err());
        assert!(check_produced(&produced[..9]).is_err());

        let mut fetched = vec![0, 0, 0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        fetched.extend([0; 16]);
        fetched.extend([0xFF; 4]);
        let batches = [batch(4, 10), batch(3, 10), batch(9, 10)[..70].to_vec()].concat();
        bytes(&mut fetched, &batches);
        assert_eq!(fetched_records(&fetched).unwrap(), 7);
    }

    #[test]
    fn varints_are_zigzag() {
        for (number, expected) in [(0, vec![0]), (-1, vec![1]), (64, vec![0x80, 1])] {
            let mut found = Vec::new();
            varint(&mut found, number);
            assert_eq!(found, expected);
        }
    }
}
