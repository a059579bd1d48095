//! The client of a group's coordinator: reads and stores what the group has committed.
//!
//! **Invariants.** Commits without membership (generation -1, no member id): the broker takes
//! them only while the group has no members. A commit counts as stored only when the coordinator
//! said so for every partition. Storing the same offsets twice does no harm, so a request whose
//! answer got lost is simply repeated.
//!
//! **References.** Kafka protocol guide: `FindCoordinator`, `OffsetFetch`, `OffsetCommit`.
use std::collections::BTreeMap;

use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::exchange::Message;
use pagi_protocol::kafka::messages::find_coordinator::{
    FindCoordinatorRequest, FindCoordinatorResponse,
};
use pagi_protocol::kafka::messages::offset_commit::{
    OffsetCommitPartition, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitTopic,
};
use pagi_protocol::kafka::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchResponse, OffsetFetchTopic,
};
use pagi_protocol::{ErrorCode, PagiError, TopicName};

use super::connection::{Connection, LinkError};
use super::topic_partition::TopicPartition;
use crate::limits::GROUP_ANSWER_BYTES_MAX;

/// One key, and an error message; every broker since Kafka 2.0 speaks it.
const FIND_COORDINATOR_VERSION: i16 = 2;
/// With leader epochs; every broker since Kafka 2.1 speaks it.
const OFFSET_FETCH_VERSION: i16 = 5;
/// With leader epochs; every broker since Kafka 2.1 speaks it.
const OFFSET_COMMIT_VERSION: i16 = 6;

/// A client of one group's coordinator. Connects when needed.
pub(super) struct GroupClient {
    brokers: Vec<String>,
    client_id: String,
    group_id: String,
    coordinator: Option<Connection>,
}

impl GroupClient {
    pub(super) fn new(brokers: &[String], client_id: &str, group_id: &str) -> Self {
        Self {
            brokers: brokers.to_vec(),
            client_id: client_id.to_owned(),
            group_id: group_id.to_owned(),
            coordinator: None,
        }
    }

    /// What the group has committed for these partitions; those without a commit are left out.
    ///
    /// # Errors
    /// [`ErrorCode::BrokerUnavailable`] when it may succeed later, [`ErrorCode::Rejected`] when not.
    pub(super) async fn committed(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, PagiError> {
        let by_topic = by_topic(partitions.iter().map(|id| (id, id.partition)));
        let topics = by_topic.into_iter().map(|(topic, partition_indexes)| OffsetFetchTopic {
            name: topic.as_str().to_owned(),
            partition_indexes,
        });
        let request = OffsetFetchRequest {
            group_id: self.group_id.clone(),
            topics: Some(topics.collect()),
            ..OffsetFetchRequest::default()
        };
        let answer: OffsetFetchResponse = self.call(&request, OFFSET_FETCH_VERSION).await?;
        self.accept(answer.error_code)?;
        let mut committed = BTreeMap::new();
        for (name, partition) in answer
            .topics
            .into_iter()
            .flat_map(|t| t.partitions.into_iter().map(move |p| (t.name.clone(), p)))
        {
            self.accept(partition.error_code)?;
            if partition.committed_offset >= 0 {
                let topic = TopicName::parse(&name)?;
                let id = TopicPartition { topic, partition: partition.partition_index };
                committed.insert(id, partition.committed_offset);
            }
        }
        Ok(committed)
    }

    /// Stores offsets, each the next one to read.
    ///
    /// # Errors
    /// [`ErrorCode::BrokerUnavailable`] when it may succeed later, [`ErrorCode::Rejected`] when not.
    pub(super) async fn commit(
        &mut self,
        offsets: &[(TopicPartition, i64)],
    ) -> Result<(), PagiError> {
        let topics = by_topic(offsets.iter().map(|(id, offset)| (id, (id.partition, *offset))));
        let topics = topics.into_iter().map(|(topic, offsets)| OffsetCommitTopic {
            name: topic.as_str().to_owned(),
            partitions: offsets
                .into_iter()
                .map(|(partition_index, committed_offset)| OffsetCommitPartition {
                    partition_index,
                    committed_offset,
                    ..OffsetCommitPartition::default()
                })
                .collect(),
        });
        let request = OffsetCommitRequest {
            group_id: self.group_id.clone(),
            topics: topics.collect(),
            ..OffsetCommitRequest::default()
        };
        let answer: OffsetCommitResponse = self.call(&request, OFFSET_COMMIT_VERSION).await?;
        let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        if partitions.clone().count() < offsets.len() {
            return Err(self.unavailable("the answer leaves partitions out"));
        }
        partitions.try_for_each(|partition| self.accept(partition.error_code))
    }

    /// Asks the coordinator. On a connection from before, which may have been closed since, a
    /// failure is followed by one more try on a new one.
    async fn call<A: Message>(
        &mut self,
        request: &impl Message,
        version: i16,
    ) -> Result<A, PagiError> {
        if let Some(connection) = self.coordinator.take()
            && let Ok((answer, connection)) = connection.call(request, version).await
        {
            self.coordinator = Some(connection);
            return Ok(answer);
        }
        let connection = self.find().await?;
        let (answer, connection) =
            connection.call(request, version).await.map_err(|error| self.unavailable(error))?;
        self.coordinator = Some(connection);
        Ok(answer)
    }

    /// Connects to the group's coordinator, which the first broker that answers names.
    async fn find(&self) -> Result<Connection, PagiError> {
        let mut result = Err(self.unavailable("no broker is configured"));
        for broker in &self.brokers {
            result = match self.ask(broker).await {
                Ok(answer) if answer.error_code == KafkaCode::None.number() => {
                    let address = format!("{}:{}", answer.host, answer.port);
                    return self.open(&address).await.map_err(|error| {
                        self.unavailable(format_args!("its coordinator {address}: {error}"))
                    });
                }
                Ok(answer) => Err(self.refusal(answer.error_code)),
                Err(error) => Err(self.unavailable(format_args!("{broker}: {error}"))),
            };
        }
        result
    }

    async fn ask(&self, broker: &str) -> Result<FindCoordinatorResponse, LinkError> {
        let request = FindCoordinatorRequest {
            key: self.group_id.clone(),
            ..FindCoordinatorRequest::default()
        };
        let connection = self.open(broker).await?;
        let (answer, _) = connection.call(&request, FIND_COORDINATOR_VERSION).await?;
        Ok(answer)
    }

    async fn open(&self, address: &str) -> Result<Connection, LinkError> {
        Connection::open(address, &self.client_id, GROUP_ANSWER_BYTES_MAX).await
    }

    /// Passes what is well. After any refusal the coordinator is looked for again.
    fn accept(&mut self, code: i16) -> Result<(), PagiError> {
        match KafkaCode::from_number(code) {
            // A topic that was deleted has nothing to resume.
            Some(KafkaCode::None | KafkaCode::UnknownTopicOrPartition) => Ok(()),
            _ => {
                self.coordinator = None;
                Err(self.refusal(code))
            }
        }
    }

    fn refusal(&self, code: i16) -> PagiError {
        let group = &self.group_id;
        let why = match KafkaCode::from_number(code) {
            Some(code) if code.retriable() => {
                return self.unavailable(format_args!("{code:?}"));
            }
            Some(KafkaCode::UnknownMemberId | KafkaCode::IllegalGeneration) => {
                format!("group {group} has members that share its partitions; use another group")
            }
            Some(code) => format!("group {group}: the broker refuses with {code:?}"),
            None => format!("group {group}: the broker refuses with error {code}"),
        };
        PagiError::new(ErrorCode::Rejected, why)
    }

    fn unavailable(&self, why: impl std::fmt::Display) -> PagiError {
        let detail = format!("cannot reach the coordinator of group {}: {why}", self.group_id);
        PagiError::new(ErrorCode::BrokerUnavailable, detail)
    }
}

fn by_topic<'a, T>(
    items: impl Iterator<Item = (&'a TopicPartition, T)>,
) -> BTreeMap<&'a TopicName, Vec<T>> {
    let mut by_topic = BTreeMap::<_, Vec<T>>::new();
    for (id, item) in items {
        by_topic.entry(&id.topic).or_default().push(item);
    }
    by_topic
}
