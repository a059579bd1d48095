//! `CreatePartitions`: topics grow; they never shrink.
//!
//! **References.** KIP-195.
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
    CreatePartitionsTopicResult,
};

use crate::broker::context::{Context, NODE_ID};
use crate::broker::resource::{self, Refused};
use crate::broker::store::writer::Command;
use crate::limits::PARTITIONS_PER_TOPIC_MAX;

/// Answers for each topic when its partitions are durable.
pub async fn respond(
    context: &Context,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut response = CreatePartitionsResponse::default();
    for topic in request.topics {
        let grown = grow(context, &topic, request.validate_only).await;
        let (error_code, error_message) = resource::told(grown);
        let name = topic.name;
        response.results.push(CreatePartitionsTopicResult { name, error_code, error_message });
    }
    response
}

async fn grow(
    context: &Context,
    wanted: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), Refused> {
    let topic = resource::topic(context, &wanted.name)?;
    let has = topic.made.partitions;
    let invalid = |words: String| Err((KafkaCode::InvalidPartitions, words));
    let count = match u32::try_from(wanted.count) {
        Ok(count) if count == has => {
            return invalid(format!("Topic already has {has} partition(s)."));
        }
        Ok(count) if count > has => count,
        _ => {
            let count = wanted.count;
            return invalid(format!(
                "The topic {} currently has {has} partition(s); {count} would not be an increase.",
                wanted.name
            ));
        }
    };
    if count > PARTITIONS_PER_TOPIC_MAX {
        return invalid(format!("A topic has 1 to {PARTITIONS_PER_TOPIC_MAX} partitions."));
    }
    if let Some(assignments) = &wanted.assignments {
        let added = usize::try_from(count - has).unwrap_or(usize::MAX);
        let here = assignments.iter().all(|assignment| assignment.broker_ids == [NODE_ID]);
        if assignments.len() != added || !here {
            let words = format!("Each of {added} new partition(s) goes to broker {NODE_ID}.");
            return Err((KafkaCode::InvalidReplicaAssignment, words));
        }
    }
    if validate_only {
        return Ok(());
    }
    let command = Command::AddPartitions { name: topic.made.name.clone(), partitions: count };
    let failed = |code| (code, format!("the partitions could not be made: {code:?}"));
    context.execute(command).await.map_err(failed)
}
