//! The records that are produced, and what must come back.
use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use rskafka::client::partition::PartitionClient;
use rskafka::record::{Record, RecordAndOffset};

use crate::report::{Failure, Outcome, check};

const FETCH_BYTES_MAX: i32 = 4 * 1024 * 1024;
const FETCH_WAIT_MS: i32 = 500;
/// Fetches without a record after which no more are expected.
const EMPTY_FETCHES_MAX: u32 = 20;

/// A minute ago, in whole milliseconds.
pub(crate) fn begin() -> DateTime<Utc> {
    (Utc::now() - Duration::from_secs(60)).trunc_subsecs(3)
}

pub(crate) fn record(key: &[u8], value: &[u8], timestamp: DateTime<Utc>) -> Record {
    let (key, value) = (Some(key.to_vec()), Some(value.to_vec()));
    Record { key, value, headers: BTreeMap::new(), timestamp }
}

pub(crate) fn numbered(count: usize) -> Vec<Record> {
    let begin = begin();
    let number = |n: usize| {
        record(format!("key-{n}").as_bytes(), format!("{n} ").repeat(n % 50 + 1).as_bytes(), begin)
    };
    (0..count).map(number).collect()
}

/// 1,000 records in blocks of one shape each.
pub(crate) fn all_shapes() -> Vec<Record> {
    let begin = begin();
    let headers: [&[(&str, &[u8])]; 4] =
        [&[], &[("a", b"1")], &[("a", b"1"), ("b", b"\xff\xfe\x00\x01")], &[("empty", b"")]];
    let shape = |n: usize| {
        let block = n / 125;
        let nothing = || if block < 4 { None } else { Some(Vec::new()) };
        let text = |what: &str| Some([what.as_bytes(), &n.to_be_bytes(), b"\xc3\x28"].concat());
        let headers =
            headers[block % 4].iter().map(|(name, value)| ((*name).into(), value.to_vec()));
        Record {
            key: if n % 7 == 0 { nothing() } else { text("key") },
            value: if n % 11 == 0 { nothing() } else { text("value") },
            headers: headers.collect(),
            timestamp: begin + Duration::from_millis(10 * n as u64),
        }
    };
    (0..1000).map(shape).collect()
}

/// Reads from `offset` on until so many have come.
pub(crate) async fn read(
    partition: &PartitionClient,
    offset: i64,
    count: usize,
) -> Outcome<Vec<RecordAndOffset>> {
    let mut received: Vec<RecordAndOffset> = Vec::new();
    let mut empty = 0;
    while received.len() < count {
        let next = received.last().map_or(offset, |last| last.offset + 1);
        let (records, _) = partition.fetch_records(next, 1..FETCH_BYTES_MAX, FETCH_WAIT_MS).await?;
        empty = if records.is_empty() { empty + 1 } else { 0 };
        if empty > EMPTY_FETCHES_MAX {
            let what = format!("{} records came, not {count}", received.len());
            return Err(Failure::Wrong(what));
        }
        received.extend(records);
    }
    Ok(received)
}

/// Reads exactly the records that were sent, the first of them at `offset`.
pub(crate) async fn check_read(
    partition: &PartitionClient,
    offset: i64,
    sent: &[Record],
) -> Outcome {
    let received = read(partition, offset, sent.len()).await?;
    check("records received", received.len(), sent.len())?;
    for ((at, came), record) in (offset..).zip(&received).zip(sent) {
        check("offset", came.offset, at)?;
        check(&format!("record {at}"), &came.record, record)?;
    }
    Ok(())
}
