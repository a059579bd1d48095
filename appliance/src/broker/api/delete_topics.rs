//! `DeleteTopics`.
use pagi_protocol::TopicName;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use pagi_protocol::kafka::wire::Uuid;

use crate::broker::context::{Context, code_of};
use crate::broker::store::Ended;
use crate::broker::store::writer::Command;

/// Deletes each topic that is there.
pub async fn respond(context: &Context, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let by_name = |name| DeleteTopicState { name: Some(name), ..DeleteTopicState::default() };
    let names = request.topic_names.into_iter().map(by_name);
    let mut responses = Vec::new();
    for topic in request.topics.into_iter().chain(names) {
        responses.push(delete(context, topic).await);
    }
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

async fn delete(context: &Context, wanted: DeleteTopicState) -> DeletableTopicResult {
    let found = match &wanted.name {
        Some(name) => context.topic(name).ok_or(KafkaCode::UnknownTopicOrPartition),
        None => context.topic_by_uuid(wanted.topic_id.0).ok_or(KafkaCode::UnknownTopicId),
    };
    let topic_id = found.as_ref().map_or(wanted.topic_id, |topic| Uuid(topic.made.uuid));
    let name = found.as_ref().map(|topic| topic.made.name.as_str().to_owned()).ok();
    let deleted = match found {
        Ok(topic) => remove(context, topic.made.name.clone()).await,
        Err(code) => Err(code),
    };
    let code = deleted.err().unwrap_or(KafkaCode::None);
    DeletableTopicResult {
        name: name.or(wanted.name),
        topic_id,
        error_code: code.number(),
        error_message: (code != KafkaCode::None).then(|| format!("{code:?}")),
    }
}

async fn remove(context: &Context, name: TopicName) -> Result<(), KafkaCode> {
    match context.store.execute(Command::DeleteTopic(name)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(refusal)) => Err(code_of(refusal)),
        Err(Ended) => Err(KafkaCode::KafkaStorageError),
    }
}
