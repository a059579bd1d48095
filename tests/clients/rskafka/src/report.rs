//! How a case ends, and how errors are named.
use std::fmt::Debug;

use rskafka::client::error::Error;

/// Why a case did not pass.
pub(crate) enum Failure {
    /// rskafka has no such thing.
    NotAvailable(&'static str),
    Wrong(String),
}

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Wrong(error.to_string())
    }
}

/// Fails the case unless both are the same.
pub(crate) fn check<T: PartialEq + Debug>(what: &str, actual: T, expected: T) -> Outcome {
    if actual == expected {
        return Ok(());
    }
    let short = |value: &T| format!("{value:?}").chars().take(200).collect::<String>();
    Err(Failure::Wrong(format!("{what}: {}, not {}", short(&actual), short(&expected))))
}

/// The code with which the broker refused, by Kafka's name, or `NONE`.
pub(crate) fn refusal<T>(outcome: &Result<T, Error>) -> String {
    let code = match outcome {
        Ok(_) => return "NONE".to_owned(),
        Err(Error::ServerError { protocol_error, .. }) => format!("{protocol_error:?}"),
        Err(error) => return error.to_string(),
    };
    let mut name = String::new();
    for c in code.chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}
