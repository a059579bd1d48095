//! The paths that a piece of code names: `use` trees spread out, and paths within expressions.
use super::lexer::{self, Token};

/// A path such as `crate::router::Config`, with `*` for a glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
    /// How many inline modules (`mod x { .. }`) stand around it.
    pub(super) inline_depth: usize,
}

impl Named {
    /// Whether the path begins with these segments.
    pub(super) fn starts_with(&self, start: &[&str]) -> bool {
        self.segments.len() >= start.len() && self.segments.iter().zip(start).all(|(a, b)| a == b)
    }
}

/// Every path with at least two segments, and every `use` of a single name.
pub(super) fn named(code: &str) -> Vec<Named> {
    let tokens = lexer::tokens(code);
    let mut walk = Walk { tokens: &tokens, at: 0, found: Vec::new(), inline: Vec::new(), depth: 0 };
    walk.all();
    walk.found
}

/// The modules declared with `mod name;`.
pub(super) fn declared(code: &str) -> Vec<(String, usize)> {
    lexer::tokens(code)
        .windows(3)
        .filter_map(|window| match window {
            [keyword, name, end] if keyword.text == "mod" && end.text == ";" => {
                Some((name.text.to_owned(), name.line))
            }
            _ => None,
        })
        .collect()
}

struct Walk<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    found: Vec<Named>,
    /// Brace depths at which inline modules were opened.
    inline: Vec<usize>,
    depth: usize,
}

impl Walk<'_> {
    fn text(&self, offset: usize) -> &str {
        self.tokens.get(self.at + offset).map_or("", |token| token.text)
    }

    fn all(&mut self) {
        while self.at < self.tokens.len() {
            let begins_use = self.text(0) == "use";
            match self.text(0) {
                "{" => self.depth += 1,
                "}" => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.inline.last() == Some(&self.depth) {
                        self.inline.pop();
                    }
                }
                "mod" if self.text(2) == "{" => self.inline.push(self.depth),
                _ => {}
            }
            if is_name(self.text(0)) && self.text(1) == "::" {
                self.tree(Vec::new());
            } else if begins_use && is_name(self.text(1)) && self.text(2) != "::" {
                self.at += 1;
                self.tree(Vec::new());
            } else {
                self.at += 1;
            }
        }
    }

    /// Reads one path, which may end in a tree in braces; `at` is left behind it.
    fn tree(&mut self, mut segments: Vec<String>) {
        loop {
            match self.text(0) {
                "{" => {
                    self.at += 1;
                    while !matches!(self.text(0), "}" | "") {
                        self.tree(segments.clone());
                        if self.text(0) == "as" {
                            self.at += 2;
                        }
                        if self.text(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                text if text == "*" || is_name(text) => {
                    segments.push(text.to_owned());
                    self.at += 1;
                }
                "" => return,
                _ => {
                    // `::<` and the like: the path ends here.
                    self.push(segments);
                    self.at += 1;
                    return;
                }
            }
            if self.text(0) != "::" {
                return self.push(segments);
            }
            self.at += 1;
        }
    }

    fn push(&mut self, segments: Vec<String>) {
        let line = self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0, |t| t.line);
        self.found.push(Named { segments, line, inline_depth: self.inline.len() });
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(code: &str) -> Vec<String> {
        named(code).iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn use_trees_are_spread_out() {
        assert_eq!(
            paths("use a::{b, c::{self, d as e}, f::*};\nuse g;"),
            ["a::b", "a::c::self", "a::c::d", "a::f::*", "g"]
        );
    }

    #[test]
    fn paths_in_expressions_count() {
        assert_eq!(
            paths("fn f() -> crate::x::Y { std::fs::read::<u8>(super::z) }"),
            ["crate::x::Y", "std::fs::read", "super::z"]
        );
        assert_eq!(paths("pub(crate) fn f(a: Vec::<x::Y>) {}"), ["Vec", "x::Y"]);
    }

    #[test]
    fn inline_modules_are_counted() {
        let found = named("mod a { use super::b; } use super::c;");
        assert_eq!(found.iter().map(|n| n.inline_depth).collect::<Vec<_>>(), [1, 0]);
    }

    #[test]
    fn declared_modules_are_found() {
        assert_eq!(declared("pub mod a;\nmod b { }\nmod c;"), [("a".into(), 1), ("c".into(), 3)]);
    }
}
