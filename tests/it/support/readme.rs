//! README.md, as far as tests read it.

/// A fenced block: what is behind the fence, and the lines within.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) text: String,
}

/// The text of the file.
pub(crate) fn text() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    std::fs::read_to_string(path).expect("README.md is there")
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

#[test]
fn sections_and_blocks_are_found() {
    let text = "# A\n\n## B\n```sh\nx\ny\n```\nz\n```text\n1\n```\n\n## C\n```sh\nw\n```\n";
    let found = blocks(section(text, "B"));
    let block = |language: &str, text: &str| Block { language: language.into(), text: text.into() };
    assert_eq!(found, [block("sh", "x\ny\n"), block("text", "1\n")]);
}
