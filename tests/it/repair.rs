//! `pagi-appliance log repair`: the way past damage to acknowledged data, and its price.
use std::path::Path;
use std::process::Output;

use crate::support::appliance::{self, Appliance};
use crate::support::delivered::Delivered;
use crate::support::publish::Acknowledged;
use crate::support::{consumer, events, kcat, publish};

const DAMAGED: usize = 7;

fn repair(folder: &Path, more: &[&str]) -> (i32, String, String) {
    let mut command = appliance::command(&["log", "repair"]);
    let Output { status, stdout, stderr } = command.arg(folder).args(more).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Events that only the write-ahead log has, the last of them damaged but for a few.
fn damaged(folder: &Path) -> (String, Vec<Acknowledged>) {
    let mut appliance = Appliance::start_with(folder, &["--default-partitions", "1"]).ready();
    let topic = publish::new_topic("repaired");
    let acknowledged = publish::all(&mut appliance.http(), &topic, &events::all()[..10]);
    appliance.process.kill_9();
    let path = folder.join("wal/0.wal");
    let mut wal = std::fs::read(&path).unwrap();
    let body = &acknowledged[DAMAGED].event.body;
    let at = wal.windows(body.len()).position(|bytes| bytes == body).unwrap();
    wal[at] ^= 1;
    std::fs::write(&path, wal).unwrap();
    (topic, acknowledged)
}

fn delivered(appliance: &Appliance, topic: &str) -> Vec<Delivered> {
    let found = consumer::read(&appliance.brokers, topic);
    if kcat::is_installed() {
        assert_eq!(kcat::read(&appliance.brokers, topic).len(), found.len());
    }
    found
}

#[test]
fn what_is_damaged_is_told_and_lost_and_nothing_else() {
    if appliance::brokers_outside().is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (topic, mut acknowledged) = damaged(folder.path());
    let before = std::fs::read(folder.path().join("wal/0.wal")).unwrap();

    let (code, said, errors) = repair(folder.path(), &[]);
    assert_eq!(code, 1, "{said}{errors}");
    let lost = format!("LOST: {topic}/0: offsets {DAMAGED} up to {}", DAMAGED + 1);
    assert!(said.contains(&lost) && errors.contains("nothing was changed"), "{said}{errors}");
    assert_eq!(std::fs::read(folder.path().join("wal/0.wal")).unwrap(), before);

    let (code, said, errors) = repair(folder.path(), &["--accept-loss"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{said}");
    let report = std::fs::read_to_string(folder.path().join("repair-1.ndjson")).unwrap();
    let lines: Vec<serde_json::Value> =
        report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let records = lines.iter().find(|line| line["lost"] == "records").unwrap();
    assert_eq!((&records["topic"], &records["from"]), (&topic.as_str().into(), &DAMAGED.into()));
    assert_eq!(std::fs::read(folder.path().join("wal/0.wal.damaged-1")).unwrap(), before);

    let appliance = Appliance::start(folder.path()).ready();
    acknowledged.remove(DAMAGED);
    let found = delivered(&appliance, &topic);
    let found: Vec<_> = found.into_iter().map(|event| (event.offset, event.payload)).collect();
    let kept = acknowledged.into_iter().map(|kept| (kept.offset, kept.event.body));
    assert_eq!(found, kept.collect::<Vec<_>>());
    let next = publish::one(&mut appliance.http(), &topic, &events::all()[10]).unwrap();
    assert_eq!(next.offset, 10, "no offset is given again");
}

#[test]
fn a_sound_folder_is_left_alone_and_a_running_one_too() {
    if appliance::brokers_outside().is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path()).ready();
    let (code, _, errors) = repair(folder.path(), &["--accept-loss"]);
    assert_eq!(code, 3, "{errors}");
    assert!(errors.contains("is in use"), "{errors}");
    appliance.process.terminate();
    appliance.process.wait();
    let (code, said, errors) = repair(folder.path(), &["--accept-loss"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{said}");
    assert!(said.contains("nothing to repair"), "{said}");
    assert!(!folder.path().join("repair-1.ndjson").exists());
}

#[test]
fn a_damaged_checkpoint_cannot_be_repaired() {
    if appliance::brokers_outside().is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    damaged(folder.path());
    let path = folder.path().join("checkpoint");
    let mut checkpoint = std::fs::read(&path).unwrap();
    *checkpoint.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &checkpoint).unwrap();
    let (code, _, errors) = repair(folder.path(), &["--accept-loss"]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("the checkpoint itself is damaged"), "{errors}");
    assert_eq!(std::fs::read(&path).unwrap(), checkpoint);
}
