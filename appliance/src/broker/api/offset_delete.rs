//! `OffsetDelete`: a group's progress in some partitions is forgotten.
//!
//! **References.** KIP-496.
use std::collections::BTreeSet;

use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};

use crate::broker::context::Context;
use crate::broker::store::writer::Command;
use crate::core::group::state::{Group, Phase};
use crate::core::group::subscription;

/// What consumers are to each other.
const CONSUMER: &str = "consumer";

/// Answers when it is forgotten durably.
pub async fn respond(context: &Context, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let mut response = OffsetDeleteResponse::default();
    let subscribed = match subscribed(context, &request.group_id) {
        Ok(subscribed) => subscribed,
        Err(code) => {
            response.error_code = code.number();
            return response;
        }
    };
    let mut deleted = Vec::new();
    for topic in request.topics {
        let found = context.topic(&topic.name);
        let in_use = subscribed.contains(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in topic.partitions {
            let partition_index = wanted.partition_index;
            let partition = found.as_ref().and_then(|topic| topic.partition(partition_index));
            let code = match partition {
                None => KafkaCode::UnknownTopicOrPartition,
                Some(_) if in_use => KafkaCode::GroupSubscribedToTopic,
                Some(partition) => {
                    deleted.push(partition.id);
                    KafkaCode::None
                }
            };
            let error_code = code.number();
            partitions.push(OffsetDeleteResponsePartition { partition_index, error_code });
        }
        response.topics.push(OffsetDeleteResponseTopic { name: topic.name, partitions });
    }
    if !deleted.is_empty() {
        let group = request.group_id;
        let command = Command::DeleteOffsets { group, partitions: deleted };
        if !matches!(context.store.execute(command).await, Ok(Ok(_))) {
            response.topics.clear();
            response.error_code = KafkaCode::CoordinatorNotAvailable.number();
        }
    }
    response
}

/// The topics that the group's members consume: their progress stays.
fn subscribed(context: &Context, group: &str) -> Result<BTreeSet<String>, KafkaCode> {
    if let Some(found) = context.groups.look(group, topics) {
        return found;
    }
    let (known, _) = context.store.view().groups.known(group);
    if known { Ok(BTreeSet::new()) } else { Err(KafkaCode::GroupIdNotFound) }
}

fn topics<T>(group: &Group<T>) -> Result<BTreeSet<String>, KafkaCode> {
    if group.phase() == Phase::Empty {
        return Ok(BTreeSet::new());
    }
    if group.protocol_type() != Some(CONSUMER) {
        return Err(KafkaCode::NonEmptyGroup);
    }
    let subscriptions = group.members().flat_map(|member| &member.protocols);
    Ok(subscriptions.flat_map(|(_, metadata)| subscription::topics(metadata)).collect())
}
