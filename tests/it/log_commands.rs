//! `pagi-appliance log …`: a data folder is checked and printed without being changed.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::appliance::{self, Appliance};
use crate::support::{events, publish};

/// Runs `log` with these arguments: its exit code, what it printed, and what it complained of.
fn log(arguments: &[&str], folder: &Path) -> (i32, String, String) {
    let mut command = appliance::command(&["log"]);
    let Output { status, stdout, stderr } = command.args(arguments).arg(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Every file of a folder and its bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    all
}

/// A folder with acknowledged events that only the write-ahead log has, and their topic.
fn killed_with(events: usize, folder: &Path) -> String {
    let mut appliance = Appliance::start(folder).ready();
    let topic = publish::new_topic("inspected");
    publish::all(&mut appliance.http(), &topic, &events::all()[..events]);
    appliance.process.kill_9();
    topic
}

#[test]
fn a_folder_is_checked_and_printed_and_stays_as_it_is() {
    if appliance::brokers_outside().is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let topic = killed_with(10, folder.path());
    let before = contents(folder.path());
    let (code, said, errors) = log(&["verify"], folder.path());
    assert_eq!((code, errors.as_str()), (0, ""), "{said}");
    assert!(said.ends_with("no damage\n"), "{said}");

    let (code, printed, errors) = log(&["dump", "--topic", &topic], folder.path());
    assert_eq!((code, errors.as_str()), (0, ""));
    let lines: Vec<serde_json::Value> =
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 10);
    assert!(lines.iter().all(|line| line["topic"] == topic.as_str() && line["offset"].is_i64()));
    let few = ["dump", "--topic", &topic, "--from", "0", "--until", "1", "--format", "text"];
    let (_, printed, _) = log(&few, folder.path());
    assert!(printed.lines().all(|line| line.contains("@0\t")), "{printed}");
    assert!(contents(folder.path()) == before, "the folder was changed");
}

#[test]
fn a_folder_that_is_in_use_or_none_at_all_is_refused() {
    if appliance::brokers_outside().is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (code, _, errors) = log(&["verify"], folder.path());
    assert_eq!(code, 3);
    assert!(errors.contains("is not a data folder"), "{errors}");
    let appliance = Appliance::start(folder.path()).ready();
    let (code, _, errors) = log(&["dump"], folder.path());
    assert_eq!(code, 3);
    assert!(errors.contains("another process holds the file LOCK"), "{errors}");
    drop(appliance);
}

#[test]
fn damage_is_named_with_its_file_and_place() {
    if appliance::brokers_outside().is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    killed_with(20, folder.path());
    let checkpoint = folder.path().join("checkpoint");
    let mut bytes = std::fs::read(&checkpoint).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&checkpoint, bytes).unwrap();
    let (code, said, errors) = log(&["verify"], folder.path());
    assert_eq!(code, 1, "{errors}");
    assert!(said.starts_with("DAMAGE: checkpoint at byte 0"), "{said}");
}
