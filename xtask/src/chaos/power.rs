//! Power cuts: a real ext4 or XFS is cut off from its disk, and what reached the disk is opened.
//!
//! **Invariants.** The process stands still, outside of any system call, when the disk goes: a cut
//! that falls into a running `fsync` makes the kernel answer success for what it lost.
use std::path::{Path, PathBuf};

use super::cycles::{self, Ground};
use super::loop_fs::{Format, LoopFs};
use super::node::Node;
use super::random::Random;
use super::site::{Ending, Report, Site};
use crate::failure::Outcome;

/// XFS is not made smaller than 300 MiB.
const DISK_MIB: u64 = 512;
/// How long the process may go on without a disk.
const WITHOUT_DISK_MS: u64 = 150;

struct Disk {
    fs: LoopFs,
    data_dir: PathBuf,
}

impl Ground for Disk {
    fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    fn crash(&mut self, mut node: Node, random: &mut Random) -> Outcome {
        node.freeze()?;
        self.fs.cut()?;
        // Half of the time both go at once; else the process lives on and meets errors.
        if random.one_in(2) {
            node.thaw()?;
            std::thread::sleep(random.millis(0..=WITHOUT_DISK_MS));
        }
        node.kill()?;
        self.fs.remount()
    }
}

/// R3: half of the cycles on each file system.
pub(super) fn run(site: &Site) -> Outcome<Ending> {
    let mut all = Report::begin();
    let mut done = Vec::new();
    let mut missing = Vec::new();
    for (number, format) in (0..).zip([Format::Ext4, Format::Xfs]) {
        if let Some(why) = format.missing() {
            missing.push(format!("{format:?} skipped: {why}"));
            continue;
        }
        let cycles = site.cycles.div_ceil(2);
        let half = Site { cycles, random: site.random.part(number), ..site.clone() };
        let report = cycles::run("power", &half, |scratch, _| {
            let fs = LoopFs::create(scratch, format, DISK_MIB)?;
            fs.try_cut()?;
            let data_dir = fs.path().join("data");
            Ok(Disk { fs, data_dir })
        })?;
        done.push(format!("{} on {format:?}", report.cycles));
        all.add(report);
    }
    if done.is_empty() {
        return Ok(Ending::Skipped(missing.join("; ")));
    }
    done.append(&mut missing);
    all.what = done.join(", ");
    Ok(Ending::Ran(all))
}
