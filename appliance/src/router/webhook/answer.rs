//! What a webhook's answer says about the event.
//!
//! **References.** RFC 9110 sections 15 (status codes) and 10.2.3 (`Retry-After`); CloudEvents 1.0
//! HTTP Webhook, section 2.2.
use std::time::Duration;

use chrono::DateTime;
use http::StatusCode;

use crate::limits::WEBHOOK_SHOWN_BYTES_MAX;
use crate::router::handler::Answer;

/// The answer to an event, by its status, the value of its `Retry-After`, and its body. A refusal
/// that may pass is tried again, any other is final; redirections are not followed, and may pass.
pub(super) fn classify(
    status: StatusCode,
    retry_after: Option<&str>,
    body: &[u8],
    now_ms: i64,
) -> Answer {
    if status.is_success() {
        return Answer::Done;
    }
    let why = match shown(body) {
        shown if shown.is_empty() => format!("the webhook answers {status}"),
        shown => format!("the webhook answers {status}: {shown}"),
    };
    let passing = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
    );
    if status.is_client_error() && !passing {
        return Answer::Reject { reason: why };
    }
    Answer::Retry { why, after: retry_after.and_then(|value| delay(value, now_ms)) }
}

/// The beginning of a body, on one line.
fn shown(body: &[u8]) -> String {
    let begin = body.get(..WEBHOOK_SHOWN_BYTES_MAX).unwrap_or(body);
    let text = String::from_utf8_lossy(begin);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The wait that a `Retry-After` asks for: seconds, or a date. What is neither asks for nothing.
fn delay(value: &str, now_ms: i64) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at_ms = DateTime::parse_from_rfc2822(value).ok()?.timestamp_millis();
    Some(Duration::from_millis(u64::try_from(at_ms.saturating_sub(now_ms)).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&str>) -> Answer {
        classify(StatusCode::from_u16(status).unwrap(), retry_after, b"", 0)
    }

    #[test]
    fn success_is_done() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(answer(status, None), Answer::Done);
        }
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        for status in [408, 425, 429, 500, 502, 503, 504, 599, 301, 307] {
            assert!(matches!(answer(status, None), Answer::Retry { after: None, .. }), "{status}");
        }
    }

    #[test]
    fn any_other_refusal_is_final() {
        for status in [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 499] {
            assert!(matches!(answer(status, None), Answer::Reject { .. }), "{status}");
        }
    }

    #[test]
    fn the_reason_is_the_status_and_the_beginning_of_the_body_on_one_line() {
        let body = format!("no\n  such\tfield {}", "x".repeat(1_000));
        let reason = match classify(StatusCode::BAD_REQUEST, None, body.as_bytes(), 0) {
            Answer::Reject { reason } => reason,
            other => panic!("{other:?}"),
        };
        assert!(reason.starts_with("the webhook answers 400 Bad Request: no such field xx"));
        assert!(reason.len() < 300, "{reason}");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |value| match answer(503, Some(value)) {
            Answer::Retry { after, .. } => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after("120"), Some(Duration::from_secs(120)));
        assert_eq!(after("Thu, 01 Jan 1970 00:01:30 GMT"), Some(Duration::from_secs(90)));
        assert_eq!(after("Wed, 31 Dec 1969 23:00:00 GMT"), Some(Duration::ZERO), "it has passed");
        assert_eq!(after("soon"), None);
        assert_eq!(after("-1"), None);
    }
}
