//! How client programs of one language are built and started.
//!
//! **Invariants.** A toolkit is built again only when a file of its folder below `tests/clients/`
//! has changed; everything that is built or installed lies below `target/clients/`.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Outcome, While};
use crate::project;

/// The programs in one folder of `tests/clients/`.
#[derive(Debug)]
pub(super) struct Toolkit {
    /// Its folder below `tests/clients/` and below `target/clients/`.
    pub(super) folder: &'static str,
    /// Commands that must be on the machine.
    pub(super) commands: &'static [&'static str],
    /// The files in its folder that decide what is built; all of them when none is named.
    pub(super) pinned: &'static [&'static str],
    pub(super) build: fn(&Places) -> Outcome,
    /// The command that runs one of its programs.
    pub(super) command: fn(&Places, program: &str) -> Command,
}

/// Where a toolkit's things are.
#[derive(Debug)]
pub(super) struct Places {
    /// What is written by hand.
    pub(super) source: PathBuf,
    /// What is built from it.
    pub(super) built: PathBuf,
}

impl Toolkit {
    pub(super) fn places(&self) -> Places {
        let source = project::root().join("tests/clients").join(self.folder);
        Places { source, built: project::target().join("clients").join(self.folder) }
    }

    /// A command that this machine lacks.
    pub(super) fn missing(&self) -> Option<&'static str> {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&folders).collect();
        let there = |name: &str| folders.iter().any(|folder| folder.join(name).is_file());
        self.commands.iter().copied().find(|name| !there(name))
    }

    /// Builds or installs the programs, unless that was done and nothing has changed.
    pub(super) fn prepare(&self) -> Outcome {
        let places = self.places();
        let stamp = places.built.join("built-from.txt");
        let wanted = self.inputs(&places.source)?;
        if fs::read(&stamp).is_ok_and(|stamped| stamped == wanted) {
            return Ok(());
        }
        println!("==> build tests/clients/{}", self.folder);
        fs::create_dir_all(&places.built).on("make a folder below target/clients")?;
        // After a build that fails, the stamp is not to vouch for what the last one left.
        let _ = fs::remove_file(&stamp);
        (self.build)(&places)?;
        fs::write(&stamp, &wanted).on("note what was built")
    }

    /// The pinned files' names and contents.
    fn inputs(&self, source: &Path) -> Outcome<Vec<u8>> {
        let mut files: Vec<PathBuf> = self.pinned.iter().map(|name| source.join(name)).collect();
        if files.is_empty() {
            walk(source, &mut files)?;
            files.sort();
        }
        let mut inputs = Vec::new();
        for file in files {
            inputs.extend_from_slice(file.display().to_string().as_bytes());
            inputs.push(b'\n');
            inputs.append(&mut fs::read(&file).on(format_args!("read {}", file.display()))?);
        }
        Ok(inputs)
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Outcome {
    for entry in fs::read_dir(folder).on(format_args!("list {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
