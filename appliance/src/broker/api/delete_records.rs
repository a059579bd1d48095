//! `DeleteRecords`: the log start offset is moved up. It is durable when this is answered.
//!
//! **References.** KIP-107.
use std::sync::Arc;

use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteRecordsTopicResult,
};

use crate::broker::context::Context;
use crate::broker::store::view::Topic;
use crate::broker::store::writer::Command;

/// Up to the high watermark.
const ALL: i64 = -1;

/// Deletes, and tells each partition's first offset afterwards.
pub async fn respond(context: &Context, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut response = DeleteRecordsResponse::default();
    for topic in request.topics {
        let found = context.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in topic.partitions {
            let partition_index = wanted.partition_index;
            let (low_watermark, error_code) = match delete(context, found.as_ref(), &wanted).await {
                Ok(log_start) => (log_start, KafkaCode::None),
                Err(code) => (-1, code),
            };
            let error_code = error_code.number();
            partitions.push(DeleteRecordsPartitionResult {
                partition_index,
                low_watermark,
                error_code,
            });
        }
        response.topics.push(DeleteRecordsTopicResult { name: topic.name, partitions });
    }
    response
}

async fn delete(
    context: &Context,
    topic: Option<&Arc<Topic>>,
    wanted: &DeleteRecordsPartition,
) -> Result<i64, KafkaCode> {
    let partition = topic
        .and_then(|topic| topic.partition(wanted.partition_index))
        .ok_or(KafkaCode::UnknownTopicOrPartition)?;
    let (log_start, high_watermark) = {
        let log = partition.log.lock();
        (log.log_start(), log.high_watermark())
    };
    let offset = if wanted.offset == ALL { high_watermark } else { wanted.offset };
    if !(0..=high_watermark).contains(&offset) {
        return Err(KafkaCode::OffsetOutOfRange);
    }
    if offset > log_start {
        let command = Command::MoveLogStart { partition: partition.id, offset };
        context.execute(command).await?;
    }
    Ok(partition.log.lock().log_start())
}
