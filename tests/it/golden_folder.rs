//! Data folders that earlier versions wrote are opened, and hold what they held.
//!
//! Each folder in `tests/golden/data-folder` has a `data` folder as a crash left it, and what
//! `log dump` has to print of it. They are never written again; a new format gets a new folder, which
//! `cargo test --test it write_a_golden_folder -- --ignored` makes.
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use pagi_appliance::broker::store::fs::Folder;
use pagi_appliance::broker::store::maintenance::Identity;
use pagi_appliance::broker::store::open::{Opened, open};
use pagi_appliance::broker::store::sizes::Sizes;
use pagi_appliance::broker::store::writer::{Command, Done, LogWriter, Submission};
use pagi_appliance::core::log::checkpoint::FORMAT;
use pagi_appliance::core::log::entry::CommittedOffset;
use pagi_appliance::core::log::group_metadata::{GroupMetadata, MemberMetadata};
use pagi_appliance::core::log::ids::{PartitionId, Salt, TopicId};
use pagi_appliance::core::log::settings::TopicSettings;
use pagi_appliance::core::log::state::Placed;
use pagi_protocol::TopicName;
use pagi_protocol::kafka::batch_builder::{BatchBuilder, Producer};
use pagi_protocol::kafka::record::{Header, Record};
use pagi_protocol::kafka::record_batch::BATCH_HEADER_BYTES;

use crate::support::appliance::{self, Appliance};

const TIME_MS: i64 = 1_700_000_000_000;
const ORDERS: PartitionId = PartitionId { topic: TopicId(1), index: 1 };
const AUDIT: PartitionId = PartitionId { topic: TopicId(3), index: 0 };
/// So many hours that nothing expires while a broker runs on the folder.
const YEARS: i32 = 1_000_000;
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// A folder that is small enough to be kept.
const SIZES: Sizes = Sizes {
    round_bytes_max: 16 << 10,
    wal_first_file_bytes: 192 << 10,
    wal_file_bytes_max: 32 << 10,
    wal_file_bytes_min: 16 << 10,
    segment_bytes: 2 << 10,
    unflushed_bytes_soft: 8 << 10,
    unflushed_bytes_max: 128 << 10,
    checkpoint_wal_bytes: 64 << 10,
    unsynced_bytes_max: 4 << 10,
    unsynced_files_max: 6,
};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/data-folder")
}

fn compress(codec: usize, records: &[u8]) -> Vec<u8> {
    use std::io::Write;
    match CODECS[codec] {
        "gzip" => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            out.write_all(records).unwrap();
            out.finish().unwrap()
        }
        "snappy" => snap::raw::Encoder::new().compress_vec(records).unwrap(),
        "lz4" => {
            let mut out = lz4_flex::frame::FrameEncoder::new(Vec::new());
            out.write_all(records).unwrap();
            out.finish().unwrap()
        }
        "zstd" => ruzstd::encoding::compress_to_vec(
            records,
            ruzstd::encoding::CompressionLevel::Uncompressed,
        ),
        _ => records.to_vec(),
    }
}

/// Three records, compressed with a codec of Kafka's.
fn batch(producer: Producer, codec: usize) -> Bytes {
    let mut builder = BatchBuilder::new(1 << 20);
    for n in 0..3 {
        let header = Header { key: "codec".to_owned(), value: Some(CODECS[codec].into()) };
        let value = format!("{} {n} {}", CODECS[codec], "again and ".repeat(20));
        let key = (n > 0).then(|| Bytes::from(format!("key-{n}")));
        let headers = vec![header];
        let timestamp_ms = TIME_MS + n;
        builder.push(&Record { timestamp_ms, key, value: Some(value.into()), headers }).unwrap();
    }
    let plain = builder.finish(producer).unwrap();
    let mut out = plain[..BATCH_HEADER_BYTES].to_vec();
    out.extend(compress(codec, &plain[BATCH_HEADER_BYTES..]));
    let length = i32::try_from(out.len() - 12).unwrap();
    out[8..12].copy_from_slice(&length.to_be_bytes());
    out[22] |= u8::try_from(codec).unwrap();
    let crc = crc32c::crc32c(&out[21..]);
    out[17..21].copy_from_slice(&crc.to_be_bytes());
    out.into()
}

fn sent(producer_id: i64, number: i32) -> Bytes {
    let producer = Producer { id: producer_id, epoch: 0, base_sequence: 3 * number };
    batch(producer, usize::try_from(number).unwrap() % CODECS.len())
}

fn commit(offset: i64) -> Command {
    let metadata = "where we are".to_owned();
    let committed = CommittedOffset { offset, leader_epoch: 0, metadata, committed_ms: TIME_MS };
    Command::CommitOffsets { group: "billing".to_owned(), offsets: vec![(ORDERS, committed)] }
}

/// The members of a group; that of the second half is told by its generation.
fn group(name: &str, generation: i32) -> GroupMetadata {
    let member = MemberMetadata {
        id: "member-1".to_owned(),
        instance_id: Some("till-1".to_owned()),
        client_id: "till".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout_ms: 45_000,
        rebalance_timeout_ms: 300_000,
        subscription: Bytes::from_static(b"orders"),
        assignment: Bytes::from_static(b"partition 1"),
    };
    GroupMetadata {
        group: name.to_owned(),
        generation,
        protocol_type: "consumer".to_owned(),
        protocol: "range".to_owned(),
        leader: "member-1".to_owned(),
        stored_ms: TIME_MS,
        members: vec![member],
    }
}

fn create(name: &str, partitions: u32) -> Command {
    Command::CreateTopic {
        name: name_of(name),
        partitions,
        uuid: [7; 16],
        settings: settings(YEARS),
    }
}

fn settings(hours: i32) -> TopicSettings {
    let mut settings = TopicSettings::default();
    let ms = (i64::from(hours) * 3_600_000).to_string();
    settings.set("retention.ms", Some(&ms)).unwrap();
    settings
}

/// How long a topic's records are kept.
fn keep_for(hours: i32) -> Command {
    Command::SetTopicSettings { name: name_of("orders"), settings: settings(hours) }
}

/// A topic gets more partitions.
fn grow(partitions: u32) -> Command {
    Command::AddPartitions { name: name_of("audit"), partitions }
}

fn name_of(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

/// Asks for one thing, which has to be done.
fn ask(writer: &mut LogWriter, command: Command) -> Done {
    let (submission, mut answer) = Submission::new(vec![command]);
    writer.commit(&mut VecDeque::from([submission]), TIME_MS).unwrap();
    answer.try_recv().unwrap()[0].unwrap()
}

fn opened(folder: &Path, identity: u8) -> Opened {
    let storage = Arc::new(Folder::new(folder).unwrap());
    let identity = Identity { cluster_id: [identity; 16], salt: Salt(0x901d_f01d) };
    open(storage, identity, SIZES, TIME_MS).unwrap()
}

#[test]
#[ignore = "makes the folder of a new format"]
fn write_a_golden_folder() {
    let folder = golden().join(format!("format-{FORMAT}"));
    let data = folder.join("data");
    assert!(!data.exists(), "{} is there already", data.display());
    std::fs::create_dir_all(&data).unwrap();
    let Opened { mut writer, mut maintenance, .. } = opened(&data, 5);
    let append = |partition, batch| Command::Append { partition, batch };
    for command in [create("orders", 2), create("gone", 1), create("audit", 1)] {
        ask(&mut writer, command);
    }
    // Everything once in the checkpoint and its segments, and once behind it.
    for half in 0..2 {
        ask(&mut writer, Command::ReserveProducerIds);
        for number in 0..5 {
            ask(&mut writer, append(ORDERS, sent(1, 5 * half + number)));
            ask(&mut writer, append(AUDIT, batch(Producer::NONE, 0)));
        }
        ask(&mut writer, Command::StoreGroup(Box::new(group("billing", half))));
        ask(&mut writer, Command::StoreGroup(Box::new(group("gone", half))));
        ask(&mut writer, Command::DeleteGroup("gone".to_owned()));
        ask(&mut writer, grow(2 + u32::try_from(half).unwrap()));
        ask(&mut writer, keep_for(YEARS + half));
        ask(&mut writer, commit(6 + i64::from(half)));
        ask(&mut writer, Command::MoveLogStart { partition: AUDIT, offset: 4 + i64::from(half) });
        if half == 0 {
            ask(&mut writer, Command::DeleteTopic(name_of("gone")));
            maintenance.checkpoint(writer.snapshot(TIME_MS)).unwrap();
        }
    }
    std::fs::write(folder.join("dump.jsonl"), dump(&data)).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn log(command: &str, folder: &Path) -> String {
    let output = appliance::command(&["log", command]).arg(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn dump(folder: &Path) -> String {
    log("dump", folder)
}

/// Each kept folder, copied.
fn kept() -> Vec<(tempfile::TempDir, PathBuf, String)> {
    let folders = std::fs::read_dir(golden()).unwrap();
    let folders = folders.map(|folder| {
        let (folder, copied) = (folder.unwrap().path(), tempfile::tempdir().unwrap());
        let data = copied.path().join("data");
        copy(&folder.join("data"), &data);
        (copied, data, std::fs::read_to_string(folder.join("dump.jsonl")).unwrap())
    });
    folders.collect()
}

#[test]
fn folders_of_earlier_versions_are_sound_and_hold_their_records() {
    let kept = kept();
    assert!(!kept.is_empty());
    for (_copied, data, wanted) in kept {
        let said = log("verify", &data);
        assert!(said.contains("no damage"), "{said}");
        assert_eq!(dump(&data), wanted);
    }
}

#[test]
fn folders_of_earlier_versions_keep_offsets_producers_and_ids() {
    for (_copied, data, _) in kept() {
        let Opened { mut writer, view, .. } = opened(&data, 9);
        let committed = view.groups.committed("billing", ORDERS).unwrap();
        assert_eq!((committed.offset, committed.metadata.as_str()), (7, "where we are"));
        assert_eq!(*view.groups.metadata("billing").unwrap(), group("billing", 1));
        assert_eq!(view.groups.metadata("gone"), None);
        let audit = view.topic("audit").unwrap();
        assert_eq!(audit.partitions[0].log.lock().log_start(), 5);
        assert_eq!(audit.partitions.len(), 3);
        assert_eq!(view.topic("orders").unwrap().made.settings, settings(YEARS + 1));
        assert!(view.topic("gone").is_none());
        let retry = Command::Append { partition: ORDERS, batch: sent(1, 9) };
        let known = Placed::Duplicate { base_offset: 27 };
        assert_eq!(ask(&mut writer, retry), Done::Appended(known));
        let next = Command::Append { partition: ORDERS, batch: sent(1, 10) };
        let placed = Placed::New { base_offset: 30 };
        assert_eq!(ask(&mut writer, next), Done::Appended(placed));
        let Done::ProducerIds { first, .. } = ask(&mut writer, Command::ReserveProducerIds) else {
            panic!("no producer ids");
        };
        assert!(first > 2_000, "producer id {first} was given out before");
        let Done::TopicCreated(id) = ask(&mut writer, create("gone", 1)) else {
            panic!("no topic");
        };
        assert_eq!(id, TopicId(4));
    }
}

#[test]
fn a_broker_starts_on_folders_of_earlier_versions() {
    if appliance::brokers_outside().is_some() {
        return;
    }
    for (_copied, data, wanted) in kept() {
        let mut appliance = Appliance::start(&data).ready();
        appliance.process.terminate();
        appliance.process.wait();
        let printed = dump(&data);
        let ours = printed.lines().filter(|line| !line.contains("\"topic\":\"pagi."));
        assert_eq!(ours.collect::<Vec<_>>(), wanted.lines().collect::<Vec<_>>());
    }
}
