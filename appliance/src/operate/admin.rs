//! A client for commands: asks any broker, the controller, or the leaders of partitions.
//!
//! **Invariants.** Each question has a connection of its own. A change is asked for once: no
//! command makes it twice because an answer got lost.
//!
//! **References.** Kafka protocol guide: `Metadata`, `FindCoordinator`, `ListOffsets`. The versions are those of
//! Kafka 2.4, which every later one speaks.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::exchange::Message;
use pagi_protocol::kafka::messages::find_coordinator::{
    FindCoordinatorRequest, FindCoordinatorResponse,
};
use pagi_protocol::kafka::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use pagi_protocol::kafka::messages::metadata::{
    MetadataBroker, MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataTopic,
};

use super::error::OperateError;
use crate::limits::{ADMIN_ANSWER_BYTES_MAX, ADMIN_LOOK_INTERVAL, ADMIN_PATIENCE_MS};
use crate::router::Connection;
use crate::router::commands::Brokers;

const CLIENT_ID: &str = "pagi-appliance";
const FIND_COORDINATOR_VERSION: i16 = 2;
const METADATA_VERSION: i16 = 7;
const LIST_OFFSETS_VERSION: i16 = 5;

/// Which offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The first offset that is still there.
    Earliest,
    /// The offset that the next record gets.
    Latest,
    /// That of the first record which is not older than these milliseconds since 1970; -1 if there
    /// is none.
    Since(i64),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Admin {
    bootstrap: Vec<String>,
}

impl Admin {
    pub(super) fn new(brokers: &Brokers) -> Self {
        Self { bootstrap: brokers.brokers.clone() }
    }

    /// The cluster with these topics, or with all. Each topic carries its own error.
    pub(super) async fn cluster(
        &self,
        topics: Option<&[String]>,
    ) -> Result<MetadataResponse, OperateError> {
        let named = |name: &String| MetadataRequestTopic {
            name: Some(name.clone()),
            ..MetadataRequestTopic::default()
        };
        let request = MetadataRequest {
            topics: topics.map(|topics| topics.iter().map(named).collect()),
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        self.ask_any(&request, METADATA_VERSION).await
    }

    /// Asks the controller, which is the one that changes topics.
    pub(super) async fn ask_controller<A: Message>(
        &self,
        request: &impl Message,
        version: i16,
    ) -> Result<A, OperateError> {
        let cluster = self.cluster(Some(&[])).await?;
        let controller = address(&cluster.brokers, cluster.controller_id).ok_or_else(|| {
            OperateError::Refused("the cluster has no controller at the moment; try again".into())
        })?;
        self.ask(&controller, request, version).await
    }

    /// The address of the group's coordinator. A cluster that has none yet makes one when it is
    /// asked, and is asked again for a while.
    pub(super) async fn coordinator(&self, group: &str) -> Result<String, OperateError> {
        let request = FindCoordinatorRequest { key: group.to_owned(), ..Default::default() };
        let patience = Duration::from_millis(ADMIN_PATIENCE_MS.unsigned_abs().into());
        let give_up_at = Instant::now() + patience;
        loop {
            let found: FindCoordinatorResponse =
                self.ask_any(&request, FIND_COORDINATOR_VERSION).await?;
            let code = KafkaCode::from_number(found.error_code);
            if code.is_some_and(KafkaCode::retriable) && Instant::now() < give_up_at {
                tokio::time::sleep(ADMIN_LOOK_INTERVAL).await;
                continue;
            }
            OperateError::of_group(group, found.error_code)?;
            return Ok(format!("{}:{}", found.host, found.port));
        }
    }

    /// Asks the first broker of those that are named which answers.
    async fn ask_any<A: Message>(
        &self,
        request: &impl Message,
        version: i16,
    ) -> Result<A, OperateError> {
        let mut answer = Err(OperateError::Refused("no broker is named in --brokers".to_owned()));
        for broker in &self.bootstrap {
            answer = self.ask(broker, request, version).await;
            if answer.is_ok() {
                break;
            }
        }
        answer
    }

    /// Asks one broker, once.
    pub(super) async fn ask<A: Message>(
        &self,
        broker: &str,
        request: &impl Message,
        version: i16,
    ) -> Result<A, OperateError> {
        let exchange = async {
            let connection = Connection::open(broker, CLIENT_ID, ADMIN_ANSWER_BYTES_MAX).await?;
            connection.call(request, version).await
        };
        match exchange.await {
            Ok((answer, _)) => Ok(answer),
            Err(error) => {
                let why = error.to_string();
                Err(OperateError::Unreachable { broker: broker.to_owned(), why })
            }
        }
    }

    /// An offset of every partition of these topics, by topic and partition. A partition without a
    /// leader has none.
    pub(super) async fn ends(
        &self,
        cluster: &MetadataResponse,
        end: End,
    ) -> Result<BTreeMap<(String, i32), i64>, OperateError> {
        let mut ends = BTreeMap::new();
        for broker in &cluster.brokers {
            let topics: Vec<_> =
                cluster.topics.iter().filter_map(|topic| led_by(broker, topic, end)).collect();
            if topics.is_empty() {
                continue;
            }
            let request = ListOffsetsRequest { topics, ..ListOffsetsRequest::default() };
            let address = format!("{}:{}", broker.host, broker.port);
            let answer: ListOffsetsResponse =
                self.ask(&address, &request, LIST_OFFSETS_VERSION).await?;
            for topic in answer.topics {
                for partition in topic.partitions {
                    OperateError::of_topic(&topic.name, partition.error_code, None)?;
                    let id = (topic.name.clone(), partition.partition_index);
                    ends.insert(id, partition.offset);
                }
            }
        }
        Ok(ends)
    }
}

/// What to ask a broker of those partitions of a topic that it leads, if any.
fn led_by(broker: &MetadataBroker, topic: &MetadataTopic, end: End) -> Option<ListOffsetsTopic> {
    let timestamp = match end {
        End::Latest => -1,
        End::Earliest => -2,
        End::Since(timestamp_ms) => timestamp_ms,
    };
    let led = topic.partitions.iter().filter(|partition| {
        partition.leader_id == broker.node_id && partition.error_code == KafkaCode::None.number()
    });
    let partitions: Vec<_> = led
        .map(|partition| ListOffsetsPartition {
            partition_index: partition.partition_index,
            timestamp,
            ..ListOffsetsPartition::default()
        })
        .collect();
    let name = topic.name.clone()?;
    (!partitions.is_empty()).then_some(ListOffsetsTopic { name, partitions })
}

fn address(brokers: &[MetadataBroker], node_id: i32) -> Option<String> {
    let broker = brokers.iter().find(|broker| broker.node_id == node_id)?;
    Some(format!("{}:{}", broker.host, broker.port))
}

#[cfg(test)]
mod tests {
    use pagi_protocol::kafka::messages::metadata::MetadataPartition;

    use super::*;

    #[test]
    fn each_leader_is_asked_for_its_own_partitions() {
        let broker = |node_id, port| MetadataBroker {
            node_id,
            port,
            host: "h".to_owned(),
            ..MetadataBroker::default()
        };
        let partition = |partition_index, leader_id, error_code| MetadataPartition {
            partition_index,
            leader_id,
            error_code,
            ..MetadataPartition::default()
        };
        let without_leader = KafkaCode::LeaderNotAvailable.number();
        let topic = MetadataTopic {
            name: Some("t".to_owned()),
            partitions: vec![
                partition(0, 1, 0),
                partition(1, 2, 0),
                partition(2, 1, 0),
                partition(3, -1, without_leader),
            ],
            ..MetadataTopic::default()
        };
        let asked = |node_id| {
            let topic = led_by(&broker(node_id, 1), &topic, End::Earliest)?;
            Some(topic.partitions.iter().map(|p| (p.partition_index, p.timestamp)).collect())
        };
        assert_eq!(asked(1), Some(vec![(0, -2), (2, -2)]));
        assert_eq!(asked(2), Some(vec![(1, -2)]));
        assert_eq!(asked(3), None);
        assert_eq!(address(&[broker(1, 9), broker(2, 8)], 2).as_deref(), Some("h:8"));
        assert_eq!(address(&[broker(1, 9)], -1), None);
    }
}
