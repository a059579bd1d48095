//! The README's tour works: every command in it is run, and says what the README says.
use std::path::Path;
use std::process::Command;

use crate::support::appliance::{self, Appliance};
use crate::support::readme::{self, Block};
use crate::support::{kcat, skip};

const START: &str = "cargo run --release -- gateway\n";
const PULL_THE_PLUG: &str = "pkill -9 pagi-appliance\n";

#[test]
fn every_block_of_the_tour_does_what_it_says() {
    if appliance::brokers_outside().is_some() {
        return skip::say("the README's tour, which is about the embedded broker");
    }
    let text = readme::text();
    let blocks = readme::blocks(readme::section(&text, "Tour"));
    let has_kcat = kcat::is_installed();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(appliance::binary(), folder.path().join("pagi-appliance")).unwrap();
    let mut running: Option<Appliance> = None;
    for (index, block) in blocks.iter().enumerate().filter(|(_, block)| block.language == "sh") {
        let needs_kcat = block.text.contains("kcat");
        match (block.text.as_str(), &mut running) {
            (START, _) => {
                let appliance = Appliance::start(&folder.path().join("pagi-data"));
                running = Some(appliance.ready());
            }
            (PULL_THE_PLUG, Some(appliance)) => appliance.process.kill_9(),
            (command, _) if needs_kcat && !has_kcat => skip::say(command),
            (command, Some(appliance)) => {
                let output = run(command, appliance, folder.path());
                if let Some(Block { language, text }) = blocks.get(index + 1)
                    && language == "text"
                {
                    assert_says(command, &output, text);
                }
            }
            (command, None) => panic!("before the gateway is started:\n{command}"),
        }
    }
}

/// Runs a block as a user does, but on the ports of this test.
fn run(block: &str, appliance: &Appliance, folder: &Path) -> String {
    let block = block
        .replace("127.0.0.1:8080", &appliance.gateway.to_string())
        .replace("127.0.0.1:9092", &appliance.brokers)
        .replace("127.0.0.1:9600", &appliance.admin.to_string());
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &block])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("PAGI_BROKERS", &appliance.brokers)
        .output()
        .expect("bash runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{block}\n{text}\n{errors}", output.status);
    text
}

/// Line by line; `…` stands for anything.
fn assert_says(command: &str, output: &str, expected: &str) {
    let same = output.lines().count() == expected.lines().count()
        && output.lines().zip(expected.lines()).all(|(line, pattern)| matches(line, pattern));
    assert!(same, "the README says of\n{command}\n{expected}\nbut it says\n{output}");
}

fn matches(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    let open_end = parts.peek().is_some() && pattern.ends_with('…');
    while let Some(part) = parts.next() {
        let found = if parts.peek().is_none() { rest.rfind(part) } else { rest.find(part) };
        let Some(at) = found else { return false };
        rest = &rest[at + part.len()..];
    }
    open_end || rest.is_empty()
}

#[test]
fn a_pattern_matches_what_it_leaves_open() {
    assert!(matches(r#"{"id":"x","offset":0}"#, r#"{"id":"…","offset":0}"#));
    assert!(matches("abc", "a…") && matches("abc", "abc") && matches("abc", "…c"));
    assert!(!matches("abc", "ab") && !matches("abc", "a…d") && !matches("xabc", "a…c"));
}
