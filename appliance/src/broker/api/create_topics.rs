//! `CreateTopics`.
use pagi_protocol::TopicName;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest,
    CreateTopicsResponse,
};
use pagi_protocol::kafka::wire::Uuid;

use crate::broker::context::{Context, NODE_ID};
use crate::broker::resource::{self, Refused};
use crate::core::log::settings::TopicSettings;
use crate::limits::PARTITIONS_PER_TOPIC_MAX;

/// The broker's default, in place of a number.
const DEFAULT: i32 = -1;

/// A topic that was made, or could be.
struct Made {
    partitions: u32,
    settings: TopicSettings,
}

/// Makes each topic that can be made.
pub async fn respond(context: &Context, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let names: Vec<String> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let made = if names.iter().filter(|name| **name == topic.name).count() > 1 {
            Err((KafkaCode::InvalidRequest, "Duplicate topic name.".to_owned()))
        } else {
            create(context, &topic, request.validate_only).await
        };
        topics.push(result(context, topic.name, made));
    }
    CreateTopicsResponse { topics, ..CreateTopicsResponse::default() }
}

async fn create(
    context: &Context,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<Made, Refused> {
    let name = TopicName::parse(&topic.name)
        .map_err(|error| (KafkaCode::InvalidTopicException, error.detail().to_owned()))?;
    let partitions = partitions(context, topic)?;
    let mut settings = TopicSettings::default();
    for setting in &topic.configs {
        let Some(value) = &setting.value else {
            let words = format!("Null value not supported for topic configs: {}", setting.name);
            return Err((KafkaCode::InvalidConfig, words));
        };
        let set = settings.set(&setting.name, Some(value));
        set.map_err(|error| resource::invalid(&error))?;
    }
    if context.topic(&topic.name).is_some() {
        return Err((KafkaCode::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
    }
    if !validate_only {
        let failed = |code| (code, format!("topic '{name}' could not be made: {code:?}"));
        context.create_topic(&name, partitions, settings.clone()).await.map_err(failed)?;
    }
    Ok(Made { partitions, settings })
}

fn partitions(context: &Context, topic: &CreatableTopic) -> Result<u32, Refused> {
    if !matches!(topic.replication_factor, -1 | 1) {
        let words = "there is one broker: the replication factor can only be 1";
        return Err((KafkaCode::InvalidReplicationFactor, words.to_owned()));
    }
    let assigned = topic.assignments.len();
    let wanted = match topic.num_partitions {
        DEFAULT if assigned > 0 => assigned_partitions(topic)?,
        _ if assigned > 0 => {
            let words = "Both assignments and a number of partitions were given.";
            return Err((KafkaCode::InvalidRequest, words.to_owned()));
        }
        DEFAULT => return Ok(context.config.default_partitions),
        wanted => u32::try_from(wanted).unwrap_or(0),
    };
    if (1..=PARTITIONS_PER_TOPIC_MAX).contains(&wanted) {
        return Ok(wanted);
    }
    let words = format!("a topic has 1 to {PARTITIONS_PER_TOPIC_MAX} partitions");
    Err((KafkaCode::InvalidPartitions, words))
}

/// As many as were assigned, each to this broker, numbered without a gap.
fn assigned_partitions(topic: &CreatableTopic) -> Result<u32, Refused> {
    let mut indexes: Vec<i32> = topic.assignments.iter().map(|a| a.partition_index).collect();
    indexes.sort_unstable();
    let in_order = (0..).zip(&indexes).all(|(wanted, index)| wanted == *index);
    if !in_order || topic.assignments.iter().any(|assigned| assigned.broker_ids != [NODE_ID]) {
        let words = format!("Partitions are numbered from 0, and each is on broker {NODE_ID}.");
        return Err((KafkaCode::InvalidReplicaAssignment, words));
    }
    Ok(u32::try_from(indexes.len()).unwrap_or(u32::MAX))
}

fn result(context: &Context, name: String, made: Result<Made, Refused>) -> CreatableTopicResult {
    match made {
        Ok(made) => {
            let shown = resource::of_topic(&made.settings, &context.config).into_iter();
            let configs = shown.map(|shown| CreatableTopicConfigs {
                name: shown.name.to_owned(),
                value: Some(shown.value),
                read_only: shown.read_only,
                config_source: shown.source as i8,
                is_sensitive: false,
            });
            CreatableTopicResult {
                topic_id: context.topic(&name).map_or(Uuid::default(), |t| Uuid(t.made.uuid)),
                name,
                num_partitions: i32::try_from(made.partitions).unwrap_or(DEFAULT),
                replication_factor: 1,
                configs: Some(configs.collect()),
                ..CreatableTopicResult::default()
            }
        }
        Err((code, words)) => CreatableTopicResult {
            name,
            error_code: code.number(),
            error_message: Some(words),
            ..CreatableTopicResult::default()
        },
    }
}
