//! Which request goes where. Works on the raw path: nothing is decoded, so nothing can be decoded
//! twice.
//!
//! **Invariants.** A twin's id that comes out of here holds unreserved characters only, and is
//! neither `.` nor `..`: put into a path, it stays one segment of it.
//!
//! **References.** RFC 3986 section 2.3 (unreserved characters), RFC 9110 section 15.5.6 (405).
use http::Method;

use crate::limits::PATH_PARAMETER_BYTES_MAX;

const PUBLISH: &str = "/pagi/v1/event/publish";
const TWIN_PREFIX: &str = "/pagi/v1/twin/";
const TWIN_STATUS_SUFFIX: &str = "/status";

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// Publish one event.
    Publish,
    /// Ask the identity service how a twin does.
    TwinStatus {
        /// The twin's id, checked.
        id: &'a str,
    },
}

/// Why a request goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoute {
    /// There is nothing at this path.
    NotFound,
    /// There is something at this path, but not for this method.
    MethodNotAllowed {
        /// The methods that are allowed, as the `Allow` header lists them.
        allow: &'static str,
    },
    /// The twin's id is not acceptable, and why.
    BadTwinId(&'static str),
}

/// Finds the route for a method and a raw path without its query.
///
/// # Errors
/// [`NoRoute`], saying why there is none.
pub fn route<'a>(method: &Method, path: &'a str) -> Result<Route<'a>, NoRoute> {
    if path == PUBLISH {
        return match *method {
            Method::POST => Ok(Route::Publish),
            _ => Err(NoRoute::MethodNotAllowed { allow: "POST" }),
        };
    }
    // Everything between the prefix and the suffix is the id, also where it holds a slash: a bad id
    // is a 400 that says so, not a 404.
    let id = path.strip_prefix(TWIN_PREFIX).and_then(|rest| rest.strip_suffix(TWIN_STATUS_SUFFIX));
    let Some(id) = id else { return Err(NoRoute::NotFound) };
    check_id(id).map_err(NoRoute::BadTwinId)?;
    match *method {
        Method::GET | Method::HEAD => Ok(Route::TwinStatus { id }),
        _ => Err(NoRoute::MethodNotAllowed { allow: "GET, HEAD" }),
    }
}

fn check_id(id: &str) -> Result<(), &'static str> {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    if id.is_empty() {
        Err("it is empty")
    } else if id.len() > PATH_PARAMETER_BYTES_MAX {
        Err("it is too long")
    } else if id == "." || id == ".." {
        Err("it is a dot segment")
    } else if !id.bytes().all(unreserved) {
        Err("use letters, digits, '-', '.', '_' and '~' only, and no percent-encoding")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn publishing_is_a_post() {
        assert_eq!(route(&Method::POST, PUBLISH), Ok(Route::Publish));
        for method in [Method::GET, Method::PUT, Method::OPTIONS] {
            assert_eq!(route(&method, PUBLISH), Err(NoRoute::MethodNotAllowed { allow: "POST" }));
        }
    }

    #[test]
    fn a_twin_status_is_read() {
        let path = "/pagi/v1/twin/a-B_9.~/status";
        assert_eq!(route(&Method::GET, path), Ok(Route::TwinStatus { id: "a-B_9.~" }));
        assert_eq!(route(&Method::HEAD, path), Ok(Route::TwinStatus { id: "a-B_9.~" }));
        let allow = "GET, HEAD";
        assert_eq!(route(&Method::POST, path), Err(NoRoute::MethodNotAllowed { allow }));
    }

    #[test]
    fn ids_that_could_leave_their_segment_are_refused() {
        let long = "x".repeat(PATH_PARAMETER_BYTES_MAX + 1);
        for id in
            ["", ".", "..", "a/b", "a%2Fb", "%2e%2e", "a%00", "a b", "é", "a;b", "../x", &long]
        {
            let path = format!("/pagi/v1/twin/{id}/status");
            let refused = route(&Method::GET, &path);
            assert!(matches!(refused, Err(NoRoute::BadTwinId(_))), "{id:?}: {refused:?}");
        }
    }

    #[test]
    fn everything_else_is_not_found() {
        for path in ["", "/", "/pagi/v1/event/publish/", "/pagi/v1/twin/x", "/pagi/v1/twin/status"]
        {
            assert_eq!(route(&Method::GET, path), Err(NoRoute::NotFound), "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_id_is_one_plain_segment(path in "/pagi/v1/twin/[ -~]{0,12}/status") {
            if let Ok(Route::TwinStatus { id }) = route(&Method::GET, &path) {
                prop_assert!(!id.contains(['/', '%', '?', '#', '\\']) && id != "..");
                prop_assert_eq!(path.split('/').count(), 6);
            }
        }
    }
}
