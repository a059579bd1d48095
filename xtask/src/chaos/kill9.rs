//! kill -9 under producers that stay connected.
use std::path::{Path, PathBuf};

use super::cycles::{self, Ground};
use super::node::Node;
use super::random::Random;
use super::site::{Ending, Site};
use crate::failure::Outcome;

struct Folder(PathBuf);

impl Ground for Folder {
    fn data_dir(&self) -> &Path {
        &self.0
    }

    fn crash(&mut self, node: Node, _: &mut Random) -> Outcome {
        node.kill()
    }
}

/// R1.
pub(super) fn run(site: &Site) -> Outcome<Ending> {
    let mut report = cycles::run("kill9", site, |scratch, _| Ok(Folder(scratch.join("data"))))?;
    report.what = "32 producers".to_owned();
    Ok(Ending::Ran(report))
}
