//! What every refusal over HTTP has in common.
use super::http::Response;

/// Checks the problem document of a refusal.
///
/// # Panics
/// When it is not one, or another one.
pub(crate) fn assert_problem(response: &Response, status: u16, code: &str, case: &str) {
    assert_eq!(response.status, status, "{case}: {}", response.body.escape_ascii());
    assert_eq!(response.header("content-type"), Some("application/problem+json"), "{case}");
    let problem = response.json();
    assert_eq!(problem["status"], status, "{case}");
    assert_eq!(problem["code"], code, "{case}");
    assert_eq!(problem["type"], format!("urn:pagi:problem:{code}"), "{case}");
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{case}");
    assert_eq!(problem["request_id"].as_str(), response.header("x-request-id"), "{case}");
}
