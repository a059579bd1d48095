//! `OffsetCommit`: keeps a consumer's progress, durably.
//!
//! Consumers that assign their partitions themselves commit without membership: generation -1
//! and no member id. That is taken only while the group has no members.
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::offset_commit::{
    OffsetCommitPartition, OffsetCommitPartitionResponse, OffsetCommitRequest,
    OffsetCommitResponse, OffsetCommitTopicResponse,
};

use crate::broker::context::{Context, code_of};
use crate::broker::store::clock::now_ms;
use crate::broker::store::writer::Command;
use crate::core::group::answer::Effects;
use crate::core::log::entry::CommittedOffset;
use crate::core::log::ids::PartitionId;
use crate::limits::{COMMIT_METADATA_BYTES_MAX, GROUP_NAME_BYTES_MAX};

/// Answers when the offsets are durable.
pub async fn respond(context: &Context, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let whole = refuse_all(context, &request).await;
    let mut offsets = Vec::new();
    let mut response = OffsetCommitResponse::default();
    for topic in request.topics {
        let found = context.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in topic.partitions {
            let partition_index = wanted.partition_index;
            let partition = found.as_ref().and_then(|topic| topic.partition(partition_index));
            let checked = match whole {
                Some(code) => Err(code),
                None => check(partition.map(|partition| partition.id), wanted),
            };
            let error_code = checked.as_ref().err().copied().unwrap_or(KafkaCode::None).number();
            offsets.extend(checked);
            partitions.push(OffsetCommitPartitionResponse { partition_index, error_code });
        }
        response.topics.push(OffsetCommitTopicResponse { name: topic.name, partitions });
    }
    let failed = commit(context, request.group_id, offsets).await.err();
    for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        if let (Some(code), 0) = (failed, partition.error_code) {
            partition.error_code = code.number();
        }
    }
    response
}

async fn refuse_all(context: &Context, request: &OffsetCommitRequest) -> Option<KafkaCode> {
    if request.group_id.is_empty() || request.group_id.len() > GROUP_NAME_BYTES_MAX {
        return Some(KafkaCode::InvalidGroupId);
    }
    let generation = request.generation_id_or_member_epoch;
    let instance_id = request.group_instance_id.as_deref();
    let may = context.groups.change(&request.group_id, false, |group, now_ms| {
        let may = group.may_commit(&request.member_id, instance_id, generation, now_ms);
        (Effects::default(), may)
    });
    match may.await {
        Ok(may) => may.err(),
        // There is no such group: it begins with this commit, unless someone claims to be in it.
        Err(_) => (generation >= 0).then_some(KafkaCode::IllegalGeneration),
    }
}

fn check(
    partition: Option<PartitionId>,
    wanted: OffsetCommitPartition,
) -> Result<(PartitionId, CommittedOffset), KafkaCode> {
    let partition = partition.ok_or(KafkaCode::UnknownTopicOrPartition)?;
    let metadata = wanted.committed_metadata.unwrap_or_default();
    if metadata.len() > COMMIT_METADATA_BYTES_MAX {
        return Err(KafkaCode::OffsetMetadataTooLarge);
    }
    let committed = CommittedOffset {
        offset: wanted.committed_offset,
        leader_epoch: wanted.committed_leader_epoch,
        metadata,
        committed_ms: now_ms(),
    };
    Ok((partition, committed))
}

async fn commit(
    context: &Context,
    group: String,
    offsets: Vec<(PartitionId, CommittedOffset)>,
) -> Result<(), KafkaCode> {
    if offsets.is_empty() {
        return Ok(());
    }
    match context.store.execute(Command::CommitOffsets { group, offsets }).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(refusal)) => Err(code_of(refusal)),
        // The client asks again, and finds the broker gone or back.
        Err(_) => Err(KafkaCode::CoordinatorNotAvailable),
    }
}
