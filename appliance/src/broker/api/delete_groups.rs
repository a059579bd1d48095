//! `DeleteGroups`: a group without members goes, with all its progress.
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::delete_groups::{
    DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse,
};

use crate::broker::context::Context;

/// Answers for each group when it is gone durably.
pub async fn respond(context: &Context, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut response = DeleteGroupsResponse::default();
    for group_id in request.groups_names {
        let error_code = delete(context, &group_id).await.number();
        response.results.push(DeletableGroupResult { group_id, error_code });
    }
    response
}

async fn delete(context: &Context, group: &str) -> KafkaCode {
    let (kept, _) = context.store.view().groups.known(group);
    if !kept && context.groups.look(group, |_| ()).is_none() {
        return KafkaCode::GroupIdNotFound;
    }
    context.groups.delete(group).await.err().unwrap_or(KafkaCode::None)
}
