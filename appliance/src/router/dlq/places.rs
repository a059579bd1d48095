//! Which topics hold the dead letters that are meant, and where the brokers are.
use std::sync::Arc;

use clap::Args;
use pagi_protocol::{PagiError, TopicName};

use crate::limits::{BROKER_MESSAGE_BYTES_MAX, COMMAND_CONNECT_TIMEOUT};
use crate::router::cluster::Cluster;
use crate::router::commands::Brokers;
use crate::router::dead_letters::topic_of;
use crate::router::verdict::before_sending;

/// How the commands name themselves to the broker.
pub(super) const CLIENT_ID: &str = "pagi-dlq";
/// The group whose offsets tell what was sent back.
pub(super) const GROUP: &str = "pagi-dlq-redrive";

/// Where dead letters are.
#[derive(Debug, Clone, Args)]
pub struct Places {
    /// The topics whose events became dead letters: those in TOPIC.dlq are meant
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "TOPIC,...",
        required_unless_present = "dlq_topic",
        conflicts_with = "dlq_topic"
    )]
    pub topics: Vec<String>,

    /// A topic with dead letters, as start-consumer's --dlq-topic named it
    #[arg(long, value_name = "TOPIC")]
    pub dlq_topic: Option<String>,

    #[command(flatten)]
    pub brokers: Brokers,
}

impl Places {
    /// The topics of dead letters.
    ///
    /// # Errors
    /// [`pagi_protocol::ErrorCode::InvalidTopic`].
    pub(super) fn graves(&self) -> Result<Vec<TopicName>, PagiError> {
        if let Some(topic) = &self.dlq_topic {
            return Ok(vec![TopicName::parse(topic)?]);
        }
        self.topics.iter().map(|topic| topic_of(&TopicName::parse(topic)?)).collect()
    }

    /// Those of them that exist, and the cluster they are in.
    ///
    /// # Errors
    /// [`pagi_protocol::ErrorCode::BrokerUnavailable`] when no broker answers.
    pub(super) async fn open(&self) -> Result<(Arc<Cluster>, Vec<TopicName>), PagiError> {
        let mut graves = self.graves()?;
        let brokers = self.brokers.brokers.clone();
        let cluster = Arc::new(Cluster::new(brokers, CLIENT_ID, BROKER_MESSAGE_BYTES_MAX));
        let what = format!("cannot ask {} for topics", cluster.address());
        let asked = cluster.refresh(COMMAND_CONNECT_TIMEOUT).await;
        asked.map_err(|error| self.brokers.explain(before_sending(&error, &what).error))?;
        graves.retain(|topic| {
            let exists = cluster.partition_count(topic.as_str()).is_some();
            if !exists {
                tracing::info!(%topic, "there are no dead letters: the topic does not exist");
            }
            exists
        });
        Ok((cluster, graves))
    }
}
