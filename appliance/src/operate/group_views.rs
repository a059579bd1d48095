//! What `groups list` and `groups describe` show.
//!
//! **References.** KIP-518 (states in the list of groups, Kafka 2.6).
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use pagi_protocol::kafka::consumer_protocol::ConsumerAssignment;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::describe_groups::DescribedGroupMember;
use pagi_protocol::kafka::messages::list_groups::{
    ListGroupsRequest, ListGroupsResponse, ListedGroup,
};
use serde_json::{Value, json};

use super::admin::{Admin, End};
use super::error::OperateError;
use super::group_state::{Group, Offsets};
use super::table::{Format, Table, print, print_all};

const LIST_GROUPS_VERSION: i16 = 4;

/// All groups: each broker knows those that it coordinates.
pub(super) async fn list(
    admin: &Admin,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), OperateError> {
    let mut rows = BTreeMap::new();
    for broker in admin.cluster(Some(&[])).await?.brokers {
        let address = format!("{}:{}", broker.host, broker.port);
        for group in listed(admin, &address).await? {
            let row = [
                json!(group.group_id),
                json!(group.group_state),
                json!(group.protocol_type),
                json!(address),
            ];
            rows.insert(group.group_id, row);
        }
    }
    let mut table = Table::new(&["group", "state", "protocol", "coordinator"]);
    rows.into_values().for_each(|row| table.push(row));
    Ok(print(out, format, &table)?)
}

/// The groups that a broker coordinates.
async fn listed(admin: &Admin, broker: &str) -> Result<Vec<ListedGroup>, OperateError> {
    let answer: ListGroupsResponse =
        admin.ask(broker, &ListGroupsRequest::default(), LIST_GROUPS_VERSION).await?;
    OperateError::of_group("*", answer.error_code)?;
    Ok(answer.groups)
}

/// The state of a group and how many members it has. Of one that shares by the protocol of
/// KIP-848, whose members this request does not tell, only the state.
async fn state(admin: &Admin, group: &Group) -> Result<(Value, Value), OperateError> {
    let described = &group.described;
    if !group.is_dead() {
        return Ok((json!(described.group_state), json!(described.members.len())));
    }
    let all = listed(admin, &group.coordinator).await?;
    let state = all.into_iter().find(|one| one.group_id == described.group_id);
    Ok((json!(state.map(|one| one.group_state)), Value::Null))
}

/// Groups with their members, and how far each is in every partition. Those that exist are shown,
/// whatever else was named.
pub(super) async fn describe(
    admin: &Admin,
    names: &[String],
    format: Format,
    out: &mut dyn Write,
) -> Result<(), OperateError> {
    let mut groups = Table::new(&["group", "state", "assignor", "members", "lag", "coordinator"]);
    let mut members = Table::new(&["group", "member", "instance", "client", "host", "partitions"]);
    let mut partitions =
        Table::new(&["group", "topic", "partition", "committed", "latest", "lag", "member"]);
    let mut errors = Vec::new();
    for name in names {
        let group = Group::ask(admin, name).await?;
        if !group.exists() {
            errors.extend(OperateError::of_group(name, KafkaCode::GroupIdNotFound.number()).err());
            continue;
        }
        let owners = owners(&group.described.members);
        let latest = latest(admin, &group.committed, &owners).await?;
        let rows = progress(&group.committed, &owners, &latest);
        let (state, count) = state(admin, &group).await?;
        groups.push([
            json!(name),
            state,
            json!(group.described.protocol_data),
            count,
            json!(rows.iter().filter_map(|row| row.lag).sum::<i64>()),
            json!(group.coordinator),
        ]);
        for member in &group.described.members {
            let own = owners.values().filter(|owner| **owner == member.member_id).count();
            members.push([
                json!(name),
                json!(member.member_id),
                json!(member.group_instance_id),
                json!(member.client_id),
                json!(member.client_host.trim_start_matches('/')),
                json!(own),
            ]);
        }
        for row in rows {
            partitions.push([
                json!(name),
                json!(row.topic),
                json!(row.partition),
                json!(row.committed),
                json!(row.latest),
                json!(row.lag),
                json!(row.member),
            ]);
        }
    }
    if errors.len() < names.len() {
        let tables = [("groups", groups), ("members", members), ("partitions", partitions)];
        print_all(out, format, &tables)?;
    }
    OperateError::all(errors)
}

/// Who reads which partition.
fn owners(members: &[DescribedGroupMember]) -> BTreeMap<(String, i32), String> {
    let mut owners = BTreeMap::new();
    for member in members {
        // Members of other protocols have assignments that only they understand.
        let Ok(assignment) = ConsumerAssignment::parse(&member.member_assignment) else { continue };
        for topic in assignment.assigned_partitions {
            for partition in topic.partitions {
                owners.insert((topic.topic.clone(), partition), member.member_id.clone());
            }
        }
    }
    owners
}

/// The ends of these partitions, as far as their topics exist.
async fn latest(
    admin: &Admin,
    committed: &Offsets,
    owners: &BTreeMap<(String, i32), String>,
) -> Result<Offsets, OperateError> {
    let topics = committed.keys().chain(owners.keys()).map(|(topic, _)| topic.clone());
    let topics: Vec<_> = topics.collect::<BTreeSet<_>>().into_iter().collect();
    let cluster = admin.cluster(Some(&topics)).await?;
    admin.ends(&cluster, End::Latest).await
}

/// How far a group is in a partition.
#[derive(Debug, PartialEq, Eq)]
struct Progress<'a> {
    topic: &'a str,
    partition: i32,
    committed: Option<i64>,
    latest: Option<i64>,
    lag: Option<i64>,
    member: Option<&'a str>,
}

fn progress<'a>(
    committed: &'a Offsets,
    owners: &'a BTreeMap<(String, i32), String>,
    latest: &Offsets,
) -> Vec<Progress<'a>> {
    let all: BTreeSet<_> = committed.keys().chain(owners.keys()).collect();
    let row = |id: &'a (String, i32)| {
        let (committed, latest) = (committed.get(id).copied(), latest.get(id).copied());
        let lag = latest.zip(committed).map(|(latest, committed)| (latest - committed).max(0));
        let member = owners.get(id).map(String::as_str);
        Progress { topic: &id.0, partition: id.1, committed, latest, lag, member }
    };
    all.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(partition: i32) -> (String, i32) {
        ("t".to_owned(), partition)
    }

    #[test]
    fn the_lag_is_what_is_left_to_read() {
        let committed = Offsets::from([(id(0), 3), (id(1), 9), (id(3), 1)]);
        let owners = BTreeMap::from([(id(0), "m".to_owned()), (id(2), "m".to_owned())]);
        let latest = Offsets::from([(id(0), 10), (id(1), 8), (id(2), 5)]);
        let rows = progress(&committed, &owners, &latest);
        let row = |partition, committed, latest, lag, member| Progress {
            topic: "t",
            partition,
            committed,
            latest,
            lag,
            member,
        };
        let expected = [
            row(0, Some(3), Some(10), Some(7), Some("m")),
            // Records were lost, or the topic was made anew.
            row(1, Some(9), Some(8), Some(0), None),
            // Nothing was committed yet.
            row(2, None, Some(5), None, Some("m")),
            // The partition is gone.
            row(3, Some(1), None, None, None),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn what_members_of_another_kind_are_assigned_is_theirs_to_know() {
        let assigned = |bytes: bytes::Bytes| DescribedGroupMember {
            member_id: "m".to_owned(),
            member_assignment: bytes,
            ..DescribedGroupMember::default()
        };
        assert!(owners(&[assigned(bytes::Bytes::from_static(b"connect"))]).is_empty());
        assert!(owners(&[assigned(bytes::Bytes::new())]).is_empty());
    }
}
