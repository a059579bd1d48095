//! What `groups reset` and `groups delete` do.
//!
//! **Invariants.** A group's offsets are changed only while it has no members: those would go on
//! where they are, and commit that.
//!
//! **References.** Kafka protocol guide: `OffsetCommit` without a generation, `DeleteGroups`.
use std::io::Write;

use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
use pagi_protocol::kafka::messages::metadata::MetadataResponse;
use pagi_protocol::kafka::messages::offset_commit::{
    OffsetCommitPartition, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitTopic,
};
use serde_json::json;

use super::admin::{Admin, End};
use super::error::OperateError;
use super::group_args::{Delete, Reset, Target, Which};
use super::group_state::{Group, Offsets};
use super::table::{Format, Table, print};

const OFFSET_COMMIT_VERSION: i16 = 6;
const DELETE_GROUPS_VERSION: i16 = 1;

/// Sets where a group goes on.
pub(super) async fn reset(
    admin: &Admin,
    reset: &Reset,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), OperateError> {
    let group = Group::ask(admin, &reset.group).await?;
    if !group.described.members.is_empty() {
        OperateError::of_group(&reset.group, KafkaCode::NonEmptyGroup.number())?;
    }
    let cluster = cluster(admin, &reset.topics).await?;
    let earliest = admin.ends(&cluster, End::Earliest).await?;
    let latest = admin.ends(&cluster, End::Latest).await?;
    let wanted = match reset.to {
        Target::At(end) => admin.ends(&cluster, end).await?,
        Target::Offset(offset) => latest.keys().map(|id| (id.clone(), offset)).collect(),
    };
    let targets = targets(&wanted, &earliest, &latest);
    if !reset.dry_run {
        commit(admin, &group.coordinator, &reset.group, &targets).await?;
    }
    let mut table = Table::new(&["group", "topic", "partition", "before", "after", "lag"]);
    for (id, after) in &targets {
        let lag = latest.get(id).map(|latest| latest - after);
        let before = group.committed.get(id);
        table.push([
            json!(reset.group),
            json!(id.0),
            json!(id.1),
            json!(before),
            json!(after),
            json!(lag),
        ]);
    }
    print(out, format, &table)?;
    if reset.dry_run && matches!(format, Format::Table) {
        writeln!(out, "\nNothing was changed; without --dry-run it is.")?;
    }
    Ok(())
}

/// What was named of the cluster, all of it with a leader.
async fn cluster(admin: &Admin, named: &[Which]) -> Result<MetadataResponse, OperateError> {
    let topics: Vec<String> = named.iter().map(|which| which.topic.to_string()).collect();
    let mut cluster = admin.cluster(Some(&topics)).await?;
    for topic in &mut cluster.topics {
        let name = topic.name.clone().unwrap_or_default();
        OperateError::of_topic(&name, topic.error_code, None)?;
        let of_topic = || named.iter().filter(|which| which.topic.as_str() == name);
        for which in of_topic() {
            let mut there = topic.partitions.iter().map(|partition| partition.partition_index);
            if let Some(wanted) = which.partition
                && !there.any(|partition| partition == wanted)
            {
                let why = format!("topic {name} has no partition {wanted}");
                return Err(OperateError::NotFound(why));
            }
        }
        if of_topic().all(|which| which.partition.is_some()) {
            topic.partitions.retain(|partition| {
                of_topic().any(|which| which.partition == Some(partition.partition_index))
            });
        }
        for partition in &topic.partitions {
            OperateError::of_topic(&name, partition.error_code, None)?;
        }
    }
    Ok(cluster)
}

/// Where to go on: as wanted, but not outside of what there is.
fn targets(wanted: &Offsets, earliest: &Offsets, latest: &Offsets) -> Offsets {
    let target = |(id, wanted): (&(String, i32), &i64)| {
        let (first, end) = (*earliest.get(id)?, *latest.get(id)?);
        // No record is so new.
        let offset = if *wanted < 0 { end } else { *wanted };
        Some((id.clone(), offset.max(first).min(end)))
    };
    wanted.iter().filter_map(target).collect()
}

async fn commit(
    admin: &Admin,
    coordinator: &str,
    group: &str,
    targets: &Offsets,
) -> Result<(), OperateError> {
    let mut topics: Vec<OffsetCommitTopic> = Vec::new();
    for ((topic, partition_index), committed_offset) in targets {
        let partition = OffsetCommitPartition {
            partition_index: *partition_index,
            committed_offset: *committed_offset,
            ..OffsetCommitPartition::default()
        };
        match topics.last_mut().filter(|last| last.name == *topic) {
            Some(last) => last.partitions.push(partition),
            None => {
                topics.push(OffsetCommitTopic { name: topic.clone(), partitions: vec![partition] });
            }
        }
    }
    let request = OffsetCommitRequest {
        group_id: group.to_owned(),
        topics,
        ..OffsetCommitRequest::default()
    };
    let answer: OffsetCommitResponse =
        admin.ask(coordinator, &request, OFFSET_COMMIT_VERSION).await?;
    let results = answer.topics.iter().flat_map(|topic| &topic.partitions);
    let mut codes = results.map(|partition| partition.error_code);
    codes.try_for_each(|code| OperateError::of_group(group, code))
}

/// Deletes groups and their offsets.
pub(super) async fn delete(
    admin: &Admin,
    delete: &Delete,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), OperateError> {
    let mut table = Table::new(&["group", "result"]);
    let mut errors = Vec::new();
    for group in &delete.groups {
        let result = match delete_one(admin, group).await {
            Ok(()) => "deleted",
            Err(error) => {
                errors.push(error);
                "failed"
            }
        };
        table.push([json!(group), json!(result)]);
    }
    print(out, format, &table)?;
    OperateError::all(errors)
}

async fn delete_one(admin: &Admin, group: &str) -> Result<(), OperateError> {
    let coordinator = admin.coordinator(group).await?;
    let request = DeleteGroupsRequest { groups_names: vec![group.to_owned()] };
    let answer: DeleteGroupsResponse =
        admin.ask(&coordinator, &request, DELETE_GROUPS_VERSION).await?;
    answer.results.iter().try_for_each(|result| OperateError::of_group(group, result.error_code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_never_goes_on_outside_of_what_there_is() {
        let all = |offsets: [i64; 4]| -> Offsets {
            let offsets = (0..).zip(offsets);
            offsets.map(|(partition, offset)| (("t".to_owned(), partition), offset)).collect()
        };
        let (earliest, latest) = (all([5, 5, 5, 5]), all([9, 9, 9, 9]));
        let targets = targets(&all([7, 0, 50, -1]), &earliest, &latest);
        assert_eq!(targets, all([7, 5, 9, 9]));
    }
}
