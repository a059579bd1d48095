//! A topic's settings as arguments: `KEY=VALUE`.
use std::str::FromStr;

/// A setting and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// Its name, as `retention.ms`.
    pub(super) key: String,
    /// Its value; may be empty.
    pub(super) value: String,
}

/// An argument is not a setting.
#[derive(Debug, thiserror::Error)]
#[error("not KEY=VALUE, as in retention.ms=86400000")]
pub(super) struct NotASetting;

impl FromStr for Setting {
    type Err = NotASetting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                Ok(Self { key: key.to_owned(), value: value.to_owned() })
            }
            _ => Err(NotASetting),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_equals_sign_ends_the_key() {
        let setting: Setting = "a=b=c".parse().unwrap();
        assert_eq!((setting.key.as_str(), setting.value.as_str()), ("a", "b=c"));
        assert_eq!("a=".parse::<Setting>().unwrap().value, "");
        assert!("a".parse::<Setting>().is_err() && "=b".parse::<Setting>().is_err());
    }
}
