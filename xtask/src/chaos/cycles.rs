//! Crash, start again, compare: the loop that every kind of crash under load goes through.
//!
//! **Invariants.** Data is compared as clients see it, after each start that comes to its end,
//! while producers go on.
use std::path::Path;
use std::time::Duration;

use super::findings::Sort;
use super::lanes::Lanes;
use super::ledger::Ledger;
use super::load::{Load, MANY};
use super::node::{Node, Setup};
use super::random::Random;
use super::site::{Report, Site};
use super::verify;
use crate::failure::{Outcome, While};

/// So many crashes happen to one data folder, before the next one begins empty.
const CRASHES_PER_FOLDER: u32 = 15;
/// R1: ready again, at p99.
const READY_MS_MAX: f64 = 2_000.0;
/// How long a process may take to stop when asked to.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// How the machine is made to fail.
pub(super) trait Ground {
    /// The folder for the data.
    fn data_dir(&self) -> &Path;

    /// Ends the process the hard way; afterwards the folder can be used again.
    ///
    /// # Errors
    /// The crash itself could not be made.
    fn crash(&mut self, node: Node, random: &mut Random) -> Outcome;
}

/// Crashes `site.cycles` times, on grounds that `ground` makes.
///
/// # Errors
/// Something else went wrong than what is looked for. What is looked for is in the report.
pub(super) fn run<G: Ground>(
    name: &str,
    site: &Site,
    mut ground: impl FnMut(&Path, u32) -> Outcome<G>,
) -> Outcome<Report> {
    let mut report = Report::begin();
    let mut folders = 0;
    while report.cycles < site.cycles && report.findings.is_empty() {
        let scratch = site.scratch(name)?;
        let mut random = site.random.part(folders);
        let mut ground = ground(scratch.path(), folders)?;
        folders += 1;
        let outcome = folder(name, site, &mut ground, scratch.path(), &mut random, &mut report);
        if outcome.is_err() || !report.findings.is_empty() {
            drop(ground);
            println!("    {name}: what there is stays in {}", scratch.keep().display());
        }
        outcome?;
    }
    if report.ready.permille_ms(990).is_some_and(|p99| p99 > READY_MS_MAX) {
        report.findings.add(Sort::Wrong, || "ready again too late".to_owned());
    }
    Ok(report)
}

fn folder(
    name: &str,
    site: &Site,
    ground: &mut impl Ground,
    scratch: &Path,
    random: &mut Random,
    report: &mut Report,
) -> Outcome {
    let data_dir = ground.data_dir().to_path_buf();
    let setup = Setup { data_dir, ..Setup::new(&site.binary, scratch, random)? };
    let ledger = Ledger::create(&scratch.join("ledger"))?;
    let lanes = Lanes::new("orders", 4, 4);
    let mut node = setup.start()?;
    node.ready()?;
    lanes.create(setup.address)?;
    let mut load = Load::new(setup.address, MANY, lanes, ledger, random);
    let before = report.acknowledged;
    let node = load.during(|shared, observer| {
        let mut node = node;
        for _ in 0..CRASHES_PER_FOLDER.min(site.cycles - report.cycles) {
            std::thread::sleep(random.millis(0..=400));
            ground.crash(node, random)?;
            if random.one_in(4) {
                // The next crash falls into the recovery, or right behind it.
                let starting = setup.start()?;
                std::thread::sleep(random.millis(0..=40));
                ground.crash(starting, random)?;
            }
            node = setup.start()?;
            report.ready.add(node.ready()?);
            shared.resting(|| verify::everything(shared, observer))?;
            report.cycles += 1;
            report.acknowledged = before + shared.ledger.records();
            report.progress(name, site.cycles);
            if !shared.findings.is_empty() {
                break;
            }
        }
        Ok(node)
    });
    let mut node = node.on(format!("go on with {}", scratch.display()))?;
    // Everyone has their answers. The last crash is a stop in good order.
    node.terminate()?;
    let ended = node.wait(STOP_PATIENCE)?;
    if !ended.is_some_and(|status| status.success()) {
        load.shared.findings.add(Sort::Wrong, || format!("asked to stop, it ended with {ended:?}"));
    }
    node = setup.start()?;
    node.ready()?;
    verify::everything(&load.shared, &load.observer)?;
    report.acknowledged = before + load.shared.ledger.records();
    report.findings.extend(&load.shared.findings);
    node.kill()
}
