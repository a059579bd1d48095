//! The HTTP forms: publish envelope, receipt and problem document.
//!
//! **References.** RFC 9457 (problem details).
use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{ErrorCode, PagiError};

/// The media type of a [`Problem`].
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// The body of `POST /pagi/v1/event/publish` as `application/json`. `data` is kept as the text that
/// was sent. A member that is unknown, or there twice, is an error.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishEnvelope<'a> {
    /// Where to store the event; the gateway may have a default.
    #[serde(borrow, default)]
    pub topic: Option<Cow<'a, str>>,
    /// Events with the same key stay in order.
    #[serde(borrow, default)]
    pub key: Option<Cow<'a, str>>,
    /// The event's type.
    #[serde(borrow, rename = "type", default)]
    pub event_type: Option<Cow<'a, str>>,
    /// Where the event comes from, a URI reference.
    #[serde(borrow, default)]
    pub source: Option<Cow<'a, str>>,
    /// What the event is about.
    #[serde(borrow, default)]
    pub subject: Option<Cow<'a, str>>,
    /// The event's id; made when there is none.
    #[serde(borrow, default)]
    pub id: Option<Cow<'a, str>>,
    /// When it happened, RFC 3339; the time of arrival when there is none.
    #[serde(borrow, default)]
    pub time: Option<Cow<'a, str>>,
    /// The payload: any JSON value.
    #[serde(borrow)]
    pub data: &'a RawValue,
}

impl<'a> PublishEnvelope<'a> {
    /// Reads the envelope.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidEvent`], saying what is missing, unknown, twice there or of the wrong
    /// kind, and where.
    pub fn from_json(json: &'a str) -> Result<Self, PagiError> {
        // An array would be taken for the members in their order.
        if json.trim_start().starts_with('[') {
            return Err(not_an_envelope(&"invalid type: array, expected an object"));
        }
        serde_json::from_str(json).map_err(|error| not_an_envelope(&error))
    }
}

fn not_an_envelope(why: &dyn std::fmt::Display) -> PagiError {
    PagiError::new(ErrorCode::InvalidEvent, format!("not a publish envelope: {why}"))
}

/// The answer to a publish, once the event is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishReceipt {
    /// The event's id.
    pub id: String,
    /// The topic it is stored in.
    pub topic: String,
    /// The partition it is stored in.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

/// What became of one of several events in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EventResult {
    /// It is durable.
    Stored {
        /// Always 201, so that every result has a status.
        status: u16,
        /// Where it is.
        #[serde(flatten)]
        receipt: PublishReceipt,
    },
    /// It is not, or that is not known.
    Failed(Problem),
}

impl EventResult {
    /// The result for an event that is durable.
    #[must_use]
    pub const fn stored(receipt: PublishReceipt) -> Self {
        Self::Stored { status: 201, receipt }
    }

    /// The problem, if it is one.
    #[must_use]
    pub const fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Stored { .. } => None,
            Self::Failed(problem) => Some(problem),
        }
    }
}

/// What every answer that is not a success carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Names the kind of problem: `urn:pagi:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every occurrence.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What happened this time, and what to do.
    pub detail: String,
    /// The stable, machine-readable code.
    pub code: String,
    /// Whether the same request may succeed later without a change.
    pub retryable: bool,
    /// The request's id, as in the `x-request-id` header and the logs.
    pub request_id: String,
    /// The id of the event that may or may not be stored: a retry should carry it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event_id: Option<String>,
    /// What became of each event of a request with several, in their order.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub results: Option<Vec<EventResult>>,
}

impl Problem {
    /// The document for `error` in the request `request_id`.
    #[must_use]
    pub fn new(error: &PagiError, request_id: &str) -> Self {
        let code = error.code();
        Self {
            kind: format!("urn:pagi:problem:{code}"),
            title: code.title().to_owned(),
            status: code.http_status(),
            detail: error.detail().to_owned(),
            code: code.as_str().to_owned(),
            retryable: code.retryable(),
            request_id: request_id.to_owned(),
            event_id: None,
            results: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_keeps_the_payload_as_it_was_written() {
        let json = r#"{"topic":"t","key":"k","type":"a.b","data": { "x" : 1.0,"y":"é" } }"#;
        let envelope = PublishEnvelope::from_json(json).unwrap();
        assert_eq!(envelope.topic.as_deref(), Some("t"));
        assert_eq!(envelope.key.as_deref(), Some("k"));
        assert_eq!(envelope.source, None);
        assert_eq!(envelope.data.get(), r#"{ "x" : 1.0,"y":"é" }"#);
    }

    #[test]
    fn a_payload_of_null_is_a_payload() {
        let envelope = PublishEnvelope::from_json(r#"{"topic":"t","data":null}"#).unwrap();
        assert_eq!(envelope.data.get(), "null");
    }

    #[test]
    fn the_envelope_says_what_is_wrong() {
        for (json, why) in [
            (r#"{"topic":"t"}"#, "missing field `data`"),
            (r#"{"topic":"t","topic":"u","data":1}"#, "duplicate field `topic`"),
            (r#"{"topic":"t","data":1,"data":2}"#, "duplicate field `data`"),
            (r#"{"topic":"t","data":1,"kye":"x"}"#, "unknown field `kye`"),
            (r#"{"topic":7,"data":1}"#, "invalid type: integer `7`"),
            (r#"{"topic":"t","data":1} {}"#, "trailing characters"),
            (r#"{"topic":"t","data":nope}"#, "line 1 column"),
            (r#"["t",null,null,null,null,null,null,1]"#, "expected an object"),
            ("", "EOF"),
        ] {
            let error = PublishEnvelope::from_json(json).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidEvent);
            assert!(error.detail().contains(why), "{json}: {error}");
        }
    }

    #[test]
    fn escaped_strings_are_understood() {
        let json = r#"{"topic":"\u0074","key":"a\"b","data":0}"#;
        let envelope = PublishEnvelope::from_json(json).unwrap();
        assert_eq!((envelope.topic.as_deref(), envelope.key.as_deref()), (Some("t"), Some("a\"b")));
    }

    #[test]
    fn a_result_has_a_status_whatever_became_of_the_event() {
        let receipt =
            PublishReceipt { id: "e-1".to_owned(), topic: "t".to_owned(), partition: 2, offset: 7 };
        let stored = EventResult::stored(receipt);
        let json = serde_json::to_string(&stored).unwrap();
        let expected = r#"{"status":201,"id":"e-1","topic":"t","partition":2,"offset":7}"#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<EventResult>(&json).unwrap(), stored);
        let error = PagiError::new(ErrorCode::InvalidEvent, "no type");
        let failed = EventResult::Failed(Problem::new(&error, "r-1"));
        let json = serde_json::to_string(&failed).unwrap();
        assert!(json.contains(r#""status":400,"#), "{json}");
        assert_eq!(serde_json::from_str::<EventResult>(&json).unwrap(), failed);
    }

    #[test]
    fn a_problem_names_its_code_and_its_request() {
        let error = PagiError::new(ErrorCode::Overloaded, "try again");
        let json = serde_json::to_string(&Problem::new(&error, "r-1")).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"type":"urn:pagi:problem:overloaded","title":"Too much work is queued","#,
                r#""status":503,"detail":"try again","code":"overloaded","retryable":true,"#,
                r#""request_id":"r-1"}"#
            )
        );
    }
}
