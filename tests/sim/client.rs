//! What clients do: a random mix of everything the log takes, some of it wrong on purpose.
use bytes::Bytes;
use pagi_appliance::core::log::entry::CommittedOffset;
use pagi_appliance::core::log::group_metadata::{GroupMetadata, MemberMetadata};
use pagi_appliance::core::log::ids::PartitionId;
use pagi_appliance::core::log::settings::TopicSettings;
use pagi_protocol::TopicName;
use pagi_protocol::kafka::batch_builder::Producer;

use crate::batch::batch;
use crate::model::{Intent, Model, Stored, TOO_LARGE_BYTES, end};
use crate::rng::Rng;

/// A few things to ask for, of a log that holds what `model` says.
pub(crate) fn intents(model: &Model, rng: &mut Rng) -> Vec<Intent> {
    let mut promised = model.clone();
    let mut intents = Vec::new();
    for _ in 0..=rng.below(5) {
        let intent = intent(&promised, rng);
        let _ = promised.apply(&intent, None);
        // What would go to a topic of this very moment waits: its number is not known yet.
        promised.topics.retain(|id, _| model.topics.contains_key(id));
        intents.push(intent);
    }
    intents
}

fn intent(model: &Model, rng: &mut Rng) -> Intent {
    let partitions: Vec<PartitionId> = model.partitions().map(|(id, _)| id).collect();
    let Some(partition) = rng.pick(&partitions).copied() else { return create(rng) };
    match rng.below(100) {
        0..80 => append(model, partition, rng),
        80..86 => commit(model, partition, rng),
        86..88 => change_group(partition, rng),
        88..91 => create(rng),
        91 => Intent::SetSettings { name: name(rng), settings: settings(rng) },
        92 => Intent::AddPartitions { name: name(rng), partitions: 1 + count(rng) },
        93..95 => Intent::Delete { name: name(rng) },
        95..98 => move_log_start(model, partition, rng),
        _ => Intent::Reserve,
    }
}

fn name(rng: &mut Rng) -> TopicName {
    TopicName::parse(["orders", "payments", "audit"][rng.below(3)]).unwrap()
}

fn create(rng: &mut Rng) -> Intent {
    let uuid = rng.bytes(16).try_into().unwrap();
    let partitions = if rng.percent(5) { 0 } else { count(rng) };
    Intent::Create { name: name(rng), partitions, uuid, settings: settings(rng) }
}

fn count(rng: &mut Rng) -> u32 {
    1 + u32::try_from(rng.below(3)).unwrap()
}

fn settings(rng: &mut Rng) -> TopicSettings {
    let mut settings = TopicSettings::default();
    for name in ["retention.ms", "retention.bytes", "segment.ms"] {
        if rng.percent(30) {
            settings.set(name, Some(&(1 + rng.below(5_000)).to_string())).unwrap();
        }
    }
    settings
}

fn move_log_start(model: &Model, partition: PartitionId, rng: &mut Rng) -> Intent {
    let end = usize::try_from(end(model.partition(partition).unwrap())).unwrap();
    let offset = match rng.below(100) {
        0..10 => end + 1 + rng.below(3),
        10..30 => end,
        _ => rng.below(end + 1),
    };
    Intent::MoveLogStart { partition, offset: i64::try_from(offset).unwrap() }
}

fn commit(model: &Model, partition: PartitionId, rng: &mut Rng) -> Intent {
    let group = group_name(rng);
    let committed = CommittedOffset {
        offset: end(model.partition(partition).unwrap()),
        leader_epoch: -1,
        metadata: "m".repeat(rng.below(20)),
        committed_ms: i64::try_from(rng.below(1000)).unwrap(),
    };
    let unknown = PartitionId { index: 99, ..partition };
    let mut offsets = vec![(partition, committed.clone())];
    if rng.percent(10) {
        offsets.push((unknown, committed));
    }
    Intent::Commit { group, offsets }
}

fn group_name(rng: &mut Rng) -> String {
    format!("group-{}", rng.below(2))
}

/// A group gets members, or is forgotten, or some of its progress is.
fn change_group(partition: PartitionId, rng: &mut Rng) -> Intent {
    let group = group_name(rng);
    match rng.below(100) {
        0..10 => Intent::DeleteGroup(group),
        10..30 => Intent::DeleteOffsets { group, partitions: vec![partition] },
        _ => Intent::StoreGroup(Box::new(members(group, rng))),
    }
}

fn members(group: String, rng: &mut Rng) -> GroupMetadata {
    let member = |n| MemberMetadata {
        id: format!("member-{n}"),
        instance_id: rng.percent(30).then(|| format!("instance-{n}")),
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout_ms: 45_000,
        rebalance_timeout_ms: 60_000,
        subscription: rng.bytes(10).into(),
        assignment: rng.bytes(20).into(),
    };
    let members: Vec<_> = (0..3).map(member).collect();
    GroupMetadata {
        group,
        generation: i32::try_from(rng.below(1000)).unwrap(),
        protocol_type: "consumer".to_owned(),
        protocol: "range".to_owned(),
        leader: "member-0".to_owned(),
        stored_ms: 1_000,
        members,
    }
}

fn append(model: &Model, partition: PartitionId, rng: &mut Rng) -> Intent {
    let records = 1 + i32::try_from(rng.below(4)).unwrap();
    let bytes = match rng.below(100) {
        0..60 => rng.below(300),
        60..98 => rng.below(4000),
        _ => TOO_LARGE_BYTES + 100,
    };
    if rng.percent(25) {
        return Intent::Append { partition, batch: batch(Producer::NONE, records, bytes, rng) };
    }
    let producer_id = i64::try_from(rng.below(3)).unwrap();
    let stored = model.partition(partition).unwrap();
    let mine: Vec<&Stored> =
        stored.iter().filter(|stored| stored.header.producer_id == producer_id).collect();
    let batch = match mine.last() {
        None => {
            let producer = Producer { id: producer_id, epoch: 0, base_sequence: 0 };
            batch(producer, records, bytes, rng)
        }
        Some(last) => next(last, &mine, records, bytes, rng),
    };
    Intent::Append { partition, batch }
}

/// What a producer sends that sent `mine` before: mostly the next batch.
fn next(last: &Stored, mine: &[&Stored], records: i32, bytes: usize, rng: &mut Rng) -> Bytes {
    let header = last.header;
    let following = header.base_sequence + header.last_offset_delta + 1;
    let (epoch, base_sequence) = match rng.below(100) {
        // A retry, mostly of a batch that is remembered.
        0..15 => return mine[mine.len() - 1 - rng.below(mine.len().min(8))].bytes.clone(),
        15..19 => (header.producer_epoch, following + 7),
        19..22 => (header.producer_epoch + 1, 0),
        22..24 => (header.producer_epoch + 1, 5),
        24..26 => (header.producer_epoch - 1, following),
        _ => (header.producer_epoch, following),
    };
    batch(Producer { id: header.producer_id, epoch, base_sequence }, records, bytes, rng)
}
