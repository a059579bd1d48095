//! Where to start reading partitions: where their group got to, or what the policy says.
use pagi_protocol::PagiError;
use tokio::sync::Mutex;

use super::consumer_config::StartFrom;
use super::fetcher::Start;
use super::group_client::GroupClient;
use super::topic_partition::TopicPartition;

/// The starts of these partitions. Of those that nobody committed, the ones that are new are read
/// from their beginning whatever the policy, since everything in them is new.
///
/// # Errors
/// As [`GroupClient::committed`].
pub(super) async fn starts(
    group: &Mutex<GroupClient>,
    partitions: Vec<TopicPartition>,
    from: StartFrom,
    is_new: impl Fn(&TopicPartition) -> bool,
) -> Result<Vec<(TopicPartition, Start)>, PagiError> {
    let committed = group.lock().await.committed(&partitions).await?;
    let start = |id: &TopicPartition| match (committed.get(id), from) {
        (Some(position), _) => Start::Committed(*position),
        (None, StartFrom::Latest) if !is_new(id) => Start::Latest,
        (None, _) => Start::Earliest,
    };
    Ok(partitions.into_iter().map(|id| (id.clone(), start(&id))).collect())
}
