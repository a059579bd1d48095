//! `DescribeLogDirs`: how much of the disk each partition takes.
//!
//! **References.** KIP-113, KIP-827 (total and usable bytes).
use std::sync::Arc;

use pagi_protocol::kafka::messages::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic,
};

use crate::broker::context::Context;
use crate::broker::store::view::Topic;

/// As KIP-827 says it.
const UNKNOWN: i64 = -1;

/// Answers with the one data folder.
#[must_use]
pub async fn respond(
    context: &Context,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let described = |topic: &Arc<Topic>, wanted: &dyn Fn(i32) -> bool| {
        let partitions = (0..).zip(&topic.partitions).filter(|(index, _)| wanted(*index));
        DescribeLogDirsTopic {
            name: topic.made.name.as_str().to_owned(),
            partitions: partitions
                .map(|(partition_index, partition)| DescribeLogDirsPartition {
                    partition_index,
                    partition_size: i64::try_from(partition.log.lock().bytes()).unwrap_or(i64::MAX),
                    offset_lag: 0,
                    is_future_key: false,
                })
                .collect(),
        }
    };
    let topics = match request.topics {
        None => context.store.view().topics().iter().map(|t| described(t, &|_| true)).collect(),
        Some(wanted) => wanted
            .iter()
            .filter_map(|wanted| {
                let topic = context.topic(&wanted.topic)?;
                Some(described(&topic, &|index| wanted.partitions.contains(&index)))
            })
            .collect(),
    };
    let bytes = |bytes| i64::try_from(bytes).unwrap_or(UNKNOWN);
    let (total_bytes, usable_bytes) = match context.store.space().await {
        Ok(space) => (bytes(space.total_bytes), bytes(space.free_bytes)),
        Err(_) => (UNKNOWN, UNKNOWN),
    };
    let folder = context.config.data_dir.as_path();
    let log_dir = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let log_dir = log_dir.display().to_string();
    let result =
        DescribeLogDirsResult { error_code: 0, log_dir, topics, total_bytes, usable_bytes };
    DescribeLogDirsResponse { results: vec![result], ..DescribeLogDirsResponse::default() }
}
