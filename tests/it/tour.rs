//! The README's tour works: every command in it is run, and says what the README says.
use std::path::Path;

use crate::support::appliance::{self, Appliance};
use crate::support::blocks::{self, Block};
use crate::support::{kcat, skip};

const START: &str = "cargo run --release -- gateway\n";
const PULL_THE_PLUG: &str = "pkill -9 pagi-appliance\n";

#[test]
fn every_block_of_the_tour_does_what_it_says() {
    if appliance::brokers_outside().is_some() {
        return skip::say("the README's tour, which is about the embedded broker");
    }
    let text = blocks::text("README.md");
    let blocks = blocks::blocks(blocks::section(&text, "Tour"));
    let has_kcat = kcat::is_installed();
    let folder = tempfile::tempdir().unwrap();
    blocks::put_binary_into(folder.path());
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
                    blocks::assert_says(command, &output, text);
                }
            }
            (command, None) => panic!("before the gateway is started:\n{command}"),
        }
    }
}

/// On the ports of this test.
fn run(block: &str, appliance: &Appliance, folder: &Path) -> String {
    let block = block
        .replace("127.0.0.1:8080", &appliance.gateway.to_string())
        .replace("127.0.0.1:9092", &appliance.brokers)
        .replace("127.0.0.1:9600", &appliance.admin.to_string());
    blocks::run(&block, folder, &[("PAGI_BROKERS", &appliance.brokers)])
}
