//! Why a command failed: a sentence for the person who ran it.
use std::fmt;

/// The result of a command or of a part of it.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// What went wrong and, where it can be said, what to do about it.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// Possible because `Failure` itself is not an `Error`: `?` then takes every error there is.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Says what was being done when an error came.
pub(crate) trait While<T> {
    /// Puts `doing` in front of the error: `cannot DOING: ERROR`.
    fn on(self, doing: impl fmt::Display) -> Outcome<T>;
}

impl<T, E: fmt::Display> While<T> for Result<T, E> {
    fn on(self, doing: impl fmt::Display) -> Outcome<T> {
        self.map_err(|error| Failure(format!("cannot {doing}: {error}")))
    }
}
