//! Sick disks: system calls that fail, one fault after the other.
//!
//! A process that meets one may end, with an error that says why, refuse what it was asked, or go
//! on; after a clean start everything that it acknowledged must be there.
use std::path::Path;
use std::time::Duration;

use super::fault::Fault;
use super::findings::{Findings, Sort};
use super::lanes::Lanes;
use super::ledger::Ledger;
use super::load::{FEW, Load};
use super::loop_fs::is_installed;
use super::node::{Node, Setup};
use super::site::{Ending, Report, Site};
use super::verify;
use crate::failure::{Failure, Outcome};

/// So many faults meet one data folder, before the next one begins empty.
const FAULTS_PER_FOLDER: usize = 12;
/// How long the process is under load with the fault.
const LOAD: Duration = Duration::from_millis(350);
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// What became of the faults.
#[derive(Debug, Default)]
struct Tally {
    met: u32,
    refused_to_start: u32,
    ended: u32,
    went_on: u32,
}

/// R4.
pub(super) fn run(site: &Site) -> Outcome<Ending> {
    let programs = [("strace", "strace"), ("prlimit", "util-linux"), ("env", "coreutils")];
    for (program, package) in programs {
        if !is_installed(program) {
            return Ok(Ending::Skipped(format!("{program} is not there: install {package}")));
        }
    }
    let mut random = site.random.clone();
    let mut faults = Fault::all(&mut random);
    faults.truncate(usize::try_from(site.cycles)?);
    let mut report = Report::begin();
    let mut tally = Tally::default();
    for (faults, number) in faults.chunks(FAULTS_PER_FOLDER).zip(0..) {
        let scratch = site.scratch("eio")?;
        let setup = Setup::new(&site.binary, scratch.path(), &mut random)?;
        let lanes = Lanes::new("orders", 2, 4);
        let ledger = Ledger::create(&scratch.path().join("ledger"))?;
        let mut node = setup.start()?;
        node.ready()?;
        lanes.create(setup.address)?;
        let mut load = Load::new(setup.address, FEW, lanes, ledger, &random.part(number));
        let before = report.acknowledged;
        let outcome = load.during(|shared, observer| {
            for fault in faults {
                node.kill()?;
                one(fault, &setup, scratch.path(), &mut tally, &shared.findings)?;
                node = setup.start()?;
                report.ready.add(node.ready()?);
                shared.resting(|| verify::everything(shared, observer))?;
                report.cycles += 1;
                report.acknowledged = before + shared.ledger.records();
                report.progress("eio", site.cycles);
                if !shared.findings.is_empty() {
                    return Err(Failure::new(format!("after {fault}")));
                }
            }
            Ok(node)
        });
        report.findings.extend(&load.shared.findings);
        if let Err(failure) = outcome {
            report.findings.add(Sort::Wrong, || failure.to_string());
            println!("    eio: what there is stays in {}", scratch.keep().display());
            break;
        }
    }
    let Tally { met, refused_to_start, ended, went_on } = tally;
    report.what = format!(
        "{met} faults met: {refused_to_start} refused to start, {ended} ended, {went_on} went on"
    );
    Ok(Ending::Ran(report))
}

/// Runs the process into one fault.
fn one(
    fault: &Fault,
    setup: &Setup,
    scratch: &Path,
    tally: &mut Tally,
    findings: &Findings,
) -> Outcome {
    let trace = scratch.join("trace");
    let setup = Setup { under: fault.under(&trace), ..setup.clone() };
    let mut node = setup.start()?;
    let started = node.ready().is_ok();
    let early = if started { node.wait(LOAD)? } else { node.wait(STOP_PATIENCE)? };
    let status = match early {
        Some(status) => Some(status),
        None => {
            node.terminate()?;
            node.wait(STOP_PATIENCE)?
        }
    };
    let wrong = |what: String| {
        let words = node.last_words();
        findings.add(Sort::Wrong, || format!("{fault}: {what}; it said:\n{words}"));
    };
    let Some(status) = status else {
        wrong("it does not stop".to_owned());
        return node.kill();
    };
    let met = was_met(fault, &trace, &node, early.is_some());
    if !met {
        return Ok(());
    }
    tally.met += 1;
    match (started, early.is_some()) {
        (false, _) => tally.refused_to_start += 1,
        (true, true) => tally.ended += 1,
        (true, false) => tally.went_on += 1,
    }
    if status.code().is_none() {
        wrong(format!("it ended with {status}"));
    } else if early.is_some() && status.success() {
        wrong("it ended by itself as if all were well".to_owned());
    } else if early.is_some() && !says_why(&node) {
        wrong("it ended without saying why".to_owned());
    } else if fault.is_sync() && status.success() && !says_why(&node) {
        // A last checkpoint that fails while it stops is only said: the log holds everything.
        wrong("it went on after a failed sync".to_owned());
    }
    Ok(())
}

/// Whether the fault hit anything.
fn was_met(fault: &Fault, trace: &Path, node: &Node, ended: bool) -> bool {
    match fault {
        Fault::Call { .. } => {
            std::fs::read_to_string(trace).is_ok_and(|trace| trace.contains("(INJECTED)"))
        }
        Fault::Short { .. } => ended || node.log().contains("File too large"),
    }
}

/// Whether it, or what loads it, gave an error, and did not panic.
fn says_why(node: &Node) -> bool {
    let log = node.log();
    log.to_ascii_lowercase().contains("error") && !log.contains("panicked")
}
