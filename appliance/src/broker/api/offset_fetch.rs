//! `OffsetFetch`: what groups committed.
use pagi_protocol::kafka::messages::offset_fetch::{
    OffsetFetchGroupResponse, OffsetFetchPartitionResponse, OffsetFetchRequest,
    OffsetFetchResponse, OffsetFetchTopic, OffsetFetchTopicResponse,
};

use crate::broker::context::Context;
use crate::core::log::entry::CommittedOffset;

/// From this version on, a request asks for several groups.
const FIRST_VERSION_WITH_GROUPS: i16 = 8;

/// Answers.
#[must_use]
pub fn respond(
    context: &Context,
    request: OffsetFetchRequest,
    version: i16,
) -> OffsetFetchResponse {
    let mut response = OffsetFetchResponse::default();
    if version < FIRST_VERSION_WITH_GROUPS {
        response.topics = committed(context, &request.group_id, request.topics);
        return response;
    }
    for group in request.groups {
        let topics = committed(context, &group.group_id, group.topics);
        response.groups.push(OffsetFetchGroupResponse {
            group_id: group.group_id,
            topics,
            ..OffsetFetchGroupResponse::default()
        });
    }
    response
}

fn committed(
    context: &Context,
    group: &str,
    topics: Option<Vec<OffsetFetchTopic>>,
) -> Vec<OffsetFetchTopicResponse> {
    let Some(topics) = topics else { return all(context, group) };
    let one = |topic: OffsetFetchTopic| {
        let found = context.topic(&topic.name);
        let partition = |index: i32| {
            let id = found.as_ref().and_then(|topic| topic.partition(index)).map(|p| p.id);
            answer(index, id.and_then(|id| context.store.view().groups.committed(group, id)))
        };
        let partitions = topic.partition_indexes.into_iter().map(partition).collect();
        OffsetFetchTopicResponse { name: topic.name, partitions }
    };
    topics.into_iter().map(one).collect()
}

fn all(context: &Context, group: &str) -> Vec<OffsetFetchTopicResponse> {
    let mut topics: Vec<OffsetFetchTopicResponse> = Vec::new();
    for (id, committed) in context.store.view().groups.committed_by(group) {
        let Some(topic) = context.store.view().topic_by_id(id.topic) else { continue };
        let name = topic.made.name.as_str();
        if topics.last().is_none_or(|last| last.name != name) {
            topics.push(OffsetFetchTopicResponse { name: name.to_owned(), partitions: vec![] });
        }
        let index = i32::try_from(id.index).unwrap_or(i32::MAX);
        if let Some(last) = topics.last_mut() {
            last.partitions.push(answer(index, Some(committed)));
        }
    }
    topics
}

fn answer(
    partition_index: i32,
    committed: Option<CommittedOffset>,
) -> OffsetFetchPartitionResponse {
    let none = OffsetFetchPartitionResponse {
        partition_index,
        metadata: Some(String::new()),
        ..OffsetFetchPartitionResponse::default()
    };
    committed.map_or(none, |committed| OffsetFetchPartitionResponse {
        partition_index,
        committed_offset: committed.offset,
        committed_leader_epoch: committed.leader_epoch,
        metadata: Some(committed.metadata),
        error_code: 0,
    })
}
