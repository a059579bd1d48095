//! `Metadata`: this broker leads everything.
use std::sync::Arc;

use pagi_protocol::TopicName;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::metadata::{
    MetadataBroker, MetadataPartition, MetadataRequest, MetadataRequestTopic, MetadataResponse,
    MetadataTopic,
};
use pagi_protocol::kafka::wire::Uuid;

use crate::broker::config::Endpoint;
use crate::broker::context::{Context, NODE_ID};
use crate::broker::store::view::Topic;
use crate::core::log::ids::LEADER_EPOCH;

/// Answers; makes topics that are missing when both sides want it.
pub async fn respond(
    context: &Context,
    endpoint: &Endpoint,
    request: MetadataRequest,
    version: i16,
) -> MetadataResponse {
    let mut topics = Vec::new();
    match request.topics {
        Some(wanted) if version > 0 || !wanted.is_empty() => {
            for wanted in wanted {
                topics.push(one(context, wanted, request.allow_auto_topic_creation).await);
            }
        }
        _ => topics = context.store.view().topics().iter().map(describe).collect(),
    }
    MetadataResponse {
        brokers: vec![MetadataBroker {
            node_id: NODE_ID,
            host: endpoint.host.clone(),
            port: endpoint.port.into(),
            rack: None,
        }],
        cluster_id: Some(context.store.cluster_id().simple().to_string()),
        controller_id: NODE_ID,
        topics,
        ..MetadataResponse::default()
    }
}

async fn one(context: &Context, wanted: MetadataRequestTopic, create: bool) -> MetadataTopic {
    // Java's admin gives an empty name beside the id.
    let by_id = wanted.topic_id != Uuid::default();
    let Some(name) = wanted.name.filter(|_| !by_id) else {
        return match context.topic_by_uuid(wanted.topic_id.0) {
            Some(topic) => describe(&topic),
            None => failed(None, wanted.topic_id, KafkaCode::UnknownTopicId),
        };
    };
    if let Some(topic) = context.topic(&name) {
        return describe(&topic);
    }
    let code = match TopicName::parse(&name) {
        Err(_) => KafkaCode::InvalidTopicException,
        Ok(topic) if create && context.config.auto_create_topics => {
            match context.auto_create(&topic).await {
                Ok(topic) => return describe(&topic),
                Err(code) => code,
            }
        }
        Ok(_) => KafkaCode::UnknownTopicOrPartition,
    };
    failed(Some(name), Uuid::default(), code)
}

fn failed(name: Option<String>, topic_id: Uuid, code: KafkaCode) -> MetadataTopic {
    MetadataTopic { error_code: code.number(), name, topic_id, ..MetadataTopic::default() }
}

fn describe(topic: &Arc<Topic>) -> MetadataTopic {
    let partition = |index: u32| MetadataPartition {
        partition_index: i32::try_from(index).unwrap_or(i32::MAX),
        leader_id: NODE_ID,
        leader_epoch: LEADER_EPOCH,
        replica_nodes: vec![NODE_ID],
        isr_nodes: vec![NODE_ID],
        ..MetadataPartition::default()
    };
    MetadataTopic {
        name: Some(topic.made.name.as_str().to_owned()),
        topic_id: Uuid(topic.made.uuid),
        partitions: (0..topic.made.partitions).map(partition).collect(),
        ..MetadataTopic::default()
    }
}
