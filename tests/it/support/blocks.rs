//! Documents whose blocks tests run.
use std::path::Path;
use std::process::Command;

use super::appliance;

/// A fenced block: what is behind the fence, and the lines within.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) text: String,
}

/// The text of one of the project's files.
pub(crate) fn text(file: &str) -> String {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(file);
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The part below a heading of the second level, up to the next one.
pub(crate) fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text.find(&format!("\n## {heading}\n"));
    let below = &text[start.unwrap_or_else(|| panic!("no section {heading:?}")) + 1..];
    below.find("\n## ").map_or(below, |end| &below[..end])
}

/// The fenced blocks of a part, in order.
pub(crate) fn blocks(part: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut fenced = false;
    for line in part.lines() {
        if let Some(language) = line.strip_prefix("```") {
            if !fenced {
                blocks.push(Block { language: language.to_owned(), text: String::new() });
            }
            fenced = !fenced;
        } else if fenced && let Some(block) = blocks.last_mut() {
            block.text.push_str(line);
            block.text.push('\n');
        }
    }
    blocks
}

/// Makes the binary under test the `pagi-appliance` of blocks that run in `folder`.
pub(crate) fn put_binary_into(folder: &Path) {
    std::os::unix::fs::symlink(appliance::binary(), folder.join("pagi-appliance")).unwrap();
}

/// Runs a block as a user does, and gives what it printed.
pub(crate) fn run(block: &str, folder: &Path, environment: &[(&str, &str)]) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", block])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", folder.display()))
        .envs(environment.iter().copied())
        .output()
        .expect("bash runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{block}\n{text}\n{errors}", output.status);
    text
}

/// Line by line; `…` stands for anything.
pub(crate) fn assert_says(command: &str, output: &str, expected: &str) {
    let same = output.lines().count() == expected.lines().count()
        && output.lines().zip(expected.lines()).all(|(line, pattern)| matches(line, pattern));
    assert!(same, "the document says of\n{command}\n{expected}\nbut it says\n{output}");
}

fn matches(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    let open_end = parts.peek().is_some() && pattern.ends_with('…');
    while let Some(part) = parts.next() {
        let found = if parts.peek().is_none() { rest.rfind(part) } else { rest.find(part) };
        let Some(at) = found else { return false };
        rest = &rest[at + part.len()..];
    }
    open_end || rest.is_empty()
}

#[test]
fn sections_and_blocks_are_found() {
    let text = "# A\n\n## B\n```sh\nx\ny\n```\nz\n```text\n1\n```\n\n## C\n```sh\nw\n```\n";
    let found = blocks(section(text, "B"));
    let block = |language: &str, text: &str| Block { language: language.into(), text: text.into() };
    assert_eq!(found, [block("sh", "x\ny\n"), block("text", "1\n")]);
}

#[test]
fn a_pattern_matches_what_it_leaves_open() {
    assert!(matches(r#"{"id":"x","offset":0}"#, r#"{"id":"…","offset":0}"#));
    assert!(matches("abc", "a…") && matches("abc", "abc") && matches("abc", "…c"));
    assert!(!matches("abc", "ab") && !matches("abc", "a…d") && !matches("xabc", "a…c"));
}
