//! Damaged data folders: what is damaged is refused, at the start or when it is read, and never
//! served or left out in silence.
//!
//! **Invariants.** The last round of the log is a topic that is not looked for: nobody can tell a
//! damaged last round from one that was torn before it was acknowledged.
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::damage::{Act, Damage};
use super::findings::{Findings, Sort};
use super::lanes::Lanes;
use super::ledger::Ledger;
use super::load::{FEW, Load};
use super::node::{Node, Setup};
use super::random::Random;
use super::site::{Ending, Report, Site};
use super::verify;
use crate::failure::{Failure, Outcome, While};
use crate::kafka::Broker;
use crate::project;

/// So much damage is done to copies of one data folder, before another one is made.
const CASES_PER_FOLDER: u32 = 100;
/// How long data is produced before a stop in good order, and behind it before the kill.
const LOAD: Duration = Duration::from_millis(700);
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// The exit code of a data folder that cannot be used.
const EXIT_NOT_STARTED: i32 = 3;

/// What became of the damage.
#[derive(Debug, Default)]
struct Tally {
    refused_to_start: u32,
    refused_to_serve: u32,
    harmless: u32,
}

/// R6, in the real process.
pub(super) fn run(site: &Site) -> Outcome<Ending> {
    let mut report = Report::begin();
    let mut tally = Tally::default();
    let mut folders = 0;
    while report.cycles < site.cycles && report.findings.is_empty() {
        let scratch = site.scratch("corrupt")?;
        let mut random = site.random.part(folders);
        folders += 1;
        let setup = Setup::new(&site.binary, scratch.path(), &mut random)?;
        let load = fill(&setup, scratch.path(), &random)?;
        report.acknowledged += load.shared.ledger.records();
        let whole = scratch.path().join("whole");
        copy(&setup.data_dir, &whole)?;
        for _ in 0..CASES_PER_FOLDER.min(site.cycles - report.cycles) {
            copy(&whole, &setup.data_dir)?;
            let damage = Damage::choose(&whole, &mut random)?;
            damage.apply(&setup.data_dir)?;
            one(&damage, &setup, &load, &mut tally, &report.findings)?;
            report.cycles += 1;
            report.progress("corrupt", site.cycles);
            if !report.findings.is_empty() {
                println!("    corrupt: what there is stays in {}", scratch.keep().display());
                break;
            }
        }
    }
    let Tally { refused_to_start, refused_to_serve, harmless } = tally;
    report.what = format!(
        "{refused_to_start} refused at start, {refused_to_serve} refused when read, {harmless} did \
         no harm"
    );
    Ok(Ending::Ran(report))
}

/// A folder with segments, a checkpoint and, behind it, a log.
fn fill(setup: &Setup, scratch: &Path, random: &Random) -> Outcome<Load> {
    let mut node = setup.start()?;
    node.ready()?;
    let lanes = Lanes::new("orders", 2, 4);
    lanes.create(setup.address)?;
    let ledger = Ledger::create(&scratch.join("ledger"))?;
    let mut load = Load::new(setup.address, FEW, lanes, ledger, random);
    load.during(|_, _| {
        std::thread::sleep(LOAD);
        node.terminate()?;
        node.wait(STOP_PATIENCE)?.ok_or_else(|| Failure::new("it does not stop"))?;
        node = setup.start()?;
        node.ready()?;
        std::thread::sleep(LOAD);
        Ok(())
    })?;
    Broker::connect(setup.address)?.create_topic("last", 1)?;
    node.kill()?;
    Ok(load)
}

/// Opens a damaged folder.
fn one(damage: &Damage, setup: &Setup, load: &Load, tally: &mut Tally, all: &Findings) -> Outcome {
    let mut node = setup.start()?;
    let findings = Findings::default();
    if let Err(failure) = node.ready() {
        tally.refused_to_start += 1;
        let status = node.wait(STOP_PATIENCE)?;
        if status.and_then(|status| status.code()) != Some(EXIT_NOT_STARTED) {
            findings.add(Sort::Wrong, || format!("it did not refuse, but {failure}"));
        } else if !names(&node, damage) {
            let words = node.last_words();
            findings.add(Sort::Wrong, || format!("it does not name the file:\n{words}"));
        }
    } else {
        let read = verify::what_is_served(&load.shared, &load.observer, &findings)
            .and_then(|read| load.look(&findings).map(|()| read));
        match read {
            Ok(read) if read.refused > 0 => {
                tally.refused_to_serve += 1;
                if !names(&node, damage) {
                    let words = node.last_words();
                    findings.add(Sort::Wrong, || format!("it does not name the file:\n{words}"));
                }
            }
            Ok(_) => tally.harmless += 1,
            Err(failure) => findings.add(Sort::Wrong, || {
                format!("reading ended with {failure}; it said:\n{}", node.last_words())
            }),
        }
    }
    if node.log().contains("panicked") {
        findings.add(Sort::Wrong, || format!("it panicked:\n{}", node.last_words()));
    }
    if !findings.is_empty() {
        println!("    corrupt: {damage}");
    }
    all.extend(&findings);
    node.kill()
}

/// Whether what it said names the damaged file. Which of several is missing or out of step may not
/// be known: then it is enough that it names one of that folder.
fn names(node: &Node, damage: &Damage) -> bool {
    let log = node.log();
    let file = damage.file.to_string_lossy();
    let folder = damage.file.parent().map(Path::to_string_lossy).unwrap_or_default();
    log.contains(&*file) || (damage.act == Act::Remove && log.contains(&*folder))
}

/// A copy in place of what is there; blank parts take no room.
fn copy(from: &Path, to: &Path) -> Outcome {
    if to.exists() {
        std::fs::remove_dir_all(to).on(format!("remove {}", to.display()))?;
    }
    let mut copy = Command::new("cp");
    copy.args(["--archive", "--sparse=always"]).arg(from).arg(to);
    project::output(&mut copy).map(drop)
}
