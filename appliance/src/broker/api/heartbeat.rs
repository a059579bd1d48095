//! `Heartbeat`: a member is alive, and learns whether it must join again.
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};

use crate::broker::context::Context;
use crate::core::group::answer::Effects;

/// Answers.
pub async fn respond(context: &Context, request: &HeartbeatRequest) -> HeartbeatResponse {
    let instance_id = request.group_instance_id.as_deref();
    let alive = context.groups.change(&request.group_id, false, |group, now_ms| {
        let alive = group.heartbeat(&request.member_id, instance_id, request.generation_id, now_ms);
        (Effects::default(), alive)
    });
    let code = match alive.await {
        _ if request.group_id.is_empty() => KafkaCode::InvalidGroupId,
        Ok(Ok(())) => KafkaCode::None,
        Ok(Err(code)) | Err(code) => code,
    };
    HeartbeatResponse { throttle_time_ms: 0, error_code: code.number() }
}
