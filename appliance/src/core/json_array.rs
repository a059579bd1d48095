//! The elements of a JSON array, as they are written.
//!
//! **Invariants.** No more elements are looked at than allowed, and nothing is done recursively.
use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Why an array has no elements to give.
#[derive(Debug, thiserror::Error)]
pub enum ArrayError {
    /// It is not an array, or not JSON at all.
    #[error("not a JSON array: {0}")]
    NotAnArray(serde_json::Error),
    /// It has more elements than this.
    #[error("more than {0} elements")]
    TooMany(usize),
}

/// The elements of the array `json`, at most `count_max`.
///
/// # Errors
/// [`ArrayError`], saying why not.
pub fn elements(json: &str, count_max: usize) -> Result<Vec<&str>, ArrayError> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let elements =
        reader.deserialize_seq(Elements { count_max }).map_err(ArrayError::NotAnArray)?;
    let elements = elements.ok_or(ArrayError::TooMany(count_max))?;
    reader.end().map_err(ArrayError::NotAnArray)?;
    Ok(elements)
}

struct Elements {
    count_max: usize,
}

impl<'de> Visitor<'de> for Elements {
    /// Nothing if there are too many.
    type Value = Option<Vec<&'de str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        let mut too_many = false;
        while let Some(element) = array.next_element::<&RawValue>()? {
            if elements.len() == self.count_max {
                too_many = true;
                elements.clear();
                break;
            }
            elements.push(element.get());
        }
        if too_many { Ok(None) } else { Ok(Some(elements)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_given_as_they_are_written() {
        let json = " [ {\"a\" : 1.0},\"x\", [ ] ,null ]\n";
        assert_eq!(elements(json, 4).unwrap(), ["{\"a\" : 1.0}", "\"x\"", "[ ]", "null"]);
        assert!(elements("[]", 0).unwrap().is_empty());
    }

    #[test]
    fn one_too_many_is_refused() {
        assert!(matches!(elements("[1,2,3]", 2), Err(ArrayError::TooMany(2))));
        assert_eq!(elements("[1,2]", 2).unwrap().len(), 2);
    }

    #[test]
    fn what_is_not_one_array_is_refused() {
        for json in ["", "{}", "1", "[1", "[1,]", "[1] [2]", "[nope]", "[1}"] {
            assert!(matches!(elements(json, 9), Err(ArrayError::NotAnArray(_))), "{json}");
        }
    }
}
