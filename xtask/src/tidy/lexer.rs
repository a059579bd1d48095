//! Tells code, comments and literals of a Rust file apart, and splits code into tokens.
//!
//! **Invariants.** A masked text has as many lines as the original, so line numbers hold.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Code,
    Comment,
    Literal,
}

/// The class of every byte of `text`.
pub(super) fn classify(text: &str) -> Vec<Class> {
    let bytes = text.as_bytes();
    let mut classes = Vec::with_capacity(bytes.len());
    while let Some(rest) = bytes.get(classes.len()..).filter(|rest| !rest.is_empty()) {
        let before = classes.len().checked_sub(1).and_then(|at| bytes.get(at)).copied();
        let (class, length) = next(rest, before);
        classes.resize(classes.len() + length.clamp(1, rest.len()), class);
    }
    classes
}

fn next(rest: &[u8], before: Option<u8>) -> (Class, usize) {
    match rest {
        [b'/', b'/', ..] => (Class::Comment, find(rest, b"\n").unwrap_or(rest.len())),
        [b'/', b'*', ..] => (Class::Comment, block_comment_length(rest)),
        [b'"', ..] => (Class::Literal, quoted_length(rest, b'"')),
        [b'\'', b'\\', ..] => (Class::Literal, quoted_length(rest, b'\'')),
        [b'\'', first, ..] => match rest.get(1 + utf8_length(*first)) {
            Some(b'\'') => (Class::Literal, utf8_length(*first) + 2),
            _ => (Class::Code, 1), // a lifetime
        },
        [b'r' | b'b' | b'c', ..] if !before.is_some_and(is_word) => {
            raw_string_length(rest).map_or((Class::Code, 1), |length| (Class::Literal, length))
        }
        _ => (Class::Code, 1),
    }
}

const fn utf8_length(first: u8) -> usize {
    match first {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn block_comment_length(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        match rest.get(at..) {
            Some([b'/', b'*', ..]) => (depth, at) = (depth + 1, at + 2),
            Some([b'*', b'/', ..]) if depth == 1 => return at + 2,
            Some([b'*', b'/', ..]) => (depth, at) = (depth - 1, at + 2),
            Some([_, ..]) => at += 1,
            _ => return rest.len(),
        }
    }
}

fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match *byte {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of the raw string that begins here, if one does: `r"`, `r#"`, `br##"` and so on.
fn raw_string_length(rest: &[u8]) -> Option<usize> {
    let mut at = usize::from(!rest.starts_with(b"r"));
    if rest.get(at) != Some(&b'r') {
        return None;
    }
    at += 1;
    let hashes = rest.get(at..)?.iter().take_while(|byte| **byte == b'#').count();
    at += hashes;
    if rest.get(at) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let body = rest.get(at + 1..)?;
    Some(find(body, &close).map_or(rest.len(), |end| at + 1 + end + close.len()))
}

/// `text` with every byte blanked that `keep` does not want; line ends stay.
pub(super) fn mask(text: &str, classes: &[Class], keep: Class) -> String {
    let kept = text.bytes().zip(classes).map(|(byte, class)| match byte {
        b'\n' => b'\n',
        byte if *class == keep => byte,
        _ => b' ',
    });
    String::from_utf8_lossy(&kept.collect::<Vec<u8>>()).into_owned()
}

/// A word, a `::`, or any other single character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    /// From 1.
    pub(super) line: usize,
}

/// The tokens of code from which comments and literals were masked out.
pub(super) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, mut rest) in code.lines().enumerate() {
        rest = rest.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if first.is_alphanumeric() || first == '_' {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (text, after) = rest.split_at(length);
            tokens.push(Token { text, line: index + 1 });
            rest = after.trim_start();
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        mask(text, &classify(text), Class::Code)
    }

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        for (text, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"a("x\"y", b)"#, "a(      , b)"),
            ("r#\"a\"b\"# c", "         c"),
            ("br\"a\" c", "      c"),
            ("f('\\'', 'a', '\"', 'é', b)", "f(    ,    ,    ,     , b)"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("var\"x\"", "var   "),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
    }

    #[test]
    fn comments_can_be_looked_at_alone() {
        let text = "let a = \"// no\"; // yes\n";
        assert_eq!(mask(text, &classify(text), Class::Comment).trim(), "// yes");
    }

    #[test]
    fn tokens_are_words_path_separators_and_single_characters() {
        let found = tokens("use a::{b_1,\n c};");
        let texts: Vec<_> = found.iter().map(|token| token.text).collect();
        assert_eq!(texts, ["use", "a", "::", "{", "b_1", ",", "c", "}", ";"]);
        assert_eq!(found.last().unwrap().line, 2);
    }
}
