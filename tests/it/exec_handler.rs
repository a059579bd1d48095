//! `--handler exec`: events go to a program, and count as handled when it gave them back.
use std::collections::BTreeSet;
use std::path::Path;

use crate::support::appliance::{self, Appliance};
use crate::support::consumer::Consumer;
use crate::support::events;
use crate::support::publish::{self, Acknowledged};
use crate::support::wait;

const LOOP: &str = "while read -r line; do echo_to_file; printf '%s\\n' \"$line\"; done";

/// A program that keeps each line in a file, and then gives it back.
fn keeping(file: &Path, program: &str) -> String {
    program.replace("echo_to_file", &format!("printf '%s\\n' \"$line\" >> '{}'", file.display()))
}

fn consumer(appliance: &Appliance, topic: &str, program: &str, more: &[&str]) -> Consumer {
    let arguments = [&["--handler", "exec", "--exec", program], more].concat();
    Consumer::start(&appliance.brokers, topic, topic, &arguments)
}

/// Partition and offset of each line that was kept, in their order.
fn kept(file: &Path) -> Vec<(i64, i64)> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    // The last line may be half written when its writer is killed.
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let values = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let place =
        |v: serde_json::Value| (v["partition"].as_i64().unwrap(), v["offset"].as_i64().unwrap());
    values.map(place).collect()
}

fn published(acknowledged: &[Acknowledged]) -> BTreeSet<(i64, i64)> {
    acknowledged.iter().map(|one| (i64::from(one.partition), one.offset)).collect()
}

#[test]
fn a_program_gets_every_event_once_and_what_it_gave_back_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(&folder.path().join("data")).ready();
    let (topic, file) = (publish::new_topic("exec"), folder.path().join("kept"));
    let acknowledged = publish::all(&mut appliance.http(), &topic, &events::all());
    let program = keeping(&file, LOOP);
    assert_eq!(consumer(&appliance, &topic, &program, &["--exit-at-end"]).rest(), []);
    let places = kept(&file);
    assert_eq!(places.len(), acknowledged.len(), "each once");
    assert_eq!(places.into_iter().collect::<BTreeSet<_>>(), published(&acknowledged));
    let again = Consumer::start(&appliance.brokers, &topic, &topic, &["--exit-at-end"]).rest();
    assert_eq!(again, [], "all is committed");
}

#[test]
fn a_program_that_dies_before_it_gave_an_event_back_gets_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(&folder.path().join("data")).ready();
    let (topic, file) = (publish::new_topic("exec-dies"), folder.path().join("kept"));
    let events: Vec<_> = events::all().into_iter().take(10).collect();
    let acknowledged = publish::all(&mut appliance.http(), &topic, &events);
    let program = "read -r line || exit; echo_to_file; printf '%s\\n' \"$line\"; \
                   read -r line || exit; echo_to_file; kill -9 $$";
    consumer(&appliance, &topic, &keeping(&file, program), &["--exit-at-end"]).rest();
    let places = kept(&file);
    assert_eq!(places.iter().copied().collect::<BTreeSet<_>>(), published(&acknowledged));
    assert!(places.len() > acknowledged.len(), "those it died at came twice");
}

#[test]
fn a_program_that_cannot_be_run_stops_the_consumer_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(&folder.path().join("data")).ready();
    let topic = publish::new_topic("exec-no-program");
    let acknowledged = publish::all(&mut appliance.http(), &topic, &events::all());
    let mut failing = consumer(&appliance, &topic, "/does/not/exist", &[]);
    assert_eq!(failing.process.wait().code(), Some(1));
    let errors = failing.process.errors();
    for part in ["/does/not/exist", "exit status: 127"] {
        assert!(errors.contains(part), "{part} in {errors}");
    }
    let all = Consumer::start(&appliance.brokers, &topic, &topic, &["--exit-at-end"]).rest();
    assert_eq!(all.len(), acknowledged.len(), "nothing was committed");
}

#[test]
fn kill_9_in_the_middle_of_a_program_s_work_skips_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(&folder.path().join("data")).ready();
    let topic = publish::new_topic("exec-kill");
    let acknowledged = publish::all(&mut appliance.http(), &topic, &events::all());
    let mut seen = BTreeSet::new();
    for round in 1..=4 {
        // A file for each: the program of a killed consumer goes on to the end of its input.
        let file = folder.path().join(round.to_string());
        let program = keeping(&file, LOOP);
        if round == 4 {
            consumer(&appliance, &topic, &program, &["--exit-at-end"]).rest();
        } else {
            let mut consumer = consumer(&appliance, &topic, &program, &[]);
            wait::until("it handled some, or there are none left", || {
                let all_seen = seen.len() == acknowledged.len();
                (all_seen || !kept(&file).is_empty()).then_some(())
            });
            consumer.process.kill_9();
        }
        // What was seen while the consumer lived is all that it can have committed.
        seen.extend(kept(&file));
    }
    assert_eq!(seen, published(&acknowledged));
}

#[test]
fn flags_that_do_not_go_together_are_refused_with_code_2() {
    for (arguments, why) in [
        (&["--handler", "exec"][..], "--exec"),
        (&["--exec", "cat"], "--handler exec"),
        (&["--handler", "exec", "--exec", "cat", "--max-tries", "0"], "--max-tries"),
    ] {
        let mut command = appliance::command(&["router", "start-consumer", "--topics", "t"]);
        let output = command.args(arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(why), "{errors}");
    }
}
