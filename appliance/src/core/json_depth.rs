//! How deep JSON is nested, without reading it into a tree.
//!
//! **Invariants.** For JSON the answer is exact; for bytes that are not JSON it is some number. It
//! takes one pass, no memory, and no recursion, however deep it goes.
//!
//! **References.** RFC 8259 section 9: a parser may limit the depth of nesting.

/// Whether arrays and objects in `json` are nested deeper than `max`: `[]` is 1 deep, `1` is 0.
#[must_use]
pub fn is_deeper_than(max: usize, json: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' if depth == max => return true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(inner) = bytes.next() {
                    match inner {
                        b'"' => break,
                        b'\\' => drop(bytes.next()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(json: &str) -> usize {
        (0..).find(|max| !is_deeper_than(*max, json.as_bytes())).unwrap()
    }

    #[test]
    fn arrays_and_objects_count_side_by_side_or_mixed() {
        for (json, expected) in [
            ("1", 0),
            ("[]", 1),
            ("{}", 1),
            (r#"{"a":[{"b":1},{"c":[2]}]}"#, 4),
            ("[[],[],[]]", 2),
            ("[[1],{\"a\":{}}]", 3),
        ] {
            assert_eq!(depth(json), expected, "{json}");
        }
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert_eq!(depth(r#"["[[[{{{", "\"[[", "\\", []]"#), 2);
        assert_eq!(depth(r#"{"[[[":"\\\"[["}"#), 1);
    }

    #[test]
    fn what_is_not_json_is_survived() {
        for text in ["]]]]", "\"", "\"\\", "[\"", "}{"] {
            depth(text);
        }
        assert!(is_deeper_than(100, &[b'['; 100_000]));
    }
}
