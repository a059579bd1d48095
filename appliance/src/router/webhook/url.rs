//! Where a webhook is.
use std::str::FromStr;

use http::HeaderValue;
use http::uri::{PathAndQuery, Scheme, Uri};
use pagi_protocol::{ErrorCode, PagiError};

/// The address of a webhook: `http://host[:port][/path][?query]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    /// The host's name or address, without brackets.
    pub(super) host: String,
    /// The TCP port.
    pub(super) port: u16,
    /// What goes into the `Host` header.
    pub(super) authority: HeaderValue,
    /// What goes into the request's first line.
    pub(super) target: Uri,
}

impl FromStr for WebhookUrl {
    type Err = PagiError;

    fn from_str(text: &str) -> Result<Self, PagiError> {
        let invalid = |why: &str| {
            PagiError::new(ErrorCode::InvalidConfig, format!("{text:?} is not usable: {why}"))
        };
        let uri: Uri = text.parse().map_err(|_| invalid("it is not a URL"))?;
        if uri.scheme() == Some(&Scheme::HTTPS) {
            return Err(invalid(
                "this version has no TLS; give it http://, to a local proxy that speaks TLS say",
            ));
        }
        if uri.scheme() != Some(&Scheme::HTTP) {
            return Err(invalid("it must begin with http://"));
        }
        let authority = uri.authority().ok_or_else(|| invalid("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("a user name in a URL is not supported"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(invalid("it names no host"));
        }
        let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        Ok(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: HeaderValue::from_str(authority.as_str())
                .map_err(|_| invalid("its host is not valid"))?,
            target: target.parse().map_err(|_| invalid("its path is not valid"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_a_port_a_path_and_perhaps_a_query() {
        let url: WebhookUrl = "http://hooks.local/in?team=a&x=%20".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port), ("hooks.local", 80));
        assert_eq!(url.target, "/in?team=a&x=%20");
        let url: WebhookUrl = "http://[::1]:8081".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port, url.target.path()), ("::1", 8081, "/"));
        assert_eq!(url.authority, "[::1]:8081");
    }

    #[test]
    fn addresses_that_cannot_work_say_why() {
        for (text, why) in [
            ("https://a", "no TLS"),
            ("ftp://a", "http://"),
            ("a:80", "http://"),
            ("/x", "http://"),
            ("http://u@a", "user name"),
            ("http://a b", "not a URL"),
        ] {
            let error = text.parse::<WebhookUrl>().unwrap_err();
            assert!(error.detail().contains(why), "{text}: {error}");
        }
    }
}
