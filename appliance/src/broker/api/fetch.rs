//! `Fetch`: records from an offset on; waits for them at the durable end of the log.
//!
//! **Invariants.** Only durable records are given. Fetch sessions (KIP-227) are not kept: every
//! answer has session id 0, and every request names all its partitions.
use std::sync::Arc;
use std::time::Duration;

use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::fetch::{
    FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, FetchTopic,
    FetchTopicResponse,
};
use pagi_protocol::kafka::wire::{Records, Uuid};
use tokio::time::Instant;
use tracing::error;

use crate::broker::context::Context;
use crate::broker::epoch::check_epoch;
use crate::broker::store::reader::ReadError;
use crate::broker::store::view::{Partition, Waiter};
use crate::limits::{FETCH_RESPONSE_BYTES_MAX, FETCH_WAIT_MAX};

const READ_COMMITTED: i8 = 1;

/// One topic of the request: its name, or its id.
struct WantedTopic {
    topic: String,
    topic_id: Uuid,
    wanted: Vec<Wanted>,
}

/// One partition of the request.
struct Wanted {
    request: FetchPartition,
    found: Result<Arc<Partition>, KafkaCode>,
}

/// Answers when there is enough, something is wrong, or the client's patience is over.
pub async fn respond(context: &Context, request: FetchRequest) -> FetchResponse {
    if request.session_id != 0 {
        let error_code = KafkaCode::FetchSessionIdNotFound.number();
        return FetchResponse { error_code, ..FetchResponse::default() };
    }
    let read_committed = request.isolation_level == READ_COMMITTED;
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let bytes_min =
        u64::try_from(request.min_bytes).unwrap_or(0).min(FETCH_RESPONSE_BYTES_MAX as u64);
    let topics: Vec<_> = request.topics.into_iter().map(|topic| find(context, topic)).collect();
    wait_for(context, &topics, bytes_min, wait.min(FETCH_WAIT_MAX)).await;
    let mut left = usize::try_from(request.max_bytes).unwrap_or(0).min(FETCH_RESPONSE_BYTES_MAX);
    let mut empty = true;
    let mut response = FetchResponse::default();
    for WantedTopic { topic, topic_id, wanted } in topics {
        let mut partitions = Vec::with_capacity(wanted.len());
        for wanted in &wanted {
            let mut answer = read(context, wanted, left, empty).await;
            // Without transactions none was aborted; who does not ask gets null.
            answer.aborted_transactions = read_committed.then(Vec::new);
            let bytes: usize = answer.records.0.iter().map(bytes::Bytes::len).sum();
            context.metrics.fetched_bytes.inc_by(bytes as u64);
            empty &= bytes == 0;
            left = left.saturating_sub(bytes);
            partitions.push(answer);
        }
        response.responses.push(FetchTopicResponse { topic, topic_id, partitions });
    }
    response
}

/// Looks the partitions up: by the topic's id from version 13 on, where there is no name.
fn find(context: &Context, topic: FetchTopic) -> WantedTopic {
    let FetchTopic { topic: name, topic_id, partitions } = topic;
    let by_id = name.is_empty();
    let found = if by_id { context.topic_by_uuid(topic_id.0) } else { context.topic(&name) };
    let unknown = if by_id && found.is_none() {
        KafkaCode::UnknownTopicId
    } else {
        KafkaCode::UnknownTopicOrPartition
    };
    let wanted = |request: FetchPartition| {
        let partition = found.as_ref().and_then(|topic| topic.partition(request.partition));
        let found = partition
            .cloned()
            .ok_or(unknown)
            .and_then(|p| check_epoch(request.current_leader_epoch).map(|()| p));
        Wanted { request, found }
    };
    WantedTopic { topic: name, topic_id, wanted: partitions.into_iter().map(wanted).collect() }
}

/// Waits until `bytes_min` are there, an answer is an error, or time is up.
async fn wait_for(context: &Context, topics: &[WantedTopic], bytes_min: u64, wait: Duration) {
    let deadline = Instant::now() + wait;
    let wanted = || topics.iter().flat_map(|topic| &topic.wanted);
    loop {
        if available(wanted()) >= bytes_min {
            return;
        }
        let partitions = wanted().filter_map(|w| w.found.as_ref().ok().cloned()).collect();
        let waiter = Waiter::listen(partitions);
        // What came between looking and listening is not told.
        if available(wanted()) >= bytes_min {
            return;
        }
        tokio::select! {
            () = waiter.woken() => {}
            () = tokio::time::sleep_until(deadline) => return,
            () = context.shutdown.requested() => return,
        }
    }
}

/// The bytes that could be given now; no end of them when there is an error to tell.
fn available<'a>(wanted: impl Iterator<Item = &'a Wanted>) -> u64 {
    let bytes = |wanted: &Wanted| {
        let Ok(partition) = &wanted.found else { return u64::MAX };
        let log = partition.log.lock();
        let offset = wanted.request.fetch_offset;
        if offset < log.log_start() || offset > log.high_watermark() || partition.is_deleted() {
            return u64::MAX;
        }
        log.bytes_since(offset)
    };
    wanted.map(bytes).fold(0, u64::saturating_add)
}

/// Reads one partition. The first records of a response are given whatever the limits say.
async fn read(
    context: &Context,
    wanted: &Wanted,
    left: usize,
    empty: bool,
) -> FetchPartitionResponse {
    let mut answer = FetchPartitionResponse {
        partition_index: wanted.request.partition,
        ..FetchPartitionResponse::default()
    };
    let partition = match &wanted.found {
        Ok(partition) if !partition.is_deleted() => partition,
        Ok(_) => return failed(answer, KafkaCode::UnknownTopicOrPartition),
        Err(code) => return failed(answer, *code),
    };
    {
        let log = partition.log.lock();
        answer.high_watermark = log.high_watermark();
        answer.last_stable_offset = log.high_watermark();
        answer.log_start_offset = log.log_start();
    }
    if left == 0 && !empty {
        return answer;
    }
    let bytes_max = usize::try_from(wanted.request.partition_max_bytes).unwrap_or(0).min(left);
    match context.store.read(partition, wanted.request.fetch_offset, bytes_max).await {
        Ok(batches) => {
            let bytes: usize = batches.iter().map(bytes::Bytes::len).sum();
            if bytes <= left || empty {
                answer.records = Records(batches);
            }
            answer
        }
        Err(ReadError::OutOfRange) => failed(answer, KafkaCode::OffsetOutOfRange),
        Err(error) => {
            error!(%error, partition = %partition.id, "records could not be read");
            failed(answer, KafkaCode::KafkaStorageError)
        }
    }
}

fn failed(mut answer: FetchPartitionResponse, code: KafkaCode) -> FetchPartitionResponse {
    answer.error_code = code.number();
    answer
}
