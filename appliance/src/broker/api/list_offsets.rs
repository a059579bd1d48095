//! `ListOffsets`: the first, the last, or the first as new as a timestamp.
use std::sync::Arc;

use bytes::Bytes;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};
use pagi_protocol::kafka::record::RecordReader;
use pagi_protocol::kafka::record_batch::{BatchHeader, batches};
use tracing::error;

use crate::broker::context::Context;
use crate::broker::epoch::check_epoch;
use crate::broker::store::reader::ReadError;
use crate::broker::store::view::Partition;
use crate::core::log::ids::LEADER_EPOCH;
use crate::limits::FETCH_RESPONSE_BYTES_MAX;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
/// KIP-734.
const OF_LARGEST_TIMESTAMP: i64 = -3;
/// KIP-405: the first offset on the broker's own disk, which is where all of them are.
const EARLIEST_LOCAL: i64 = -4;
/// KIP-1005: the last offset in remote storage, of which there is none.
const LATEST_TIERED: i64 = -5;

/// An offset and the timestamp of its record; -1 where there is none.
type Found = (i64, i64);
const NOTHING: Found = (-1, -1);

/// Looks up each partition.
pub async fn respond(context: &Context, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let mut response = ListOffsetsResponse::default();
    for topic in request.topics {
        let found = context.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in topic.partitions {
            let partition = found.as_ref().and_then(|t| t.partition(wanted.partition_index));
            let found = look_up(context, partition, &wanted).await;
            partitions.push(answer(wanted.partition_index, found));
        }
        response.topics.push(ListOffsetsTopicResponse { name: topic.name, partitions });
    }
    response
}

fn answer(partition_index: i32, found: Result<Found, KafkaCode>) -> ListOffsetsPartitionResponse {
    let answer = ListOffsetsPartitionResponse { partition_index, ..Default::default() };
    match found {
        Ok((offset, timestamp)) => {
            let leader_epoch = if offset < 0 { -1 } else { LEADER_EPOCH };
            ListOffsetsPartitionResponse { timestamp, offset, leader_epoch, ..answer }
        }
        Err(code) => ListOffsetsPartitionResponse { error_code: code.number(), ..answer },
    }
}

async fn look_up(
    context: &Context,
    partition: Option<&Arc<Partition>>,
    wanted: &ListOffsetsPartition,
) -> Result<Found, KafkaCode> {
    let partition = partition.ok_or(KafkaCode::UnknownTopicOrPartition)?;
    check_epoch(wanted.current_leader_epoch)?;
    let (first, end, largest) = {
        let log = partition.log.lock();
        (log.log_start(), log.high_watermark(), log.max_timestamp())
    };
    let timestamp = match wanted.timestamp {
        LATEST => return Ok((end, -1)),
        EARLIEST | EARLIEST_LOCAL => return Ok((first, -1)),
        LATEST_TIERED => return Ok(NOTHING),
        OF_LARGEST_TIMESTAMP => largest,
        timestamp if timestamp >= 0 => Some(timestamp),
        _ => return Err(KafkaCode::InvalidRequest),
    };
    let Some(timestamp) = timestamp else { return Ok(NOTHING) };
    search(context, partition, timestamp).await.map_err(|error| {
        error!(%error, partition = %partition.id, "records could not be read");
        KafkaCode::KafkaStorageError
    })
}

/// The first record as new as `timestamp`, from the log start on.
async fn search(
    context: &Context,
    partition: &Arc<Partition>,
    timestamp: i64,
) -> Result<Found, ReadError> {
    let _permit = context.search_permits.acquire().await.map_err(|_| ReadError::Ended)?;
    let start = context.store.start_of(partition, timestamp).await?;
    let mut offset = start;
    loop {
        let read = context.store.read(partition, offset, FETCH_RESPONSE_BYTES_MAX).await?;
        if read.is_empty() {
            return Ok(NOTHING);
        }
        for batch in read.into_iter().flat_map(batches) {
            // What the log gives are whole, checked batches.
            let Ok((header, batch)) = batch else { return Ok(NOTHING) };
            offset = header.next_offset();
            if header.max_timestamp < timestamp {
                continue;
            }
            let look = move || first_since(&header, &batch, start, timestamp);
            let found = tokio::task::spawn_blocking(look).await.map_err(|_| ReadError::Ended)?;
            if let Some(found) = found {
                return Ok(found);
            }
        }
    }
}

/// The first record of a batch from `start` on that is as new as `timestamp`. Records that cannot
/// be understood are passed over: their producer made them so.
fn first_since(header: &BatchHeader, batch: &Bytes, start: i64, timestamp: i64) -> Option<Found> {
    if header.has_append_time() {
        return Some((header.base_offset.max(start), header.max_timestamp));
    }
    RecordReader::of_batch(batch)
        .ok()?
        .map_while(Result::ok)
        .find(|(offset, record)| *offset >= start && record.timestamp_ms >= timestamp)
        .map(|(offset, record)| (offset, record.timestamp_ms))
}
