//! What `topics create`, `delete` and `set` do.
//!
//! **Invariants.** A change that the controller made is told as done, and the command ends when
//! the brokers show it: the next command finds it. Brokers that take too long are not waited for.
//!
//! **References.** KIP-464 (the broker's default of partitions and replicas), KIP-339 (changing
//! some settings).
use std::io::Write;
use std::time::Duration;

use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
};
use pagi_protocol::kafka::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};
use pagi_protocol::kafka::messages::delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
use pagi_protocol::kafka::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use serde_json::json;

use super::admin::{Admin, End};
use super::error::OperateError;
use super::table::{Format, Table, print};
use super::topic_args::{Create, Delete, Set};
use crate::limits::{ADMIN_LOOK_INTERVAL, ADMIN_PATIENCE_MS};

const CREATE_TOPICS_VERSION: i16 = 4;
const DELETE_TOPICS_VERSION: i16 = 4;
const CREATE_PARTITIONS_VERSION: i16 = 1;
const INCREMENTAL_ALTER_CONFIGS_VERSION: i16 = 0;
const DONE: i16 = KafkaCode::None.number();
const TOPIC: i8 = 2;
const SET: i8 = 0;
const BACK_TO_DEFAULT: i8 = 1;
const BY_DEFAULT: i8 = -1;

/// What became of each topic.
struct Results {
    table: Table,
    errors: Vec<OperateError>,
}

impl Results {
    const fn new() -> Self {
        Self { table: Table::new(&["topic", "result"]), errors: Vec::new() }
    }

    fn add(&mut self, topic: &str, result: Result<&str, OperateError>) {
        match result {
            Ok(done) => self.table.push([json!(topic), json!(done)]),
            Err(error) => {
                self.table.push([json!(topic), json!("failed")]);
                self.errors.push(error);
            }
        }
    }

    fn print(self, format: Format, out: &mut dyn Write) -> Result<(), OperateError> {
        print(out, format, &self.table)?;
        OperateError::all(self.errors)
    }
}

/// Creates topics.
pub(super) async fn create(
    admin: &Admin,
    create: &Create,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), OperateError> {
    let configs = create.settings.iter().map(|setting| CreatableTopicConfig {
        name: setting.key.clone(),
        value: Some(setting.value.clone()),
    });
    let configs: Vec<_> = configs.collect();
    let topics = create.topics.iter().map(|name| CreatableTopic {
        name: name.clone(),
        num_partitions: create.partitions.unwrap_or(BY_DEFAULT.into()),
        replication_factor: create.replicas.unwrap_or(BY_DEFAULT.into()),
        configs: configs.clone(),
        ..CreatableTopic::default()
    });
    let request = CreateTopicsRequest {
        topics: topics.collect(),
        timeout_ms: ADMIN_PATIENCE_MS,
        validate_only: false,
    };
    let answer: CreateTopicsResponse =
        admin.ask_controller(&request, CREATE_TOPICS_VERSION).await?;
    let created = answer.topics.iter().filter(|topic| topic.error_code == DONE);
    let created: Vec<_> = created.map(|topic| topic.name.clone()).collect();
    await_shown(admin, &created, Shown::WithPartitions(create.partitions.unwrap_or(1))).await;
    let mut results = Results::new();
    for topic in answer.topics {
        let existed = topic.error_code == KafkaCode::TopicAlreadyExists.number();
        let result = if existed && create.if_not_exists {
            Ok("exists")
        } else {
            let said = topic.error_message.as_deref();
            OperateError::of_topic(&topic.name, topic.error_code, said).map(|()| "created")
        };
        results.add(&topic.name, result);
    }
    results.print(format, out)
}

/// Deletes topics.
pub(super) async fn delete(
    admin: &Admin,
    delete: &Delete,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), OperateError> {
    let request = DeleteTopicsRequest {
        topic_names: delete.topics.clone(),
        timeout_ms: ADMIN_PATIENCE_MS,
        ..DeleteTopicsRequest::default()
    };
    let answer: DeleteTopicsResponse =
        admin.ask_controller(&request, DELETE_TOPICS_VERSION).await?;
    let deleted = answer.responses.iter().filter(|topic| topic.error_code == DONE);
    let deleted: Vec<_> = deleted.filter_map(|topic| topic.name.clone()).collect();
    await_shown(admin, &deleted, Shown::Gone).await;
    let mut results = Results::new();
    for topic in answer.responses {
        let name = topic.name.unwrap_or_default();
        let missing = topic.error_code == KafkaCode::UnknownTopicOrPartition.number();
        let result = if missing && delete.if_exists {
            Ok("not there")
        } else {
            OperateError::of_topic(&name, topic.error_code, None).map(|()| "deleted")
        };
        results.add(&name, result);
    }
    results.print(format, out)
}

/// Changes settings first, then partitions: what may be refused comes before what cannot be
/// taken back.
pub(super) async fn set(
    admin: &Admin,
    set: &Set,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), OperateError> {
    // Kafka keeps settings for topics that it does not have.
    for topic in admin.cluster(Some(std::slice::from_ref(&set.topic))).await?.topics {
        OperateError::of_topic(&set.topic, topic.error_code, None)?;
    }
    if !set.settings.is_empty() || !set.unset.is_empty() {
        change_settings(admin, set).await?;
    }
    if let Some(count) = set.partitions {
        add_partitions(admin, &set.topic, count).await?;
        let topic = std::slice::from_ref(&set.topic);
        await_shown(admin, topic, Shown::WithPartitions(count)).await;
    }
    let mut results = Results::new();
    results.add(&set.topic, Ok("changed"));
    results.print(format, out)
}

async fn change_settings(admin: &Admin, set: &Set) -> Result<(), OperateError> {
    let set_to = set.settings.iter().map(|setting| AlterableConfig {
        name: setting.key.clone(),
        config_operation: SET,
        value: Some(setting.value.clone()),
    });
    let unset = set.unset.iter().map(|key| AlterableConfig {
        name: key.clone(),
        config_operation: BACK_TO_DEFAULT,
        value: None,
    });
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: TOPIC,
            resource_name: set.topic.clone(),
            configs: set_to.chain(unset).collect(),
        }],
        validate_only: false,
    };
    let answer: IncrementalAlterConfigsResponse =
        admin.ask_controller(&request, INCREMENTAL_ALTER_CONFIGS_VERSION).await?;
    answer.responses.iter().try_for_each(|topic| {
        OperateError::of_topic(&set.topic, topic.error_code, topic.error_message.as_deref())
    })
}

async fn add_partitions(admin: &Admin, topic: &str, count: i32) -> Result<(), OperateError> {
    let request = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic { name: topic.to_owned(), count, assignments: None }],
        timeout_ms: ADMIN_PATIENCE_MS,
        validate_only: false,
    };
    let answer: CreatePartitionsResponse =
        admin.ask_controller(&request, CREATE_PARTITIONS_VERSION).await?;
    answer.results.iter().try_for_each(|result| {
        OperateError::of_topic(topic, result.error_code, result.error_message.as_deref())
    })
}

/// What brokers are to show of topics.
#[derive(Debug, Clone, Copy)]
enum Shown {
    /// At least so many partitions of each, all of them led.
    WithPartitions(i32),
    /// None of them.
    Gone,
}

/// Waits until brokers show a change that was made, for no longer than it was given to be made.
async fn await_shown(admin: &Admin, topics: &[String], shown: Shown) {
    let looking = async {
        while !is_shown(admin, topics, shown).await {
            tokio::time::sleep(ADMIN_LOOK_INTERVAL).await;
        }
    };
    let patience = Duration::from_millis(ADMIN_PATIENCE_MS.unsigned_abs().into());
    if !topics.is_empty() && tokio::time::timeout(patience, looking).await.is_err() {
        tracing::warn!(?topics, "done, but brokers do not show it yet");
    }
}

/// Whether it is so; a broker that cannot be asked does not show it.
async fn is_shown(admin: &Admin, topics: &[String], shown: Shown) -> bool {
    let Ok(cluster) = admin.cluster(Some(topics)).await else { return false };
    match shown {
        Shown::Gone => cluster.topics.iter().all(|topic| topic.error_code != DONE),
        Shown::WithPartitions(count) => {
            let whole = cluster.topics.iter().all(|topic| {
                topic.error_code == DONE
                    && i32::try_from(topic.partitions.len()).is_ok_and(|there| there >= count)
                    && topic.partitions.iter().all(|partition| partition.leader_id >= 0)
            });
            whole && admin.ends(&cluster, End::Latest).await.is_ok()
        }
    }
}
