//! What brokers tell about groups.
//!
//! **References.** Kafka protocol guide: `DescribeGroups`, `OffsetFetch`.
use std::collections::BTreeMap;

use pagi_protocol::kafka::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup,
};
use pagi_protocol::kafka::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchResponse};

use super::admin::Admin;
use super::error::OperateError;

const DESCRIBE_GROUPS_VERSION: i16 = 4;
const OFFSET_FETCH_VERSION: i16 = 5;

/// Offsets by topic and partition.
pub(super) type Offsets = BTreeMap<(String, i32), i64>;

/// A group as its coordinator knows it.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) coordinator: String,
    pub(super) described: DescribedGroup,
    /// Where it goes on.
    pub(super) committed: Offsets,
}

impl Group {
    /// Asks for a group. One that does not exist has no members and no offsets.
    pub(super) async fn ask(admin: &Admin, group: &str) -> Result<Self, OperateError> {
        let coordinator = admin.coordinator(group).await?;
        let request =
            DescribeGroupsRequest { groups: vec![group.to_owned()], ..Default::default() };
        let answer: DescribeGroupsResponse =
            admin.ask(&coordinator, &request, DESCRIBE_GROUPS_VERSION).await?;
        let described = answer.groups.into_iter().next().unwrap_or_default();
        OperateError::of_group(group, described.error_code)?;
        let request = OffsetFetchRequest { group_id: group.to_owned(), ..Default::default() };
        let answer: OffsetFetchResponse =
            admin.ask(&coordinator, &request, OFFSET_FETCH_VERSION).await?;
        OperateError::of_group(group, answer.error_code)?;
        let mut committed = Offsets::new();
        for topic in answer.topics {
            for partition in topic.partitions {
                OperateError::of_topic(&topic.name, partition.error_code, None)?;
                if partition.committed_offset >= 0 {
                    let id = (topic.name.clone(), partition.partition_index);
                    committed.insert(id, partition.committed_offset);
                }
            }
        }
        Ok(Self { coordinator, described, committed })
    }

    /// Whether there is such a group.
    pub(super) fn exists(&self) -> bool {
        !self.is_dead() || !self.committed.is_empty()
    }

    /// Whether its coordinator knows no group of the classic protocol by this name.
    pub(super) fn is_dead(&self) -> bool {
        self.described.group_state == "Dead"
    }
}
