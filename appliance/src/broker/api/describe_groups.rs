//! `DescribeGroups`: a group's members and their assignments.
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};

use crate::broker::context::Context;
use crate::core::group::member::Member;
use crate::core::group::state::{Group, Phase};

/// From this version on a group that is not there is an error; before, it was described as dead
/// (KIP-1043).
const FIRST_VERSION_WITH_ERROR: i16 = 6;

/// Answers for each group.
#[must_use]
pub fn respond(
    context: &Context,
    request: DescribeGroupsRequest,
    version: i16,
) -> DescribeGroupsResponse {
    let groups = request.groups.into_iter().map(|group_id| describe(context, group_id, version));
    DescribeGroupsResponse { throttle_time_ms: 0, groups: groups.collect() }
}

fn describe(context: &Context, group_id: String, version: i16) -> DescribedGroup {
    if let Some(described) = context.groups.look(&group_id, described) {
        return DescribedGroup { group_id, ..described };
    }
    let (known, _) = context.store.view().groups.known(&group_id);
    if known {
        // It has committed, and never had members.
        let group_state = Phase::Empty.name().to_owned();
        return DescribedGroup { group_id, group_state, ..DescribedGroup::default() };
    }
    let mut missing = DescribedGroup { group_state: "Dead".to_owned(), ..Default::default() };
    if version >= FIRST_VERSION_WITH_ERROR {
        missing.error_code = KafkaCode::GroupIdNotFound.number();
        missing.error_message = Some(format!("Group {group_id} not found."));
    }
    DescribedGroup { group_id, ..missing }
}

fn described<T>(group: &Group<T>) -> DescribedGroup {
    let stable = group.phase() == Phase::Stable;
    let protocol = group.protocol().filter(|_| stable).unwrap_or_default();
    let member = |member: &Member<T>| DescribedGroupMember {
        member_id: member.id.clone(),
        group_instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        member_metadata: member.metadata(protocol),
        member_assignment: if stable { member.assignment.clone() } else { bytes::Bytes::new() },
    };
    DescribedGroup {
        group_state: group.phase().name().to_owned(),
        protocol_type: group.protocol_type().unwrap_or_default().to_owned(),
        protocol_data: protocol.to_owned(),
        members: group.members().map(member).collect(),
        ..DescribedGroup::default()
    }
}
