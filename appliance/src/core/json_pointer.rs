//! One value inside a JSON document, named by a pointer such as `/twin/id`.
//!
//! **Invariants.** No tree is built, and nothing is done recursively. A member that is there twice
//! on the way is an error: two readers could go different ways.
//!
//! **References.** RFC 6901 (JSON Pointer).
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A pointer, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPointer {
    text: String,
    /// Names of members, or indexes into arrays, from the outside inwards.
    steps: Vec<String>,
}

impl FromStr for JsonPointer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(steps) = text.strip_prefix('/') else {
            return Err("write it as in RFC 6901: /member, or /outer/inner".to_owned());
        };
        let steps = steps.split('/').map(unescaped).collect::<Option<_>>();
        let steps = steps.ok_or("behind ~ there must be 0 (for ~) or 1 (for /)")?;
        Ok(Self { text: text.to_owned(), steps })
    }
}

impl fmt::Display for JsonPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl JsonPointer {
    /// The text of the string, number or boolean that it points to in `json`; nothing if there is
    /// no value, or `null`.
    ///
    /// # Errors
    /// A sentence: it points to an array or an object, or a member on the way is there twice.
    pub fn scalar<'a>(&self, json: &'a str) -> Result<Option<Cow<'a, str>>, String> {
        let mut value = json.trim_start();
        for step in &self.steps {
            match inside(value, step).map_err(|error| format!("{self}: {error}"))? {
                Some(inner) => value = inner,
                None => return Ok(None),
            }
        }
        match value.trim().as_bytes().first() {
            Some(b'{' | b'[') => Err(format!("{self} is an array or an object")),
            Some(b'"') => serde_json::from_str::<Text<'_>>(value)
                .map(|text| Some(text.0))
                .map_err(|error| format!("{self}: {error}")),
            Some(b'n') | None => Ok(None),
            Some(_) => Ok(Some(Cow::Borrowed(value.trim()))),
        }
    }
}

#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The value one step further in.
fn inside<'a>(value: &'a str, step: &str) -> Result<Option<&'a str>, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(value);
    match value.as_bytes().first() {
        Some(b'{') => reader.deserialize_map(Member(step)),
        Some(b'[') => match index(step) {
            Some(index) => reader.deserialize_seq(Element(index)),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

/// A number as in RFC 6901: without leading zeros.
fn index(step: &str) -> Option<usize> {
    let digits = step.bytes().all(|byte| byte.is_ascii_digit());
    let leading = step.len() > 1 && step.starts_with('0');
    if digits && !leading { step.parse().ok() } else { None }
}

fn unescaped(step: &str) -> Option<String> {
    let mut out = String::with_capacity(step.len());
    let mut characters = step.chars();
    while let Some(character) = characters.next() {
        out.push(match character {
            '~' => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}

struct Member<'s>(&'s str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Text(name)) = map.next_key()? {
            if name != self.0 {
                map.next_value::<IgnoredAny>()?;
            } else if found.is_some() {
                return Err(de::Error::custom(format_args!("{name:?} is there twice")));
            } else {
                found = Some(map.next_value::<&RawValue>()?.get());
            }
        }
        Ok(found)
    }
}

struct Element(usize);

impl<'de> Visitor<'de> for Element {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let mut at = 0;
        while let Some(value) = elements.next_element::<&RawValue>()? {
            if at == self.0 {
                found = Some(value.get());
            }
            at += 1;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(pointer: &str, json: &str) -> Result<Option<String>, String> {
        let pointer: JsonPointer = pointer.parse().unwrap();
        pointer.scalar(json).map(|found| found.map(Cow::into_owned))
    }

    #[test]
    fn strings_give_their_content_and_numbers_what_is_written() {
        let json = r#" { "id":"a\u00e9\"b", "n": 1.00 , "twin" : {"id": "t-1", "on":true},
            "list":[10,{"x":"y"}], "a/b":1, "m~n":2, "":3 } "#;
        for (pointer, expected) in [
            ("/id", "aé\"b"),
            ("/n", "1.00"),
            ("/twin/id", "t-1"),
            ("/twin/on", "true"),
            ("/list/0", "10"),
            ("/list/1/x", "y"),
            ("/a~1b", "1"),
            ("/m~0n", "2"),
            ("/", "3"),
        ] {
            assert_eq!(scalar(pointer, json).unwrap().as_deref(), Some(expected), "{pointer}");
        }
    }

    #[test]
    fn where_nothing_is_there_is_no_key() {
        let json = r#"{"a":null,"b":[1],"c":"text"}"#;
        for pointer in ["/a", "/x", "/a/b", "/b/1", "/b/00", "/b/-", "/c/0"] {
            assert_eq!(scalar(pointer, json), Ok(None), "{pointer}");
        }
        assert_eq!(scalar("/a", "7"), Ok(None));
        assert_eq!(scalar("/0", "[ \"x\" ]"), Ok(Some("x".to_owned())));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_an_error() {
        for (pointer, json, why) in [
            ("/a", r#"{"a":{}}"#, "/a is an array or an object"),
            ("/a", r#"{"a": [1]}"#, "/a is an array or an object"),
            ("/a", r#"{"a":1,"\u0061":2}"#, "\"a\" is there twice"),
            ("/a/b", r#"{"a":{"b":1,"b":1}}"#, "\"b\" is there twice"),
            ("/a", r#"{"a":"\ud800"}"#, "/a: "),
        ] {
            let error = scalar(pointer, json).unwrap_err();
            assert!(error.contains(why), "{json}: {error}");
        }
    }

    #[test]
    fn pointers_are_checked() {
        for text in ["", "a", "/a~", "/a~2"] {
            assert!(text.parse::<JsonPointer>().is_err(), "{text:?}");
        }
        assert_eq!("/a~1b".parse::<JsonPointer>().unwrap().to_string(), "/a~1b");
    }
}
