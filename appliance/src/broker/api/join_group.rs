//! `JoinGroup`: answered when the generation begins, which may take a rebalance.
use std::time::Duration;

use bytes::Bytes;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse, JoinGroupResponseMember,
};
use uuid::Uuid;

use crate::broker::context::Context;
use crate::core::group::answer::{Answer, Joined, JoinedMember};
use crate::core::group::joining::Joining;
use crate::limits::{GROUP_NAME_BYTES_MAX, GROUP_SESSION_MS_MAX};

/// From this version on a member joins with an id only (KIP-394).
const FIRST_VERSION_WITH_ID: i16 = 4;
/// From this version on there is a protocol type in the answer, and no protocol can be null.
const FIRST_VERSION_WITH_NULL: i16 = 7;
/// From this version on a leader may be told not to assign (KIP-814).
const FIRST_VERSION_WITH_SKIP: i16 = 9;
/// The longest that the answer may take: a rebalance waits for its slowest member.
const WAIT_MAX: Duration = Duration::from_millis(GROUP_SESSION_MS_MAX.unsigned_abs());

/// Answers; `from` is the client's name for itself, and where it is.
pub async fn respond(
    context: &Context,
    request: JoinGroupRequest,
    version: i16,
    from: (String, String),
) -> JoinGroupResponse {
    let member_id = request.member_id.clone();
    let joined = match join(context, request, version, from).await {
        Ok(joined) => joined,
        Err(code) => Joined::failed(code, member_id),
    };
    let member = |member: JoinedMember| JoinGroupResponseMember {
        member_id: member.id,
        group_instance_id: member.instance_id,
        metadata: member.metadata,
    };
    let nothing = (version < FIRST_VERSION_WITH_NULL).then(String::new);
    JoinGroupResponse {
        throttle_time_ms: 0,
        error_code: joined.code.number(),
        generation_id: joined.generation,
        protocol_type: joined.protocol_type,
        protocol_name: joined.protocol.or(nothing),
        leader: joined.leader,
        skip_assignment: joined.skip_assignment,
        member_id: joined.member_id,
        members: joined.members.into_iter().map(member).collect(),
    }
}

async fn join(
    context: &Context,
    request: JoinGroupRequest,
    version: i16,
    (client_id, client_host): (String, String),
) -> Result<Joined, KafkaCode> {
    if request.group_id.is_empty() || request.group_id.len() > GROUP_NAME_BYTES_MAX {
        return Err(KafkaCode::InvalidGroupId);
    }
    let session_timeout_ms = i64::from(request.session_timeout_ms);
    let rebalance_timeout_ms = match i64::from(request.rebalance_timeout_ms) {
        // Version 0 has but one timeout.
        -1 => session_timeout_ms,
        timeout_ms => timeout_ms.clamp(0, GROUP_SESSION_MS_MAX),
    };
    let name = request.group_instance_id.as_deref().unwrap_or(&client_id);
    let short = name.get(..name.floor_char_boundary(GROUP_NAME_BYTES_MAX)).unwrap_or_default();
    let new_member_id = format!("{short}-{}", Uuid::new_v4());
    let create = request.member_id.is_empty();
    // Copied: a member lives for longer than the request, whose memory is wanted back.
    let copied =
        |known: JoinGroupRequestProtocol| (known.name, Bytes::copy_from_slice(&known.metadata));
    let protocols = request.protocols.into_iter().map(copied).collect();
    let answer = context.groups.ask(&request.group_id, create, |group, waiting, now_ms| {
        let joining = Joining {
            member_id: request.member_id,
            new_member_id,
            instance_id: request.group_instance_id,
            client_id,
            client_host,
            session_timeout_ms,
            rebalance_timeout_ms,
            protocol_type: request.protocol_type,
            protocols,
            needs_id: version >= FIRST_VERSION_WITH_ID,
            may_skip_assignment: version >= FIRST_VERSION_WITH_SKIP,
            request: waiting,
        };
        group.join(joining, now_ms)
    });
    let answer = answer.await?;
    tokio::select! {
        answer = tokio::time::timeout(WAIT_MAX, answer) => match answer {
            Ok(Ok(Answer::Joined(joined))) => Ok(*joined),
            _ => Err(KafkaCode::CoordinatorNotAvailable),
        },
        () = context.shutdown.requested() => Err(KafkaCode::CoordinatorNotAvailable),
    }
}
