//! What every kind of crash is given, and what it says at its end.
use std::path::PathBuf;
use std::time::Instant;

use tempfile::TempDir;

use super::findings::{Findings, Sort};
use super::random::Random;
use crate::failure::{Outcome, While};
use crate::latency::Latencies;

/// What to crash, where and how often.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) binary: PathBuf,
    /// For data, images and ledgers.
    pub(super) folder: PathBuf,
    pub(super) cycles: u32,
    pub(super) random: Random,
}

impl Site {
    /// A folder that goes when its value does, unless it is kept.
    pub(super) fn scratch(&self, name: &str) -> Outcome<TempDir> {
        tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempdir_in(&self.folder)
            .on(format!("make a folder in {}", self.folder.display()))
    }
}

/// What came of one kind.
#[derive(Debug)]
pub(super) enum Ending {
    /// It ran.
    Ran(Report),
    /// It cannot run here; this is what it needs.
    Skipped(String),
}

/// The figures of one kind.
#[derive(Debug)]
pub(super) struct Report {
    /// What was done, in figures of this kind.
    pub(super) what: String,
    pub(super) cycles: u32,
    pub(super) acknowledged: u64,
    pub(super) ready: Latencies,
    pub(super) findings: Findings,
    begin: Instant,
}

impl Report {
    pub(super) fn begin() -> Self {
        Self {
            what: String::new(),
            cycles: 0,
            acknowledged: 0,
            ready: Latencies::default(),
            findings: Findings::default(),
            begin: Instant::now(),
        }
    }

    /// Takes over the figures of another part of the same kind.
    pub(super) fn add(&mut self, other: Self) {
        self.cycles += other.cycles;
        self.acknowledged += other.acknowledged;
        self.ready.append(other.ready);
        self.findings.extend(&other.findings);
    }

    /// One line.
    pub(super) fn line(&mut self, name: &str) -> String {
        let count = |sort| self.findings.count(sort);
        let mut line = format!(
            "{name}: {}, {} cycles{}, {} records acknowledged, {} lost, {} twice, {} out of order, \
             {} damaged, {} wrong",
            if self.findings.is_empty() { "ok" } else { "FAILED" },
            self.cycles,
            if self.what.is_empty() { String::new() } else { format!(" ({})", self.what) },
            self.acknowledged,
            count(Sort::Lost),
            count(Sort::Twice),
            count(Sort::OutOfOrder),
            count(Sort::Damaged),
            count(Sort::Wrong),
        );
        let ready = [500, 990, 1000].map(|permille| self.ready.permille_ms(permille));
        if let [Some(p50), Some(p99), Some(most)] = ready {
            line += &format!("; ready again after p50 {p50:.0} p99 {p99:.0} most {most:.0} ms");
        }
        line + &format!("; {:.0} s", self.begin.elapsed().as_secs_f64())
    }

    /// Shows where it is, once in a while.
    pub(super) fn progress(&self, name: &str, of: u32) {
        const LINES: u32 = 10;
        if self.cycles.is_multiple_of((of / LINES).max(1)) {
            let seconds = self.begin.elapsed().as_secs_f64();
            let (cycles, records) = (self.cycles, self.acknowledged);
            println!("    {name}: {cycles} of {of} cycles, {records} records, {seconds:.0} s");
        }
    }
}
