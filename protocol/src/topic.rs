//! A validated topic name.
//!
//! **References.** Kafka's `Topic.validate`: 1 to 249 of `[a-zA-Z0-9._-]`, neither `.` nor `..`.
use std::fmt;
use std::sync::Arc;

use crate::error::{ErrorCode, PagiError};

/// The longest topic name Kafka allows, in bytes.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// A topic name that keeps Kafka's rules. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// Checks `name` against Kafka's rules.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidTopic`], saying which rule was broken.
    pub fn parse(name: &str) -> Result<Self, PagiError> {
        let broken = if name.is_empty() {
            "it is empty".to_owned()
        } else if name.len() > TOPIC_NAME_BYTES_MAX {
            format!("it has {} bytes, the limit is {TOPIC_NAME_BYTES_MAX}", name.len())
        } else if name == "." || name == ".." {
            format!("\"{name}\" is reserved")
        } else if let Some(bad) = name.chars().find(|c| !is_allowed(*c)) {
            format!("{bad:?} is not allowed; use a-z, A-Z, 0-9, '.', '_' and '-'")
        } else {
            return Ok(Self(Arc::from(name)));
        };
        Err(PagiError::new(ErrorCode::InvalidTopic, format!("not a topic name: {broken}")))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl std::borrow::Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_kafka_accepts() {
        for name in ["a", "twin.events_v1-x", "...", &"x".repeat(249)] {
            assert_eq!(TopicName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_what_kafka_refuses_and_says_why() {
        for (name, why) in [
            ("", "empty"),
            (".", "reserved"),
            ("..", "reserved"),
            ("a/b", "'/'"),
            ("a b", "' '"),
            ("é", "'é'"),
            ("a\0", "'\\0'"),
            (&"x".repeat(250), "250 bytes"),
        ] {
            let error = TopicName::parse(name).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidTopic);
            assert!(error.detail().contains(why), "{name:?}: {}", error.detail());
        }
    }
}
