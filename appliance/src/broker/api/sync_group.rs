//! `SyncGroup`: answered when the leader's assignments are durable.
use bytes::Bytes;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::sync_group::{
    SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse,
};

use crate::broker::context::Context;
use crate::core::group::answer::{Answer, Synced};
use crate::core::group::syncing::Syncing;

/// Answers.
pub async fn respond(context: &Context, request: SyncGroupRequest) -> SyncGroupResponse {
    let synced = sync(context, request).await.unwrap_or_else(Synced::failed);
    SyncGroupResponse {
        throttle_time_ms: 0,
        error_code: synced.code.number(),
        protocol_type: synced.protocol_type,
        protocol_name: synced.protocol,
        assignment: synced.assignment,
    }
}

async fn sync(context: &Context, request: SyncGroupRequest) -> Result<Synced, KafkaCode> {
    if request.group_id.is_empty() {
        return Err(KafkaCode::InvalidGroupId);
    }
    // Copied: an assignment lives for longer than the request, whose memory is wanted back.
    let copied = |given: SyncGroupRequestAssignment| {
        (given.member_id, Bytes::copy_from_slice(&given.assignment))
    };
    let assignments = request.assignments.into_iter().map(copied).collect();
    let answer = context.groups.ask(&request.group_id, false, |group, waiting, now_ms| {
        let syncing = Syncing {
            member_id: request.member_id,
            instance_id: request.group_instance_id,
            generation: request.generation_id,
            protocol_type: request.protocol_type,
            protocol: request.protocol_name,
            assignments,
            request: waiting,
        };
        group.sync(syncing, now_ms)
    });
    let answer = answer.await?;
    tokio::select! {
        answer = answer => match answer {
            Ok(Answer::Synced(synced)) => Ok(synced),
            _ => Err(KafkaCode::CoordinatorNotAvailable),
        },
        () = context.shutdown.requested() => Err(KafkaCode::CoordinatorNotAvailable),
    }
}
