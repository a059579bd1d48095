//! `CreateTopics`.
use pagi_protocol::TopicName;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreatableTopicResult, CreateTopicsRequest,
    CreateTopicsResponse,
};
use pagi_protocol::kafka::wire::Uuid;

use crate::broker::context::Context;
use crate::limits::PARTITIONS_PER_TOPIC_MAX;

/// The broker's default, in place of a number.
const DEFAULT: i32 = -1;
/// Settings that say what this broker does anyway, with the value that does.
const SETTINGS: &[(&str, &str)] =
    &[("cleanup.policy", "delete"), ("compression.type", "producer"), ("min.insync.replicas", "1")];

/// Makes each topic that can be made.
pub async fn respond(context: &Context, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let made = create(context, &topic, request.validate_only).await;
        topics.push(result(context, topic.name, made));
    }
    CreateTopicsResponse { topics, ..CreateTopicsResponse::default() }
}

async fn create(
    context: &Context,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<u32, (KafkaCode, String)> {
    let name = TopicName::parse(&topic.name)
        .map_err(|error| (KafkaCode::InvalidTopicException, error.detail().to_owned()))?;
    let partitions = partitions(context, topic)?;
    if context.topic(&topic.name).is_some() {
        return Err((KafkaCode::TopicAlreadyExists, format!("topic '{name}' exists")));
    }
    if !validate_only {
        let failed = |code| (code, format!("topic '{name}' could not be made: {code:?}"));
        context.create_topic(&name, partitions).await.map_err(failed)?;
    }
    Ok(partitions)
}

fn partitions(context: &Context, topic: &CreatableTopic) -> Result<u32, (KafkaCode, String)> {
    if !topic.assignments.is_empty() {
        let words = "there is one broker: leave the replica assignment out";
        return Err((KafkaCode::InvalidReplicaAssignment, words.to_owned()));
    }
    if !matches!(topic.replication_factor, -1 | 1) {
        let words = "there is one broker: the replication factor can only be 1";
        return Err((KafkaCode::InvalidReplicationFactor, words.to_owned()));
    }
    if let Some(setting) = topic.configs.iter().find(|setting| !is_honoured(setting)) {
        let value = setting.value.as_deref().unwrap_or("null");
        let words = format!("the setting {}={value} is not supported", setting.name);
        return Err((KafkaCode::InvalidConfig, words));
    }
    if topic.num_partitions == DEFAULT {
        return Ok(context.config.default_partitions);
    }
    u32::try_from(topic.num_partitions)
        .ok()
        .filter(|count| (1..=PARTITIONS_PER_TOPIC_MAX).contains(count))
        .ok_or_else(|| {
            let words = format!("a topic has 1 to {PARTITIONS_PER_TOPIC_MAX} partitions");
            (KafkaCode::InvalidPartitions, words)
        })
}

fn is_honoured(setting: &CreatableTopicConfig) -> bool {
    let value = setting.value.as_deref().unwrap_or_default();
    SETTINGS.contains(&(setting.name.as_str(), value))
}

fn result(
    context: &Context,
    name: String,
    made: Result<u32, (KafkaCode, String)>,
) -> CreatableTopicResult {
    match made {
        Ok(partitions) => CreatableTopicResult {
            topic_id: context.topic(&name).map_or(Uuid::default(), |t| Uuid(t.made.uuid)),
            name,
            num_partitions: i32::try_from(partitions).unwrap_or(DEFAULT),
            replication_factor: 1,
            ..CreatableTopicResult::default()
        },
        Err((code, words)) => CreatableTopicResult {
            name,
            error_code: code.number(),
            error_message: Some(words),
            ..CreatableTopicResult::default()
        },
    }
}
