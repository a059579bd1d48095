//! Words that do not belong into a finished text: open ends, debug output, commented-out code,
//! suppressed lints without a reason, and places that exist on one machine only.
use super::finding::Finding;
use super::source::{RustFile, Tree};

const MACROS: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];
/// Written in two parts, so that this file does not find itself.
const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
const PLACES: [&str; 4] =
    [concat!("../", "shared"), concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
/// Where a machine's own place may be named: it is the description of one machine.
const PLACES_ALLOWED: [&str; 1] = [".ci/run"];

/// Every such word.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.rust {
        findings.extend(marks_and_places(&file.path, &file.text));
        findings.extend(macros(file));
        findings.extend(commented_out(file));
        findings.extend(unreasoned(file));
    }
    for file in &tree.texts {
        findings.extend(marks_and_places(&file.path, &file.text));
    }
    findings
}

fn marks_and_places(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for mark in MARKS.iter().filter(|mark| has_word(line, mark)) {
            let message = format!("{mark}: do it now, or open an issue");
            findings.push(Finding::new(path, index + 1, message));
        }
        for place in PLACES.iter().filter(|place| line.contains(**place)) {
            if !PLACES_ALLOWED.contains(&path) {
                let message = format!("{place} exists on one machine only");
                findings.push(Finding::new(path, index + 1, message));
            }
        }
    }
    findings
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word)
}

fn macros(file: &RustFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.code.lines().enumerate() {
        for name in MACROS.iter().filter(|name| line.contains(**name)) {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                format!("{name} is unfinished work"),
            ));
        }
    }
    findings
}

fn commented_out(file: &RustFile) -> Vec<Finding> {
    let lines = file.comments.lines().enumerate();
    lines
        .filter(|(_, line)| looks_like_code(line))
        .map(|(index, _)| Finding::new(&file.path, index + 1, "commented-out code: delete it"))
        .collect()
}

/// A plain comment that begins as a statement does and ends as one does.
fn looks_like_code(comment: &str) -> bool {
    let Some(text) = comment.trim().strip_prefix("//") else { return false };
    if text.starts_with('/') || text.starts_with('!') {
        return false; // documentation may show code
    }
    let text = text.trim();
    let statement = text.ends_with(';') && !text.contains(". ") && {
        let starts = ["let ", "use ", "pub ", "return ", "self.", "mod ", "const ", "static "];
        starts.iter().any(|start| text.starts_with(start))
            || text.split_once('(').is_some_and(|(callee, _)| !callee.contains(' '))
    };
    let opening = text.ends_with('{') && {
        let starts = ["if ", "for ", "while ", "match ", "fn ", "pub ", "impl", "struct ", "enum "];
        starts.iter().any(|start| text.starts_with(start))
    };
    statement || opening || text.starts_with("#[")
}

/// `#[allow(..)]` and `#[expect(..)]` say why.
fn unreasoned(file: &RustFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for start in ["[allow(", "[expect("] {
        for (at, _) in file.code.match_indices(start) {
            let attribute = file.code.get(at..).unwrap_or_default();
            let end = attribute.find(")]").unwrap_or(attribute.len());
            if !attribute.get(..end).unwrap_or_default().contains("reason") {
                let line = file.code.get(..at).unwrap_or_default().lines().count().max(1);
                let message = "a suppressed lint needs `reason = \"..\"`";
                findings.push(Finding::new(&file.path, line, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::TextFile;

    fn messages(path: &str, text: &str) -> Vec<String> {
        let mut tree = Tree::default();
        if path.ends_with(".rs") {
            tree.rust.push(RustFile::new(path, text.to_owned()));
        } else {
            tree.texts.push(TextFile { path: path.to_owned(), text: text.to_owned() });
        }
        check(&tree).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn unfinished_work_is_found() {
        let marks = format!("\n// {}: later\n", MARKS[0]);
        for text in ["fn f() { todo!() }", "fn f() { dbg!(x); }", "// let a = b(c);", &marks] {
            assert_eq!(messages("protocol/src/a.rs", text).len(), 1, "{text}");
        }
        assert!(messages("protocol/src/a.rs", &marks)[0].starts_with("protocol/src/a.rs:2: "));
    }

    #[test]
    fn prose_documentation_and_literals_are_left_alone() {
        for text in [
            "// Cheap to clone; every clone sees the request.",
            "// waits for the leader (see above);\n",
            "/// let a = b(c);",
            "let a = \"todo!()\";",
            "// use it once",
            "#[expect(clippy::x, reason = \"y\")]",
        ] {
            assert_eq!(messages("protocol/src/a.rs", text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_suppressed_lint_without_a_reason_is_found() {
        assert_eq!(messages("protocol/src/a.rs", "#![allow(clippy::x)]").len(), 1);
        assert_eq!(messages("protocol/src/a.rs", "#[expect(\n    clippy::x\n)]").len(), 1);
    }

    #[test]
    fn places_of_one_machine_are_found_in_every_kind_of_text() {
        let text = format!("see {}/x", PLACES[0]);
        assert_eq!(messages("README.md", &text).len(), 1);
        assert_eq!(messages("protocol/src/a.rs", &format!("// {text}")).len(), 1);
    }
}
