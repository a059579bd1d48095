//! `DescribeProducers`: the idempotent producers that a partition remembers.
//!
//! **References.** KIP-664.
use std::sync::Arc;

use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState,
    TopicResponse,
};

use crate::broker::context::Context;
use crate::broker::store::view::Topic;
use crate::core::log::producers::ActiveProducer;

/// Answers for each partition.
pub async fn respond(
    context: &Context,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let mut response = DescribeProducersResponse::default();
    for topic in request.topics {
        let found = context.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for partition_index in topic.partition_indexes {
            let mut answer = PartitionResponse { partition_index, ..PartitionResponse::default() };
            match active(context, found.as_ref(), partition_index).await {
                Ok(active) => answer.active_producers = active.into_iter().map(state).collect(),
                Err(code) => answer.error_code = code.number(),
            }
            partitions.push(answer);
        }
        response.topics.push(TopicResponse { name: topic.name, partitions });
    }
    response
}

async fn active(
    context: &Context,
    topic: Option<&Arc<Topic>>,
    index: i32,
) -> Result<Vec<ActiveProducer>, KafkaCode> {
    let partition =
        topic.and_then(|topic| topic.partition(index)).ok_or(KafkaCode::UnknownTopicOrPartition)?;
    let producers = context.store.producers(partition.id).await;
    producers.map_err(|_ended| KafkaCode::KafkaStorageError)
}

fn state(producer: ActiveProducer) -> ProducerState {
    ProducerState {
        producer_id: producer.producer_id,
        producer_epoch: i32::from(producer.epoch),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.used_ms,
        // No transactions: no coordinator has written a marker.
        coordinator_epoch: -1,
        current_txn_start_offset: -1,
    }
}
