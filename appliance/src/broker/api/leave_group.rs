//! `LeaveGroup`: members go, and the others share their work.
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::leave_group::{
    LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse,
};

use crate::broker::context::Context;

/// From this version on, a request names several members, and each gets its own error.
const FIRST_VERSION_WITH_MEMBERS: i16 = 3;

/// Answers.
pub async fn respond(
    context: &Context,
    request: LeaveGroupRequest,
    version: i16,
) -> LeaveGroupResponse {
    let mut response = LeaveGroupResponse::default();
    if request.group_id.is_empty() {
        response.error_code = KafkaCode::InvalidGroupId.number();
        return response;
    }
    let leaving = match version < FIRST_VERSION_WITH_MEMBERS {
        true => {
            let member_id = request.member_id;
            vec![MemberIdentity { member_id, ..MemberIdentity::default() }]
        }
        false => request.members,
    };
    let left = context.groups.change(&request.group_id, false, |group, now_ms| {
        let named = leaving.iter().map(|m| (m.member_id.as_str(), m.group_instance_id.as_deref()));
        group.leave(named, now_ms)
    });
    let codes = match left.await {
        Ok(left) => left.into_iter().map(|left| left.err().unwrap_or(KafkaCode::None)).collect(),
        // There is no such group: nobody is a member.
        Err(code) => vec![code; leaving.len()],
    };
    if version < FIRST_VERSION_WITH_MEMBERS {
        response.error_code = codes.first().copied().unwrap_or(KafkaCode::None).number();
        return response;
    }
    let answer = |(member, code): (MemberIdentity, KafkaCode)| MemberResponse {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code: code.number(),
    };
    response.members = leaving.into_iter().zip(codes).map(answer).collect();
    response
}
