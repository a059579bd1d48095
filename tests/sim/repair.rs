//! Repairing a damaged folder keeps everything that can be read, says exactly what is lost, and
//! can be interrupted anywhere.
use std::collections::VecDeque;
use std::sync::Arc;

use pagi_appliance::broker::inspect::finding::Finding;
use pagi_appliance::broker::inspect::picture::Picture;
use pagi_appliance::broker::inspect::verify::verify;
use pagi_appliance::broker::repair::loss::{Loss, Lost};
use pagi_appliance::broker::repair::plan::{RepairError, plan};
use pagi_appliance::broker::repair::swap::{finish, interrupted, report};
use pagi_appliance::broker::store::open::Opened;
use pagi_appliance::broker::store::reader::Reader;
use pagi_appliance::broker::store::storage::Storage;
use pagi_appliance::broker::store::writer::{Command, Done, Submission};
use pagi_appliance::core::log::ids::PartitionId;
use pagi_appliance::core::log::state::Placed;
use pagi_protocol::kafka::batch_builder::Producer;
use pagi_protocol::kafka::record_batch::BatchHeader;

use crate::batch::batch;
use crate::damage::Scene;
use crate::disk::{Disk, Fault};
use crate::model::{Model, Stored};
use crate::observed::Observed;
use crate::rng::Rng;
use crate::runs::{case, cuts, sampled, seeds};
use crate::world::{SIZES, START_MS, open_log};

/// Does something to one file of the log, or to a few. Of the last rounds at most one is hit: when
/// two are, that they were acknowledged cannot be told any more.
fn do_damage(disk: &Disk, rng: &mut Rng) -> String {
    let mut done = Vec::new();
    for n in 0..1 + rng.below(3) {
        let mut files = disk.all_files();
        let dirs = if n == 0 { &["wal/", "topics/"][..] } else { &["topics/"] };
        files.retain(|(path, bytes)| dirs.iter().any(|dir| path.starts_with(dir)) && *bytes > 0);
        let Some((path, bytes)) = rng.pick(&files) else { break };
        let at = rng.below(*bytes);
        let blank_bytes_max = if path.starts_with("wal/") { 512 } else { 9000 };
        match rng.below(10) {
            0 => disk.lose(path),
            1 => disk.shorten(path, at),
            2 | 3 => disk.blank(path, at, 1 + rng.below(blank_bytes_max)),
            _ => disk.flip(path, at * 8 + rng.below(8)),
        }
        done.push(format!("{path} from {at}"));
    }
    done.join(", ")
}

fn storage(disk: &Disk) -> Arc<dyn Storage> {
    Arc::new(disk.clone())
}

/// What a user does: calls the repair. Gives what it lost, as far as it was this call that planned.
fn repair(disk: &Disk) -> Result<Option<Vec<Loss>>, RepairError> {
    let storage = storage(disk);
    if let Some(number) = interrupted(&*storage)? {
        finish(&*storage, number)?;
        return Ok(None);
    }
    let plan = plan(&storage, START_MS)?.unwrap();
    if !plan.findings.is_empty() {
        plan.carry_out(&*storage, &SIZES)?;
    }
    Ok(Some(plan.losses))
}

fn is_repaired(disk: &Disk) -> bool {
    disk.all_files().iter().any(|(path, _)| path.contains(".damaged-"))
}

/// Whether these offsets are told to be lost.
fn is_told(losses: &[Loss], model: &Model, id: PartitionId, stored: &Stored, end: i64) -> bool {
    let name = model.topics[&id.topic].made.name.as_str();
    let (from, until) = (stored.header.base_offset, stored.header.next_offset());
    losses.iter().any(|loss| match &loss.lost {
        Lost::Records { topic, partition, from: first, until: last } => {
            topic == name && *partition == id.index && *first < until && from < *last
        }
        Lost::Batch { topic_number, partition, from: first, .. } => {
            *topic_number == id.topic.0 && *partition == id.index && *first == from
        }
        // What was in them and left no trace.
        Lost::Rounds { .. } | Lost::End { .. } => from >= end,
    })
}

/// The repaired folder is sound, opens, has everything but what was told to be lost, and goes on.
fn check(disk: &Disk, scene: &Scene, losses: &[Loss], seed: u64) {
    let picture = Picture::of(&storage(disk)).unwrap().unwrap();
    let mut findings = verify(&storage(disk), &picture).unwrap().findings;
    findings.retain(Finding::is_damage);
    assert_eq!(findings, []);
    let opened = open_log(disk, START_MS).unwrap();
    let reader = Reader(Arc::clone(&opened.read_files));
    let observed = Observed::of(&opened.view, &reader, &mut Rng::of(seed, 41)).unwrap();
    for (id, _) in scene.before.partitions() {
        let Some((_, bytes)) = observed.records.get(&id) else {
            let unknown = |loss: &Loss| matches!(loss.lost, Lost::Rounds { .. } | Lost::End { .. });
            assert!(losses.iter().any(unknown), "partition {id} is gone");
            continue;
        };
        check_partition(id, bytes, scene, losses);
    }
    goes_on(opened, &observed);
}

fn check_partition(id: PartitionId, mut bytes: &[u8], scene: &Scene, losses: &[Loss]) {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let header = BatchHeader::parse(bytes).unwrap();
        let (batch, rest) = bytes.split_at(header.total_bytes);
        batches.push((header, batch));
        bytes = rest;
    }
    let end = batches.last().map_or(0, |(header, _)| header.next_offset());
    if std::env::var_os("DBG").is_some() {
        println!(
            "{id} {:?} model {:?}",
            batches
                .iter()
                .map(|b| (b.0.base_offset, b.0.next_offset(), b.0.is_vacant()))
                .collect::<Vec<_>>(),
            scene
                .now
                .readable(id)
                .unwrap()
                .1
                .iter()
                .map(|s| (s.header.base_offset, s.header.next_offset()))
                .collect::<Vec<_>>()
        );
    }
    // A last round that is not whole is as good as torn: it may be gone without a word.
    let (start, wanted) = scene.now.readable(id).unwrap();
    let sure = scene.before.partition(id).unwrap().len();
    let newer = scene.now.partition(id).unwrap().len() - sure;
    let sure = wanted.len().saturating_sub(newer);
    for (number, stored) in wanted.iter().enumerate() {
        let offset = stored.header.base_offset;
        let found = batches.iter().find(|(header, _)| header.base_offset == offset);
        match found.filter(|(header, _)| !header.is_vacant()) {
            Some((_, batch)) => assert_eq!(*batch, &stored.bytes[..], "{id} at {offset}"),
            None => assert!(
                number >= sure || is_told(losses, &scene.now, id, stored, end),
                "{id}: offset {offset} is gone, and {losses:?} does not say so"
            ),
        }
    }
    // What was deleted may be back when it was in a lost round that it was deleted.
    for (header, _) in batches.iter().filter(|(header, _)| !header.is_vacant()) {
        let known = wanted.iter().any(|stored| stored.header.base_offset == header.base_offset);
        assert!(known || header.base_offset < start, "{id}: offset {}", header.base_offset);
    }
}

/// Every partition takes another batch, behind all that was there, and keeps it.
fn goes_on(mut opened: Opened, observed: &Observed) {
    let mut rng = Rng::of(1, 42);
    for (partition, (start, bytes)) in &observed.records {
        if !opened.writer.has_room() && !opened.maintenance.extend_wal().unwrap() {
            let snapshot = opened.writer.snapshot(START_MS);
            opened.maintenance.checkpoint(snapshot).unwrap();
        }
        let batch = batch(Producer::NONE, 2, 500, &mut rng);
        let append = Command::Append { partition: *partition, batch };
        let (submission, mut answer) = Submission::new(vec![append]);
        opened.writer.commit(&mut VecDeque::from([submission]), START_MS).unwrap();
        let end = last_offset(bytes).unwrap_or(*start);
        let placed = Ok(Done::Appended(Placed::New { base_offset: end }));
        assert_eq!(answer.try_recv().unwrap()[..], [placed]);
    }
    let snapshot = opened.writer.snapshot(START_MS);
    opened.maintenance.checkpoint(snapshot).unwrap();
}

fn last_offset(mut bytes: &[u8]) -> Option<i64> {
    let mut end = None;
    while !bytes.is_empty() {
        let header = BatchHeader::parse(bytes).unwrap();
        end = Some(header.next_offset());
        bytes = &bytes[header.total_bytes..];
    }
    end
}

#[test]
fn a_repair_keeps_what_can_be_read_and_tells_the_rest() {
    let test = "a_repair_keeps_what_can_be_read_and_tells_the_rest";
    let (mut damaged, mut lossy) = (0, 0);
    for seed in seeds(1) {
        let scene = Scene::new(seed);
        for n in 0..cuts(3) * 60 {
            let mut rng = Rng::of(seed ^ (n as u64) << 20, 40);
            let disk = scene.disk.fork();
            let what = do_damage(&disk, &mut rng);
            case(test, seed, &what, || {
                let losses = repair(&disk).unwrap().unwrap();
                damaged += usize::from(is_repaired(&disk));
                lossy += usize::from(!losses.is_empty());
                check(&disk, &scene, &losses, seed);
            });
        }
    }
    assert!(damaged > 50 && lossy > 20, "{damaged} were repaired, {lossy} lost something");
}

#[test]
fn a_repair_that_is_interrupted_goes_on() {
    let test = "a_repair_that_is_interrupted_goes_on";
    for seed in seeds(1) {
        let scene = Scene::new(seed);
        for n in 0..cuts(3) * 3 {
            let mut rng = Rng::of(seed ^ (n as u64) << 20, 43);
            let damaged = scene.disk.fork();
            let what = do_damage(&damaged, &mut rng);
            let whole = damaged.fork();
            let losses = repair(&whole).unwrap().unwrap();
            if !is_repaired(&whole) {
                continue;
            }
            let (operations, _) = whole.operations();
            for at in sampled(operations, seed) {
                let fault = if rng.percent(70) { Fault::PowerCut(at) } else { Fault::Change(at) };
                case(test, seed, &format!("{what}; {fault:?} of {operations}"), || {
                    let disk = damaged.fork();
                    disk.arm(fault);
                    assert!(repair(&disk).is_err());
                    let left = match fault {
                        Fault::PowerCut(_) => disk.after_power_cut(rng.next()),
                        _ => disk.fork(),
                    };
                    if interrupted(&*storage(&left)).unwrap().is_some() {
                        let refused = open_log(&left.fork(), START_MS).unwrap_err().to_string();
                        assert!(refused.contains("was interrupted"), "{refused}");
                    }
                    if let Some(again) = repair(&left).unwrap() {
                        // Interrupted before anything was changed, or when all of it was done.
                        assert!(again == losses || again.is_empty(), "{again:?}");
                    }
                    check(&left, &scene, &losses, seed);
                    let file = left.open(&report(1)).unwrap();
                    let told = file.read(0, usize::MAX).unwrap();
                    let lines = told.iter().filter(|byte| **byte == b'\n').count();
                    assert_eq!(lines, losses.len());
                });
            }
        }
    }
}
