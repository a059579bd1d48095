//! Documents stay true: links lead somewhere, names exist, ARCHITECTURE.md is short and current.
use super::finding::Finding;
use super::rooms;
use super::source::{TextFile, Tree};

const ARCHITECTURE: &str = "ARCHITECTURE.md";
const ARCHITECTURE_LINES_MAX: usize = 400;

/// Every broken link and every name that no source knows.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.texts.iter().filter(|file| file.path.ends_with(".md")) {
        findings.extend(links(tree, file));
        if file.path == "README.md" {
            findings.extend(names(tree, file));
        }
        if file.path == ARCHITECTURE {
            findings.extend(architecture(file));
        }
    }
    findings
}

fn architecture(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = file.text.lines().count();
    if lines > ARCHITECTURE_LINES_MAX {
        let message = format!("{lines} lines, at most {ARCHITECTURE_LINES_MAX}: shorten it");
        findings.push(Finding::new(ARCHITECTURE, 0, message));
    }
    if !file.text.contains(rooms::TABLE) {
        let message = format!("must quote who may import whom, word for word:\n{}", rooms::TABLE);
        findings.push(Finding::new(ARCHITECTURE, 0, message));
    }
    findings
}

fn links(tree: &Tree, file: &TextFile) -> Vec<Finding> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    for (line, target) in link_targets(&file.text) {
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = if path.is_empty() { file.path.clone() } else { joined(folder, path) };
        let is_folder = tree.paths.iter().any(|known| known.starts_with(&format!("{path}/")));
        let message = if !is_folder && !tree.paths.contains(&path) {
            format!("the link to {target} leads nowhere")
        } else if !anchor.is_empty() && !has_heading(tree, &path, anchor) {
            format!("{path} has no heading #{anchor}")
        } else {
            continue;
        };
        findings.push(Finding::new(&file.path, line, message));
    }
    findings
}

/// The relative links of a text outside code blocks, with their lines.
fn link_targets(text: &str) -> Vec<(usize, &str)> {
    let mut targets = Vec::new();
    for (line, text) in prose(text) {
        for part in text.split("](").skip(1) {
            let target = part.split([')', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                targets.push((line, target));
            }
        }
    }
    targets
}

/// Lines outside fenced code blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index + 1, line))
    })
}

fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.trim_end_matches('/').split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn has_heading(tree: &Tree, path: &str, anchor: &str) -> bool {
    let Some(file) = tree.texts.iter().find(|file| file.path == path) else { return true };
    prose(&file.text)
        .filter(|(_, line)| line.starts_with('#'))
        .any(|(_, line)| slug(line.trim_start_matches('#').trim()) == anchor)
}

/// The anchor that GitHub gives a heading.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Settings and metrics that the README names must exist in the source.
fn names(tree: &Tree, readme: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in readme.text.lines().enumerate() {
        for word in line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let known = if word.starts_with("PAGI_") {
                in_source(tree, word, |c| c.is_ascii_alphanumeric() || c == '_')
            } else if let Some(metric) = word.strip_prefix("pagi_") {
                matches!(metric, "appliance" | "protocol")
                    || in_source(tree, base_name(metric), |c| c.is_ascii_alphanumeric())
            } else {
                continue;
            };
            if !known {
                let message = format!("{word} does not exist in the source");
                findings.push(Finding::new(&readme.path, index + 1, message));
            }
        }
    }
    findings
}

/// A metric's name without what its kind adds to it.
fn base_name(metric: &str) -> &str {
    let endings = ["_total", "_bucket", "_sum", "_count"];
    endings.iter().find_map(|ending| metric.strip_suffix(ending)).unwrap_or(metric)
}

/// Whether a source has `name`, not followed by a character that `goes_on` takes as its part.
fn in_source(tree: &Tree, name: &str, goes_on: fn(char) -> bool) -> bool {
    let sources = tree.rust.iter().filter(|file| !file.path.starts_with("xtask/src/tidy"));
    sources.into_iter().any(|file| {
        file.text.match_indices(name).any(|(at, _)| {
            let after = file.text.get(at + name.len()..).unwrap_or_default();
            !after.starts_with(goes_on)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::RustFile;

    fn tree(readme: &str) -> Tree {
        let source = "env = \"PAGI_DATA_DIR\"; register(\"pagi_records_written\");".to_owned();
        Tree {
            rust: vec![RustFile::new("appliance/src/a.rs", source)],
            texts: vec![TextFile { path: "README.md".into(), text: readme.to_owned() }],
            paths: vec!["README.md".into(), "deploy/a.toml".into()],
        }
    }

    #[test]
    fn what_exists_may_be_linked_and_named() {
        let readme = "# A b: `c`\n[x](deploy/a.toml) [y](./deploy/) [z](#a-b-c) [w](https://x.y/z)\n\
                      `PAGI_DATA_DIR` `pagi_records_written_total`\n```\n[x](nowhere)\n```\n";
        assert_eq!(check(&tree(readme)), []);
    }

    #[test]
    fn what_does_not_exist_is_found() {
        for readme in
            ["[x](deploy/b.toml)", "[x](#gone)", "`PAGI_DATA`", "`pagi_records_lost_total`"]
        {
            assert_eq!(check(&tree(readme)).len(), 1, "{readme}");
        }
    }

    #[test]
    fn the_architecture_quotes_the_table_and_is_short() {
        let with = |text: String| {
            let file = TextFile { path: ARCHITECTURE.into(), text };
            check(&Tree { texts: vec![file], ..Tree::default() }).len()
        };
        assert_eq!(with(format!("# A\n```\n{}```\n", rooms::TABLE)), 0);
        assert_eq!(with("# A\n".to_owned()), 1);
        assert_eq!(with(format!("{}{}", rooms::TABLE, "\n".repeat(400))), 1);
    }
}
