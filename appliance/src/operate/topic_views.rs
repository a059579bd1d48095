//! What `topics list` and `topics describe` show.
//!
//! **References.** KIP-226 (where a setting's value comes from).
use std::collections::BTreeMap;
use std::io::Write;

use pagi_protocol::kafka::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse,
};
use pagi_protocol::kafka::messages::metadata::{MetadataResponse, MetadataTopic};
use serde_json::{Value, json};

use super::admin::{Admin, End};
use super::error::OperateError;
use super::table::{Format, Table, print, print_all};

const DESCRIBE_CONFIGS_VERSION: i16 = 2;
const TOPIC: i8 = 2;
const SET_ON_THE_TOPIC: i8 = 1;
const DEFAULT: i8 = 5;

type Offsets = BTreeMap<(String, i32), i64>;

/// All topics.
pub(super) async fn list(
    admin: &Admin,
    internal: bool,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), OperateError> {
    let mut topics = admin.cluster(None).await?.topics;
    topics.retain(|topic| internal || !topic.is_internal);
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    let mut table = Table::new(&["topic", "partitions", "replicas", "without_leader"]);
    for topic in topics {
        let partitions = &topic.partitions;
        let replicas = partitions.iter().map(|partition| partition.replica_nodes.len()).max();
        let without_leader = partitions.iter().filter(|partition| partition.leader_id < 0).count();
        table.push([
            json!(topic.name),
            json!(partitions.len()),
            json!(replicas.unwrap_or(0)),
            json!(without_leader),
        ]);
    }
    Ok(print(out, format, &table)?)
}

/// Topics with their partitions and settings. Those that exist are shown, whatever else was named.
pub(super) async fn describe(
    admin: &Admin,
    topics: &[String],
    all_settings: bool,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), OperateError> {
    let mut cluster = admin.cluster(Some(topics)).await?;
    let mut errors = Vec::new();
    cluster.topics.retain(|topic| {
        let name = topic.name.as_deref().unwrap_or_default();
        let found = OperateError::of_topic(name, topic.error_code, None);
        found.map_err(|error| errors.push(error)).is_ok()
    });
    if !cluster.topics.is_empty() {
        let earliest = admin.ends(&cluster, End::Earliest).await?;
        let latest = admin.ends(&cluster, End::Latest).await?;
        let settings = settings(admin, &cluster.topics, all_settings).await?;
        let partitions = partitions(&mut cluster, &earliest, &latest);
        print_all(out, format, &[("partitions", partitions), ("settings", settings)])?;
    }
    OperateError::all(errors)
}

fn partitions(cluster: &mut MetadataResponse, earliest: &Offsets, latest: &Offsets) -> Table {
    let mut table =
        Table::new(&["topic", "partition", "leader", "replicas", "in_sync", "earliest", "latest"]);
    cluster.topics.sort_by(|a, b| a.name.cmp(&b.name));
    for topic in &mut cluster.topics {
        let name = topic.name.clone().unwrap_or_default();
        topic.partitions.sort_by_key(|partition| partition.partition_index);
        for partition in &topic.partitions {
            let id = (name.clone(), partition.partition_index);
            let leader = (partition.leader_id >= 0).then_some(partition.leader_id);
            table.push([
                json!(name),
                json!(partition.partition_index),
                json!(leader),
                json!(partition.replica_nodes),
                json!(partition.isr_nodes),
                json!(earliest.get(&id)),
                json!(latest.get(&id)),
            ]);
        }
    }
    table
}

async fn settings(
    admin: &Admin,
    topics: &[MetadataTopic],
    all: bool,
) -> Result<Table, OperateError> {
    let resources = topics.iter().filter_map(|topic| topic.name.clone());
    let resources = resources.map(|resource_name| DescribeConfigsResource {
        resource_type: TOPIC,
        resource_name,
        configuration_keys: None,
    });
    let request = DescribeConfigsRequest {
        resources: resources.collect(),
        ..DescribeConfigsRequest::default()
    };
    let mut answer: DescribeConfigsResponse =
        admin.ask_controller(&request, DESCRIBE_CONFIGS_VERSION).await?;
    let mut table = Table::new(&["topic", "setting", "value", "source"]);
    answer.results.sort_by(|a, b| a.resource_name.cmp(&b.resource_name));
    for mut topic in answer.results {
        let said = topic.error_message.as_deref();
        OperateError::of_topic(&topic.resource_name, topic.error_code, said)?;
        topic.configs.sort_by(|a, b| a.name.cmp(&b.name));
        for setting in topic.configs {
            if all || setting.config_source == SET_ON_THE_TOPIC {
                table.push([
                    json!(topic.resource_name),
                    json!(setting.name),
                    setting.value.map_or(Value::Null, Value::String),
                    json!(source(setting.config_source)),
                ]);
            }
        }
    }
    Ok(table)
}

const fn source(number: i8) -> &'static str {
    match number {
        SET_ON_THE_TOPIC => "topic",
        DEFAULT => "default",
        _ => "broker",
    }
}

#[cfg(test)]
mod tests {
    use pagi_protocol::kafka::messages::metadata::MetadataPartition;

    use super::*;

    #[test]
    fn partitions_are_in_order_and_one_without_a_leader_has_no_offsets() {
        let partition = |partition_index, leader_id| MetadataPartition {
            partition_index,
            leader_id,
            replica_nodes: vec![1, 2],
            isr_nodes: vec![1],
            ..MetadataPartition::default()
        };
        let topic = MetadataTopic {
            name: Some("t".to_owned()),
            partitions: vec![partition(1, -1), partition(0, 1)],
            ..MetadataTopic::default()
        };
        let mut cluster = MetadataResponse { topics: vec![topic], ..MetadataResponse::default() };
        let offsets = |offset| Offsets::from([(("t".to_owned(), 0), offset)]);
        let table = partitions(&mut cluster, &offsets(3), &offsets(14));
        let text = "\
TOPIC  PARTITION  LEADER  REPLICAS  IN-SYNC  EARLIEST  LATEST
t              0       1  1,2       1               3      14
t              1       -  1,2       1               -       -
";
        assert_eq!(table.to_text(), text);
    }
}
