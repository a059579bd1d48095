//! What may pass from one HTTP connection to another.
//!
//! **Invariants.** After [`strip_hop_by_hop`] no field is left that speaks about one connection
//! only.
//!
//! **References.** RFC 9110 sections 7.6.1 (Connection) and 7.6.3 (Via); RFC 7239 (Forwarded); W3C
//! Trace Context section 3.2 (`traceparent`).
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::REQUEST_ID_BYTES_MAX;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const VIA_US: HeaderValue = HeaderValue::from_static("1.1 pagi-appliance");

/// Speak about one connection only, whether `Connection` names them or not.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|option| !option.is_empty())
}

/// Removes the fields that speak about one connection only, and those that `Connection` names.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> =
            connection_options(headers).filter_map(|option| option.parse().ok()).collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Turns the headers of a client's request into those of ours to an upstream service at
/// `authority`. What the client says about earlier hops is dropped: anyone can write it.
pub fn to_upstream(headers: &mut HeaderMap, authority: &HeaderValue, client_ip: &str) {
    strip_hop_by_hop(headers);
    // The length is set anew from the body; the expectation was met by us.
    for name in [CONTENT_LENGTH, EXPECT, FORWARDED] {
        headers.remove(name);
    }
    let foreign: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-forwarded-") || *name == "x-real-ip")
        .cloned()
        .collect();
    for name in foreign {
        headers.remove(name);
    }
    let host = headers.insert(HOST, authority.clone());
    headers.append(VIA, VIA_US);
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    if let Ok(ip) = HeaderValue::from_str(client_ip) {
        headers.insert(X_FORWARDED_FOR, ip);
    }
    let node =
        if client_ip.contains(':') { format!("\"[{client_ip}]\"") } else { client_ip.to_owned() };
    let mut forwarded = format!("for={node};proto=http");
    if let Some(host) = host {
        if let Ok(text) = host.to_str() {
            forwarded.push_str(&format!(";host=\"{text}\""));
        }
        headers.insert(X_FORWARDED_HOST, host);
    }
    if let Ok(value) = HeaderValue::from_str(&forwarded) {
        headers.insert(FORWARDED, value);
    }
}

/// Whether a client's request id may be taken over into logs, records and answers.
#[must_use]
pub fn is_request_id(value: &[u8]) -> bool {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-._~:/+=@".contains(b);
    !value.is_empty() && value.len() <= REQUEST_ID_BYTES_MAX && value.iter().all(allowed)
}

/// Whether `value` is a `traceparent` of version 00, or of a later one that begins the same.
#[must_use]
pub fn is_traceparent(value: &[u8]) -> bool {
    let hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let not_zero = |part: &[u8]| part.iter().any(|b| *b != b'0');
    let mut parts = value.split(|b| *b == b'-');
    let (version, trace, parent, flags) = (parts.next(), parts.next(), parts.next(), parts.next());
    let known = |part: Option<&[u8]>, len| part.is_some_and(|p| p.len() == len && hex(p));
    known(version, 2)
        && version != Some(b"ff".as_slice())
        && known(trace, 32)
        && trace.is_some_and(not_zero)
        && known(parent, 16)
        && parent.is_some_and(not_zero)
        && known(flags, 2)
        && (version != Some(b"00".as_slice()) || parts.next().is_none())
        && value.len() <= REQUEST_ID_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        map
    }

    #[test]
    fn hop_by_hop_fields_go_also_those_that_connection_names() {
        let mut map = headers(&[
            ("connection", "keep-alive, X-Mine"),
            ("connection", "x-other"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("proxy-connection", "close"),
            ("proxy-authorization", "Basic x"),
            ("x-mine", "1"),
            ("x-other", "2"),
            ("x-end-to-end", "3"),
        ]);
        strip_hop_by_hop(&mut map);
        assert_eq!(map, headers(&[("x-end-to-end", "3")]));
    }

    #[test]
    fn what_a_client_says_about_earlier_hops_is_replaced() {
        let mut map = headers(&[
            ("host", "front:8080"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-anything", "6"),
            ("x-real-ip", "6.6.6.6"),
            ("forwarded", "for=6.6.6.6"),
            ("content-length", "3"),
            ("accept", "*/*"),
        ]);
        to_upstream(&mut map, &HeaderValue::from_static("identity:8081"), "::1");
        let expected = headers(&[
            ("accept", "*/*"),
            ("host", "identity:8081"),
            ("via", "1.1 pagi-appliance"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-for", "::1"),
            ("x-forwarded-host", "front:8080"),
            ("forwarded", "for=\"[::1]\";proto=http;host=\"front:8080\""),
        ]);
        assert_eq!(map, expected);
    }

    #[test]
    fn request_ids_are_short_and_plain() {
        assert!(is_request_id(b"018f-a.b_c:1"));
        for bad in [b"".as_slice(), b"a b", b"a\r\nb", "é".as_bytes(), &[b'a'; 129]] {
            assert!(!is_request_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn traceparents_follow_the_specification() {
        let good = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(is_traceparent(good));
        assert!(is_traceparent(b"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"));
        for bad in [
            b"".as_slice(),
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            b"00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert!(!is_traceparent(bad), "{}", String::from_utf8_lossy(bad));
        }
    }
}
