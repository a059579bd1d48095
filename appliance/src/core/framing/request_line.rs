//! The first line of a request.
//!
//! **References.** RFC 9112 section 3 (request line).
use super::field::{is_host, is_token};
use super::refusal::Refusal;

/// What the line says that matters for what follows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    pub(super) http_1_1: bool,
    /// The host in a target of absolute form.
    pub(super) authority: Option<&'a [u8]>,
}

/// Reads a line without its end.
pub(super) fn parse(line: &[u8]) -> Result<RequestLine<'_>, Refusal> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (method, target, version, more) = (parts.next(), parts.next(), parts.next(), parts.next());
    let (Some(method), Some(target), Some(version), None) = (method, target, version, more) else {
        return Err(Refusal::RequestLine);
    };
    if !is_token(method) {
        return Err(Refusal::RequestLine);
    }
    if method.eq_ignore_ascii_case(b"CONNECT") {
        return Err(Refusal::Connect);
    }
    let http_1_1 = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        _ => return Err(Refusal::Version),
    };
    Ok(RequestLine { http_1_1, authority: authority(method, target)? })
}

fn authority<'a>(method: &[u8], target: &'a [u8]) -> Result<Option<&'a [u8]>, Refusal> {
    // A fragment would be cut off silently.
    if !target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#') {
        return Err(Refusal::Target);
    }
    match target {
        [b'/', ..] => Ok(None),
        b"*" if method == b"OPTIONS" => Ok(None),
        _ => {
            let scheme = target
                .split_at_checked(7)
                .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"http://"));
            let (_, rest) = scheme.ok_or(Refusal::Target)?;
            let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
            let (host, _) = rest.split_at(end.unwrap_or(rest.len()));
            if is_host(host) { Ok(Some(host)) } else { Err(Refusal::Target) }
        }
    }
}

/// Whether a line, which may not have ended yet, can be a request line.
pub(super) fn may_begin(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.iter().all(|byte| matches!(byte, 0x20..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_is_a_method_a_target_and_a_version() {
        let line = |http_1_1, authority| Ok(RequestLine { http_1_1, authority });
        assert_eq!(parse(b"GET /a?b HTTP/1.1"), line(true, None));
        assert_eq!(parse(b"GET / HTTP/1.0"), line(false, None));
        assert_eq!(parse(b"OPTIONS * HTTP/1.1"), line(true, None));
        assert_eq!(parse(b"GET http://a:1/b HTTP/1.1"), line(true, Some(b"a:1".as_slice())));
        assert_eq!(parse(b"GET http://a?b HTTP/1.1"), line(true, Some(b"a".as_slice())));
    }

    #[test]
    fn everything_else_is_refused() {
        for (line, why) in [
            (&b"GET /"[..], Refusal::RequestLine),
            (b"GET  / HTTP/1.1", Refusal::RequestLine),
            (b"GET / HTTP/1.1 ", Refusal::RequestLine),
            (b"GET\t/ HTTP/1.1", Refusal::RequestLine),
            (b"G@T / HTTP/1.1", Refusal::RequestLine),
            (b"CONNECT a:1 HTTP/1.1", Refusal::Connect),
            (b"GET / HTTP/1.2", Refusal::Version),
            (b"GET / http/1.1", Refusal::Version),
            (b"PRI * HTTP/2.0", Refusal::Version),
            (b"GET * HTTP/1.1", Refusal::Target),
            (b"GET a HTTP/1.1", Refusal::Target),
            (b"GET /a#b HTTP/1.1", Refusal::Target),
            (b"GET /\xc3\xa9 HTTP/1.1", Refusal::Target),
            (b"GET https://a/ HTTP/1.1", Refusal::Target),
            (b"GET http://u@a/ HTTP/1.1", Refusal::Target),
            (b"GET http:///a HTTP/1.1", Refusal::Target),
        ] {
            assert_eq!(parse(line), Err(why), "{}", line.escape_ascii());
        }
    }
}
