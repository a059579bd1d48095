//! The one place where outcomes become HTTP answers, and errors problem documents.
//!
//! **Invariants.** Every answer that is not a success is a problem document with the request's id;
//! every answer carries `x-request-id`; whatever may be tried again says when.
//!
//! **References.** RFC 9457 (problem details), RFC 9110 sections 10.2.1 (Allow) and 10.2.3
//! (Retry-After), RFC 9209 (Proxy-Status).
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use pagi_protocol::http::{EventResult, PROBLEM_MEDIA_TYPE, Problem};
use pagi_protocol::{ErrorCode, PagiError};

use super::lines_body::LinesBody;
use super::response_body::ResponseBody;
use super::stored::Stored;
use crate::core::framing::Refusal;
use crate::core::route::NoRoute;
use crate::proxy::{ProxyError, UpstreamBody};

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");
const PROBLEM: HeaderValue = HeaderValue::from_static(PROBLEM_MEDIA_TYPE);
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// What a failure says about events.
#[derive(Debug)]
enum Concerns {
    Nothing,
    /// The event with this id may or may not be stored.
    OneEvent(String),
    /// What became of each of several.
    Several(Vec<EventResult>),
}

/// An error, and what only HTTP wants to know about it.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: PagiError,
    concerns: Concerns,
    allow: Option<&'static str>,
    proxy_error: Option<&'static str>,
    retry_after_secs: Option<u32>,
    /// What `Content-Encoding` may say, where that was what is wrong.
    accept_encoding: Option<&'static str>,
}

impl Failure {
    /// A body in a coding that we do not undo.
    pub(super) fn of_coding(detail: &str) -> Self {
        let error = PagiError::new(ErrorCode::UnsupportedMediaType, detail);
        Self { accept_encoding: Some("gzip"), ..error.into() }
    }

    /// The same failure, to be tried again after so many seconds.
    pub(super) const fn after_secs(mut self, secs: u32) -> Self {
        self.retry_after_secs = Some(secs);
        self
    }

    /// The same failure, of publishing several events that fared like this.
    pub(super) fn of_events(mut self, results: Vec<EventResult>) -> Self {
        self.concerns = Concerns::Several(results);
        self
    }

    /// The problem document.
    pub(super) fn document(&self, request_id: &HeaderValue) -> Problem {
        let problem = Problem::new(&self.error, request_id.to_str().unwrap_or_default());
        match &self.concerns {
            Concerns::Nothing => problem,
            Concerns::OneEvent(id) => Problem { event_id: Some(id.clone()), ..problem },
            Concerns::Several(results) => Problem { results: Some(results.clone()), ..problem },
        }
    }

    /// The same failure, of publishing this event.
    pub(super) fn of_event(mut self, id: &str) -> Self {
        self.concerns = Concerns::OneEvent(id.to_owned());
        self
    }
}

impl From<PagiError> for Failure {
    fn from(error: PagiError) -> Self {
        Self {
            retry_after_secs: retry_after_secs(error.code()),
            error,
            concerns: Concerns::Nothing,
            allow: None,
            proxy_error: None,
            accept_encoding: None,
        }
    }
}

impl From<ProxyError> for Failure {
    fn from(error: ProxyError) -> Self {
        let failure = Self { proxy_error: error.proxy_status(), ..error.to_pagi().into() };
        let retry_after_secs = error.retry_after_secs().or(failure.retry_after_secs);
        Self { retry_after_secs, ..failure }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        PagiError::new(ErrorCode::InvalidParameter, refusal.to_string()).into()
    }
}

impl From<NoRoute> for Failure {
    fn from(no_route: NoRoute) -> Self {
        let (code, detail, allow) = match no_route {
            NoRoute::NotFound => (ErrorCode::NotFound, "no such path".to_owned(), None),
            NoRoute::MethodNotAllowed { allow } => {
                (ErrorCode::MethodNotAllowed, format!("use {allow}"), Some(allow))
            }
            NoRoute::BadTwinId(why) => {
                (ErrorCode::InvalidParameter, format!("not a twin id: {why}"), None)
            }
        };
        Self { allow, ..PagiError::new(code, detail).into() }
    }
}

/// The answer to a publish of which something is durable.
pub(super) fn published(stored: &Stored, request_id: &HeaderValue) -> Response<ResponseBody> {
    match stored {
        Stored::One(published) => {
            answer(StatusCode::CREATED, JSON, request_id, to_json(&published.receipt))
        }
        Stored::Several { tally, results, .. } => {
            let all = tally.failed == 0;
            let status = if all { StatusCode::CREATED } else { StatusCode::MULTI_STATUS };
            answer(status, JSON, request_id, to_json(results))
        }
    }
}

/// The answer to a stream of events: their results, as they become known.
pub(super) fn lines(body: LinesBody, request_id: &HeaderValue) -> Response<ResponseBody> {
    let mut response = answer(StatusCode::OK, NDJSON, request_id, Bytes::new());
    *response.body_mut() = ResponseBody::Lines(body);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

/// An upstream service's answer, as it was.
pub(super) fn proxied(
    response: Response<UpstreamBody>,
    request_id: &HeaderValue,
) -> Response<ResponseBody> {
    let mut response = response.map(ResponseBody::Upstream);
    response.headers_mut().entry(X_REQUEST_ID).or_insert_with(|| request_id.clone());
    response
}

/// The problem document for a failure.
pub(super) fn problem(failure: &Failure, request_id: &HeaderValue) -> Response<ResponseBody> {
    let error = &failure.error;
    let status = StatusCode::from_u16(error.http_status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let document = to_json(&failure.document(request_id));
    let mut response = answer(status, PROBLEM, request_id, document);
    let headers = response.headers_mut();
    if let Some(allow) = failure.allow {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    if let Some(codings) = failure.accept_encoding {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(codings));
    }
    if let Some(after) = failure.retry_after_secs {
        headers.insert(RETRY_AFTER, HeaderValue::from(after));
    }
    if let Some(name) = failure.proxy_error
        && let Ok(value) = HeaderValue::try_from(format!("pagi-appliance; error={name}"))
    {
        headers.insert(PROXY_STATUS, value);
    }
    if unread_body_likely(error.code()) {
        headers.insert(CONNECTION, CLOSE);
    }
    response
}

/// An answer of a line of text.
pub(super) fn text(status: StatusCode, media: &'static str, body: Bytes) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

fn answer(
    status: StatusCode,
    media: HeaderValue,
    request_id: &HeaderValue,
    body: Bytes,
) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, media);
    response.headers_mut().insert(X_REQUEST_ID, request_id.clone());
    response
}

/// How many seconds to wait before the same request, where that makes sense.
const fn retry_after_secs(code: ErrorCode) -> Option<u32> {
    match code {
        ErrorCode::RateLimited | ErrorCode::Overloaded | ErrorCode::DeliveryUnknown => Some(1),
        ErrorCode::BrokerUnavailable | ErrorCode::ShuttingDown => Some(2),
        ErrorCode::StorageFull => Some(30),
        _ => None,
    }
}

/// Whether the rest of the request may still be on its way: reading it would be for nothing.
const fn unread_body_likely(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::PayloadTooLarge | ErrorCode::RequestTimeout)
}

fn to_json(document: &impl serde::Serialize) -> Bytes {
    // Strings and numbers only: it cannot fail, and if it did the status would still be right.
    serde_json::to_vec(document).map(Bytes::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: HeaderValue = HeaderValue::from_static("r-1");

    fn header(response: &Response<ResponseBody>, name: &str) -> Option<String> {
        response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    fn document(response: &Response<ResponseBody>) -> Problem {
        let ResponseBody::Whole(body) = response.body() else { panic!("a whole body") };
        serde_json::from_slice(body).unwrap()
    }

    #[test]
    fn every_code_becomes_a_problem_document_with_its_status() {
        for (code, status, retry_after) in [
            (ErrorCode::InvalidEvent, 400, None),
            (ErrorCode::UnknownTopic, 404, None),
            (ErrorCode::RequestTimeout, 408, None),
            (ErrorCode::PayloadTooLarge, 413, None),
            (ErrorCode::UnsupportedMediaType, 415, None),
            (ErrorCode::Rejected, 422, None),
            (ErrorCode::RateLimited, 429, Some("1")),
            (ErrorCode::Internal, 500, None),
            (ErrorCode::UpstreamUnavailable, 502, None),
            (ErrorCode::Overloaded, 503, Some("1")),
            (ErrorCode::BrokerUnavailable, 503, Some("2")),
            (ErrorCode::ShuttingDown, 503, Some("2")),
            (ErrorCode::DeliveryUnknown, 504, Some("1")),
            (ErrorCode::StorageFull, 507, Some("30")),
        ] {
            let response = problem(&PagiError::new(code, "why").into(), &ID);
            assert_eq!(response.status().as_u16(), status, "{code}");
            assert_eq!(header(&response, "retry-after").as_deref(), retry_after, "{code}");
            assert_eq!(header(&response, "content-type").as_deref(), Some(PROBLEM_MEDIA_TYPE));
            assert_eq!(header(&response, "x-request-id").as_deref(), Some("r-1"));
            let document = document(&response);
            assert_eq!((document.status, document.code.as_str()), (status, code.as_str()));
            assert_eq!((document.detail.as_str(), document.request_id.as_str()), ("why", "r-1"));
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        let no_route = NoRoute::MethodNotAllowed { allow: "GET, HEAD" };
        let response = problem(&no_route.into(), &ID);
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(header(&response, "allow").as_deref(), Some("GET, HEAD"));
    }

    #[test]
    fn a_failed_upstream_is_named_in_proxy_status() {
        let response = problem(&ProxyError::FirstByteTimeout.into(), &ID);
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        let expected = "pagi-appliance; error=http_response_timeout";
        assert_eq!(header(&response, "proxy-status").as_deref(), Some(expected));
    }

    #[test]
    fn an_unknown_outcome_names_the_event_to_retry_with() {
        let failure = Failure::from(PagiError::new(ErrorCode::DeliveryUnknown, "no answer"));
        let document = document(&problem(&failure.of_event("e-1"), &ID));
        assert_eq!((document.event_id.as_deref(), document.retryable), (Some("e-1"), true));
    }
}
