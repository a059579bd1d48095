//! `OffsetForLeaderEpoch`: how far a consumer's records are the log's own. There is one epoch, which
//! has not ended.
//!
//! **References.** KIP-320.
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};

use crate::broker::context::Context;
use crate::broker::epoch::check_epoch;
use crate::broker::store::view::Topic;
use crate::core::log::ids::LEADER_EPOCH;

/// Answers for each partition.
#[must_use]
pub fn respond(
    context: &Context,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let mut response = OffsetForLeaderEpochResponse::default();
    for topic in request.topics {
        let found = context.topic(&topic.topic);
        let partitions = topic.partitions.iter().map(|wanted| answer(found.as_deref(), wanted));
        response.topics.push(OffsetForLeaderTopicResult {
            partitions: partitions.collect(),
            topic: topic.topic,
        });
    }
    response
}

fn answer(topic: Option<&Topic>, wanted: &OffsetForLeaderPartition) -> EpochEndOffset {
    let mut answer = EpochEndOffset { partition: wanted.partition, ..EpochEndOffset::default() };
    let partition = topic.and_then(|topic| topic.partition(wanted.partition));
    let known = partition.ok_or(KafkaCode::UnknownTopicOrPartition);
    match known.and_then(|p| check_epoch(wanted.current_leader_epoch).map(|()| p)) {
        // Nothing is known of epochs to come.
        Ok(_) if wanted.leader_epoch != LEADER_EPOCH => {}
        Ok(partition) => {
            answer.leader_epoch = LEADER_EPOCH;
            answer.end_offset = partition.log.lock().high_watermark();
        }
        Err(code) => answer.error_code = code.number(),
    }
    answer
}
