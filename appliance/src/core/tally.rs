//! What became of the events of one request, and which status says so.
//!
//! **Invariants.** 201 means that every event is durable, and no other success that none failed.
//! What may be stored is never reported as not stored.
use pagi_protocol::{ErrorCode, PagiError};
use serde::Serialize;

/// How the events of one request fared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Events that are durable.
    pub stored: usize,
    /// Events that are not, or of which that is not known.
    pub failed: usize,
    /// The error that speaks for those.
    #[serde(skip)]
    worst: Option<ErrorCode>,
}

impl Tally {
    /// Counts one event that is durable.
    pub const fn add_stored(&mut self) {
        self.stored += 1;
    }

    /// Counts one event that failed.
    pub fn add_failed(&mut self, code: ErrorCode) {
        self.failed += 1;
        if self.worst.is_none_or(|worst| rank(code) > rank(worst)) {
            self.worst = Some(code);
        }
    }

    /// The status for all: 201, or 207 if some failed.
    ///
    /// # Errors
    /// None is stored: the error that says so. It is [`ErrorCode::DeliveryUnknown`] if one may be,
    /// one that may pass if there is one, and else that of the first event.
    pub fn status(&self) -> Result<u16, PagiError> {
        match (self.stored, self.worst) {
            (_, None) => Ok(201),
            (0, Some(code)) => {
                let detail = match code {
                    ErrorCode::DeliveryUnknown => "no event is known to be stored; see results",
                    _ => "no event was stored; see results",
                };
                Err(PagiError::new(code, detail))
            }
            (_, Some(_)) => Ok(207),
        }
    }
}

const fn rank(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::DeliveryUnknown => 2,
        code if code.retryable() => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(stored: usize, failed: &[ErrorCode]) -> Result<u16, ErrorCode> {
        let mut tally = Tally::default();
        (0..stored).for_each(|_| tally.add_stored());
        failed.iter().for_each(|code| tally.add_failed(*code));
        assert_eq!((tally.stored, tally.failed), (stored, failed.len()));
        tally.status().map_err(|error| error.code())
    }

    #[test]
    fn the_status_tells_whether_all_some_or_none_are_stored() {
        assert_eq!(status(3, &[]), Ok(201));
        assert_eq!(status(2, &[ErrorCode::InvalidEvent]), Ok(207));
        assert_eq!(status(1, &[ErrorCode::DeliveryUnknown]), Ok(207));
        assert_eq!(status(0, &[ErrorCode::InvalidEvent]), Err(ErrorCode::InvalidEvent));
    }

    #[test]
    fn of_several_errors_the_one_speaks_that_tells_most_about_trying_again() {
        let (bad, large, busy, unknown) = (
            ErrorCode::InvalidEvent,
            ErrorCode::PayloadTooLarge,
            ErrorCode::Overloaded,
            ErrorCode::DeliveryUnknown,
        );
        assert_eq!(status(0, &[bad, large]), Err(bad));
        assert_eq!(status(0, &[bad, busy, large]), Err(busy));
        assert_eq!(status(0, &[busy, unknown, bad]), Err(unknown));
    }
}
