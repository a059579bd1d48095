//! The project's files: Rust sources with comments and tests told apart, and other texts.
use std::fs;
use std::path::Path;

use super::lexer::{self, Class};
use crate::failure::{Outcome, While};

/// Folders that hold nothing written by hand.
const FOLDERS_SKIPPED: [&str; 5] = [".git", "target", "node_modules", ".venv", "pagi-data"];

/// Endings of the other files that are read.
const TEXT_ENDINGS: [&str; 10] =
    [".md", ".toml", ".py", ".sh", ".service", ".yml", ".yaml", ".js", ".go", ".java"];

/// Everything the checks look at.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) rust: Vec<RustFile>,
    /// Markdown, TOML, scripts and the like.
    pub(super) texts: Vec<TextFile>,
    /// Every file's path from the root, whatever it is.
    pub(super) paths: Vec<String>,
}

/// A text that is not Rust.
#[derive(Debug)]
pub(super) struct TextFile {
    pub(super) path: String,
    pub(super) text: String,
}

/// A Rust source and its views; every view has the lines of the original.
#[derive(Debug)]
pub(super) struct RustFile {
    /// From the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    /// Code only: comments and literals are blank.
    pub(super) code: String,
    /// As `code`, with `#[cfg(test)]` items blank as well.
    pub(super) product: String,
    /// Comments only.
    pub(super) comments: String,
    /// Modules declared by `#[cfg(test)] mod name;`.
    pub(super) test_modules: Vec<String>,
    /// Lines that do not belong to a `#[cfg(test)]` item.
    pub(super) lines_product: usize,
}

impl Tree {
    /// Reads every file below `root`.
    pub(super) fn load(root: &Path) -> Outcome<Self> {
        let mut tree = Self::default();
        tree.walk(root, "")?;
        tree.rust.sort_by(|a, b| a.path.cmp(&b.path));
        tree.mark_test_files();
        Ok(tree)
    }

    fn walk(&mut self, root: &Path, folder: &str) -> Outcome {
        let entries = fs::read_dir(root.join(folder)).on(format_args!("list {folder:?}"))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if entry.file_type()?.is_dir() {
                if !FOLDERS_SKIPPED.contains(&name.as_str()) {
                    self.walk(root, &path)?;
                }
                continue;
            }
            if name.ends_with(".rs") {
                let text = fs::read_to_string(entry.path()).on(format_args!("read {path}"))?;
                self.rust.push(RustFile::new(&path, text));
            } else if TEXT_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                let text = fs::read_to_string(entry.path()).on(format_args!("read {path}"))?;
                self.texts.push(TextFile { path: path.clone(), text });
            }
            self.paths.push(path);
        }
        Ok(())
    }

    /// A file that a `#[cfg(test)] mod name;` brings in holds tests only.
    fn mark_test_files(&mut self) {
        let test_only: Vec<String> = self.rust.iter().flat_map(RustFile::test_only_paths).collect();
        for file in &mut self.rust {
            let below = |stem: &String| {
                file.path == format!("{stem}.rs") || file.path.starts_with(&format!("{stem}/"))
            };
            if test_only.iter().any(below) {
                file.product = blank(&file.product);
                file.lines_product = 0;
            }
        }
    }
}

impl RustFile {
    pub(super) fn new(path: &str, text: String) -> Self {
        let classes = lexer::classify(&text);
        let code = lexer::mask(&text, &classes, Class::Code);
        let comments = lexer::mask(&text, &classes, Class::Comment);
        let (product, test_modules, test_lines) = without_tests(&code);
        let lines_product = text.lines().count().saturating_sub(test_lines);
        Self { path: path.to_owned(), text, code, product, comments, test_modules, lines_product }
    }

    /// Whether the file is a test as a whole: nothing of it is in the product.
    pub(super) fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/")
    }

    fn test_only_paths(&self) -> Vec<String> {
        let folder = self.path.trim_end_matches(".rs");
        let folder = ["/mod", "/lib", "/main"]
            .iter()
            .find_map(|name| folder.strip_suffix(name))
            .unwrap_or(folder);
        self.test_modules.iter().map(|name| format!("{folder}/{name}")).collect()
    }
}

fn blank(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect()
}

/// The code without `#[cfg(test)]` items, the test modules in files of their own, and how many
/// lines were taken out.
fn without_tests(code: &str) -> (String, Vec<String>, usize) {
    let (mut product, mut modules, mut lines) = (String::new(), Vec::new(), 0);
    let mut rest = code;
    loop {
        let starts = ["#[cfg(test)]", "#[cfg(all(test"];
        let Some(start) = starts.iter().filter_map(|start| rest.find(start)).min() else {
            product.push_str(rest);
            return (product, modules, lines);
        };
        let (before, item) = rest.split_at(start);
        let (item, after) = item.split_at(item_length(item));
        product.push_str(before);
        product.push_str(&blank(item));
        lines += item.lines().count();
        if let Some((_, name)) = item.rsplit_once("mod ")
            && let Some(name) = name.strip_suffix(';')
        {
            modules.push(name.trim().to_owned());
        }
        rest = after;
    }
}

/// The length of the item at the start of `code`: up to its `;` or its closing brace.
fn item_length(code: &str) -> usize {
    let (mut depth, mut braces) = (0_usize, 0_usize);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '{' => braces += 1,
            '}' if braces <= 1 => return at + 1,
            '}' => braces -= 1,
            ';' if depth == 0 && braces == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_told_from_the_product() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { if x { } }\n}\nfn c() {}\n";
        let file = RustFile::new("x/src/a.rs", text.to_owned());
        assert!(file.product.contains("fn a") && file.product.contains("fn c"));
        assert!(!file.product.contains("fn b") && file.code.contains("fn b"));
        assert_eq!(file.lines_product, 2);
        assert_eq!(file.product.lines().count(), text.lines().count());
    }

    #[test]
    fn a_test_module_in_its_own_file_is_a_test() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("x/src/a")).unwrap();
        let write = |path: &str, text: &str| fs::write(folder.path().join(path), text).unwrap();
        write("x/src/a/mod.rs", "mod b;\n#[cfg(test)]\nmod checks;\n");
        write("x/src/a/b.rs", "fn b() {}\n");
        write("x/src/a/checks.rs", "fn c() {}\n");
        let tree = Tree::load(folder.path()).unwrap();
        let lines = |path: &str| tree.rust.iter().find(|f| f.path == path).unwrap().lines_product;
        assert_eq!(lines("x/src/a/mod.rs"), 1);
        assert_eq!(lines("x/src/a/b.rs"), 1);
        assert_eq!(lines("x/src/a/checks.rs"), 0);
    }

    #[test]
    fn an_attribute_and_a_semicolon_inside_brackets_do_not_end_an_item() {
        let file = RustFile::new(
            "x/src/a.rs",
            "#[cfg(test)]\n#[allow(x)]\nfn a(b: [u8; 2]) { c(); }\nfn d() {}".to_owned(),
        );
        assert_eq!(file.product.trim(), "fn d() {}");
    }
}
