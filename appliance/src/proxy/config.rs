//! The proxy's configuration.
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::uri::{Scheme, Uri};
use http::{HeaderValue, uri::PathAndQuery};
use pagi_protocol::{ErrorCode, PagiError};

use crate::limits;

/// Where the identity service is when nobody says otherwise.
pub const IDENTITY_URL: &str = "http://pagi-identity-service:8081";

/// What the proxy may be told. See [`limits`] for the defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// The instances of the identity service, at most [`limits::UPSTREAMS_MAX`].
    pub identity_urls: Vec<UpstreamUrl>,
    /// Where each of them says whether it is well, with a status of success; none: it is not asked.
    pub health_path: Option<String>,
    /// How often they are asked.
    pub health_interval: Duration,
    /// How long connecting may take, name look-up included; also a health check.
    pub connect_timeout: Duration,
    /// How long the service may take to begin its answer.
    pub first_byte_timeout: Duration,
    /// How long everything may take, to the last byte of the answer.
    pub total_timeout: Duration,
    /// How long a connection is kept for the next request.
    pub idle_timeout: Duration,
    /// How long a connection is used at all: names may move.
    pub connection_age_max: Duration,
    /// Requests to one instance at once.
    pub in_flight_max: usize,
    /// Idle connections kept to one instance.
    pub idle_connections_max: usize,
    /// The largest request body that is passed on, in bytes.
    pub request_bytes_max: usize,
}

impl Config {
    /// The default configuration, for a service whose instances are at these addresses.
    #[must_use]
    pub const fn new(identity_urls: Vec<UpstreamUrl>) -> Self {
        Self {
            identity_urls,
            health_path: None,
            health_interval: limits::UPSTREAM_PROBE_INTERVAL,
            connect_timeout: limits::UPSTREAM_CONNECT_TIMEOUT,
            first_byte_timeout: limits::UPSTREAM_FIRST_BYTE_TIMEOUT,
            total_timeout: limits::UPSTREAM_TOTAL_TIMEOUT,
            idle_timeout: limits::UPSTREAM_IDLE_TIMEOUT,
            connection_age_max: limits::UPSTREAM_CONNECTION_AGE_MAX,
            in_flight_max: limits::UPSTREAM_IN_FLIGHT_MAX,
            idle_connections_max: limits::UPSTREAM_IDLE_CONNECTIONS_MAX,
            request_bytes_max: limits::UPSTREAM_REQUEST_BYTES_MAX,
        }
    }
}

/// The base address of an upstream service: `http://host[:port][/prefix]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamUrl {
    host: String,
    port: u16,
    authority: HeaderValue,
    prefix: String,
}

impl UpstreamUrl {
    /// The host's name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What goes into the `Host` header.
    #[must_use]
    pub const fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// What every path there starts with; no slash at its end.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl FromStr for UpstreamUrl {
    type Err = PagiError;

    fn from_str(text: &str) -> Result<Self, PagiError> {
        let invalid = |why: &str| {
            PagiError::new(ErrorCode::InvalidConfig, format!("{text:?} is not usable: {why}"))
        };
        let uri: Uri = text.parse().map_err(|_| invalid("it is not a URL"))?;
        if uri.scheme() != Some(&Scheme::HTTP) {
            return Err(invalid("it must begin with http:// (TLS to upstreams is not there yet)"));
        }
        let authority = uri.authority().ok_or_else(|| invalid("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("a user name in a URL is not supported"));
        }
        if uri.query().is_some() {
            return Err(invalid("it must not have a query"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(invalid("it names no host"));
        }
        let prefix = uri.path_and_query().map_or("", PathAndQuery::path).trim_end_matches('/');
        Ok(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: HeaderValue::from_str(authority.as_str())
                .map_err(|_| invalid("its host is not valid"))?,
            prefix: prefix.to_owned(),
        })
    }
}

impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.authority.to_str().unwrap_or_default();
        write!(f, "http://{authority}{}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_a_port_and_perhaps_a_prefix() {
        let url: UpstreamUrl = "http://id.local/base/".parse().unwrap();
        assert_eq!((url.host(), url.port(), url.prefix()), ("id.local", 80, "/base"));
        let url: UpstreamUrl = "http://[::1]:8081".parse().unwrap();
        assert_eq!((url.host(), url.port(), url.prefix()), ("::1", 8081, ""));
        assert_eq!(url.authority(), "[::1]:8081");
        assert_eq!(url.to_string(), "http://[::1]:8081");
    }

    #[test]
    fn the_default_address_is_usable() {
        assert_eq!(IDENTITY_URL.parse::<UpstreamUrl>().unwrap().to_string(), IDENTITY_URL);
    }

    #[test]
    fn addresses_that_cannot_work_say_why() {
        for (text, why) in [
            ("https://a", "http://"),
            ("a:80", "http://"),
            ("/x", "http://"),
            ("http://u@a", "user name"),
            ("http://a?x", "query"),
            ("http://a b", "not a URL"),
        ] {
            let error = text.parse::<UpstreamUrl>().unwrap_err();
            assert!(error.detail().contains(why), "{text}: {error}");
        }
    }
}
