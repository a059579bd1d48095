//! Structured logs on stderr: for people on a terminal, one JSON object a line otherwise.
//!
//! **Invariants.** Nothing is logged before [`init`]. Field values are escaped, so that no input
//! can begin a line of its own. Neither payloads nor header values nor queries are logged.
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// Starts logging what `filter` lets through.
///
/// # Errors
/// When something in this process has started it already.
pub fn init(filter: Targets) -> Result<(), TryInitError> {
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        registry.with(layer.with_target(false)).try_init()
    } else {
        registry.with(layer.json().flatten_event(true).with_current_span(false)).try_init()
    }
}

/// Keeps a log line that would be written for every request to one in an interval.
#[derive(Debug)]
pub struct LogRate {
    interval: Duration,
    state: Mutex<(Option<Instant>, u64)>,
}

impl LogRate {
    /// At most one line in `interval`.
    #[must_use]
    pub const fn new(interval: Duration) -> Self {
        Self { interval, state: Mutex::new((None, 0)) }
    }

    /// Whether to write the line at `now`; if so, how many were left out since the last one.
    pub fn admit(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, left_out) = &mut *state;
        if last.is_some_and(|last| now.saturating_duration_since(last) < self.interval) {
            *left_out = left_out.saturating_add(1);
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_an_interval_is_written_and_the_others_are_counted() {
        let rate = LogRate::new(Duration::from_secs(10));
        let start = Instant::now();
        assert_eq!(rate.admit(start), Some(0));
        assert_eq!(rate.admit(start + Duration::from_secs(1)), None);
        assert_eq!(rate.admit(start + Duration::from_secs(9)), None);
        assert_eq!(rate.admit(start + Duration::from_secs(10)), Some(2));
        assert_eq!(rate.admit(start + Duration::from_secs(21)), Some(0));
    }
}
