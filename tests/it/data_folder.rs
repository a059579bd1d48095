//! A data folder that cannot be used ends the start with a message, and is left as it is.
use std::path::Path;
use std::process::Output;

use crate::support::appliance::{self, Appliance};
use crate::support::publish;
use crate::support::{arrived, consumer, events};

const COULD_NOT_START: i32 = 3;

/// Tries to start a broker on `data_dir`; gives what it says instead.
fn refusal(data_dir: &Path) -> String {
    let mut command = appliance::command(&["broker", "--kafka-listen", "127.0.0.1:0"]);
    command.args(["--admin-listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(COULD_NOT_START), "{stderr}");
    assert_eq!(stdout, b"");
    stderr
}

#[test]
fn a_second_process_is_told_that_the_folder_is_in_use_and_disturbs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let topic = publish::new_topic("locked");
    let events = &events::all()[..10];
    let mut acknowledged = publish::all(&mut appliance.http(), &topic, events);
    let said = refusal(folder.path());
    assert!(
        said.contains("another process") && said.contains(&*folder.path().to_string_lossy()),
        "{said}"
    );
    acknowledged.extend(publish::all(&mut appliance.http(), &topic, events));
    arrived::assert_all(&acknowledged, &consumer::read(&appliance.brokers, &topic));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let said = refusal(&file.join("data"));
    assert!(said.contains(&*file.to_string_lossy()), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "not a folder");
}

#[test]
fn a_start_after_kill_9_says_in_one_line_what_was_replayed() {
    if appliance::brokers_outside().is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut first = Appliance::start(folder.path()).ready();
    let topic = publish::new_topic("recovered");
    publish::all(&mut first.http(), &topic, &events::all()[..3]);
    first.process.kill_9();
    let mut second = Appliance::start(folder.path()).ready();
    second.process.terminate();
    second.process.wait();
    let said = second.process.errors();
    let mut lines = said.lines().filter(|line| line.contains("the log was recovered"));
    let line = lines.next().unwrap_or_else(|| panic!("{said}"));
    for field in ["rounds", "bytes", "took_ms"] {
        assert!(line.contains(field), "{line}");
    }
    assert_eq!(lines.next(), None);
}
