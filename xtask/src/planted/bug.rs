//! A planted bug, as its file tells it.
//!
//! ```text
//! What is done wrong, in a sentence or two.
//! caught by: sim part_of_the_name_of_a_test
//! in: appliance/src/broker/store/wal.rs
//! --- was
//! text that is in the file once
//! --- is
//! text in its place
//! --- end
//! ```
//! `caught by` names a suite, `sim` or `unit`, and may be there more than once; so may `in`.
use std::path::Path;

use crate::failure::{Failure, Outcome, While};

/// A mistake, and who has to notice it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bug {
    /// The name of its file.
    pub(super) name: String,
    pub(super) title: String,
    /// Tests, by a part of their names, in the order in which they are tried.
    pub(super) caught_by: Vec<(Suite, String)>,
    pub(super) changes: Vec<Change>,
}

/// Where a test is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suite {
    /// `tests/sim`.
    Sim,
    /// Beside the code.
    Unit,
}

/// Some text of a file that becomes another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) path: String,
    was: String,
    is: String,
}

impl Change {
    /// The text with the change made.
    ///
    /// # Errors
    /// What was is not there, or more than once.
    pub(super) fn apply(&self, text: &str) -> Outcome<String> {
        match text.matches(&self.was).count() {
            1 => Ok(text.replacen(&self.was, &self.is, 1)),
            0 => Err(Failure::new(format!("{} has no such text:\n{}", self.path, self.was))),
            n => Err(Failure::new(format!("{} has this text {n} times:\n{}", self.path, self.was))),
        }
    }
}

/// The bugs of a folder, by name.
pub(super) fn all(folder: &Path) -> Outcome<Vec<Bug>> {
    let mut bugs = Vec::new();
    for entry in std::fs::read_dir(folder).on(format_args!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "bug") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).on(format_args!("read {name}"))?;
            bugs.push(parse(&name, &text)?);
        }
    }
    bugs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(bugs)
}

fn parse(name: &str, text: &str) -> Outcome<Bug> {
    let wrong = |what: &str| Failure::new(format!("{name}: {what}"));
    let mut bug =
        Bug { name: name.to_owned(), title: String::new(), caught_by: vec![], changes: vec![] };
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(test) = line.strip_prefix("caught by: ") {
            let (suite, test) = test.split_once(' ').ok_or_else(|| wrong("a suite and a test"))?;
            let suite = match suite {
                "sim" => Suite::Sim,
                "unit" => Suite::Unit,
                _ => return Err(wrong("the suites are sim and unit")),
            };
            bug.caught_by.push((suite, test.to_owned()));
        } else if let Some(path) = line.strip_prefix("in: ") {
            if lines.next() != Some("--- was") {
                return Err(wrong("`--- was` follows `in:`"));
            }
            let mut until = |end: &str| {
                let part: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
                part.join("\n")
            };
            let (was, is) = (until("--- is"), until("--- end"));
            bug.changes.push(Change { path: path.to_owned(), was, is });
        } else if bug.caught_by.is_empty() {
            bug.title = format!("{} {line}", bug.title).trim().to_owned();
        } else if !line.is_empty() {
            return Err(wrong(&format!("{line:?} belongs nowhere")));
        }
    }
    if bug.title.is_empty() || bug.caught_by.is_empty() || bug.changes.is_empty() {
        return Err(wrong("it needs a sentence, a `caught by:` and an `in:`"));
    }
    Ok(bug)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::project;

    #[test]
    fn a_file_is_read_and_applied() {
        let text = "It is\nwrong.\ncaught by: unit some_test\nin: a.rs\n--- was\nold\n--- is\n\
                    new\n--- end\n";
        let bug = parse("x", text).unwrap();
        assert_eq!((bug.title.as_str(), bug.caught_by.len()), ("It is wrong.", 1));
        assert_eq!(bug.changes[0].apply("a\nold\nb\n").unwrap(), "a\nnew\nb\n");
        assert!(bug.changes[0].apply("a\n").is_err());
        assert!(bug.changes[0].apply("old\nold\n").is_err());
        assert!(parse("x", "no test\n").is_err());
    }

    #[test]
    fn every_planted_bug_still_has_its_place_in_the_source() {
        let root = project::root();
        let bugs = all(&root.join("tests/planted")).unwrap();
        assert!(bugs.len() >= 20, "{}", bugs.len());
        for bug in bugs {
            let mut texts: BTreeMap<&str, String> = BTreeMap::new();
            for change in &bug.changes {
                let text = texts.remove(change.path.as_str());
                let text = text
                    .unwrap_or_else(|| std::fs::read_to_string(root.join(&change.path)).unwrap());
                let changed = change.apply(&text).unwrap_or_else(|e| panic!("{}: {e}", bug.name));
                texts.insert(&change.path, changed);
            }
        }
    }
}
