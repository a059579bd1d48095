//! A copy of the source that bugs are planted in.
//!
//! **Invariants.** A file is written only when it differs, so that cargo builds only what changed.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::bug::Bug;
use crate::failure::{Outcome, While};
use crate::project;

/// See the module.
#[derive(Debug)]
pub(super) struct Copy {
    folder: PathBuf,
    /// The original's files as they were when they were copied: it may change meanwhile.
    files: BTreeMap<String, Vec<u8>>,
}

impl Copy {
    /// Brings the copy in `folder` up to date with every file of `original` that git knows, or would
    /// take.
    pub(super) fn new(original: &Path, folder: PathBuf) -> Outcome<Self> {
        let mut git = Command::new("git");
        git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(original);
        let listed = project::output(&mut git)?;
        let mut copy = Self { folder, files: BTreeMap::new() };
        for path in listed.lines().filter(|path| original.join(path).is_file()) {
            let bytes = std::fs::read(original.join(path)).on(format_args!("read {path}"))?;
            copy.write(path, &bytes)?;
            copy.files.insert(path.to_owned(), bytes);
        }
        Ok(copy)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the bug's changes.
    pub(super) fn plant(&self, bug: &Bug) -> Outcome {
        let mut texts: BTreeMap<&str, String> = BTreeMap::new();
        for change in &bug.changes {
            let text = match texts.remove(change.path.as_str()) {
                Some(text) => text,
                None => self.text(&change.path)?,
            };
            let changed = change.apply(&text).on(format_args!("plant {}", bug.name))?;
            texts.insert(&change.path, changed);
        }
        texts.iter().try_for_each(|(path, text)| self.write(path, text.as_bytes()))
    }

    /// Takes them back.
    pub(super) fn weed(&self, bug: &Bug) -> Outcome {
        bug.changes.iter().try_for_each(|change| {
            let text = self.text(&change.path)?;
            self.write(&change.path, text.as_bytes())
        })
    }

    /// A file as the original has it.
    fn text(&self, path: &str) -> Outcome<String> {
        let bytes = self.files.get(path).cloned().unwrap_or_default();
        String::from_utf8(bytes).on(format_args!("read {path}"))
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Outcome {
        let target = self.folder.join(path);
        if std::fs::read(&target).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).on(format_args!("make {}", folder.display()))?;
        }
        std::fs::write(&target, bytes).on(format_args!("write {}", target.display()))
    }
}
