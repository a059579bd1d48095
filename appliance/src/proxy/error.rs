//! What can go wrong between us and an upstream service.
//!
//! **References.** RFC 9209 section 2.3 (the names in `Proxy-Status`).
use pagi_protocol::{ErrorCode, PagiError};

/// Why a request was not answered by the upstream service.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The service's name has no address.
    #[error("the name of the service could not be resolved: {0}")]
    Dns(#[source] std::io::Error),
    /// No connection could be made.
    #[error("no connection to the service: {0}")]
    Connect(#[source] std::io::Error),
    /// Connecting took too long.
    #[error("no connection to the service in time")]
    ConnectTimeout,
    /// As many requests as may be are under way.
    #[error("too many requests to the service are under way")]
    Busy,
    /// Every instance failed too often, or says that it is not well.
    #[error("no instance of the service is well")]
    NoneHealthy {
        /// When one of them is tried again, in milliseconds from now.
        back_ms: i64,
    },
    /// The answer did not begin in time.
    #[error("the service did not begin to answer in time")]
    FirstByteTimeout,
    /// The connection broke, or what came was not HTTP.
    #[error("the service broke off or did not speak HTTP: {0}")]
    Broken(#[source] hyper::Error),
    /// The service answered with something that cannot be passed on.
    #[error("the service answered with an unexpected {0}")]
    UnexpectedStatus(http::StatusCode),
    /// The body announced for the request is over the limit, in bytes.
    #[error("the body may have at most {0} bytes")]
    RequestTooLarge(usize),
    /// The client's body broke off, or was not what its head said.
    #[error("the request's body broke off: {0}")]
    RequestBroken(#[source] hyper::Error),
    /// The request could not be built. A defect on our side.
    #[error("the request could not be built: {0}")]
    Request(#[source] http::Error),
}

impl ProxyError {
    /// The error type for the `Proxy-Status` header; none where the service was not asked.
    #[must_use]
    pub fn proxy_status(&self) -> Option<&'static str> {
        Some(match self {
            Self::Dns(_) => "dns_error",
            Self::Connect(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                "connection_refused"
            }
            Self::Connect(_) | Self::NoneHealthy { .. } => "destination_unavailable",
            Self::ConnectTimeout => "connection_timeout",
            Self::Busy => "connection_limit_reached",
            Self::FirstByteTimeout => "http_response_timeout",
            Self::Broken(error) if error.is_parse() => "http_protocol_error",
            Self::Broken(_) => "connection_terminated",
            Self::UnexpectedStatus(_) => "http_protocol_error",
            Self::RequestTooLarge(_) | Self::RequestBroken(_) => return None,
            Self::Request(_) => "proxy_internal_error",
        })
    }

    /// After how many seconds it is worth trying again, where that is known.
    #[must_use]
    pub fn retry_after_secs(&self) -> Option<u32> {
        match self {
            Self::NoneHealthy { back_ms } => {
                Some(u32::try_from((back_ms + 999) / 1_000).unwrap_or(1).max(1))
            }
            _ => None,
        }
    }

    /// Whether the service is to blame, as far as can be known.
    #[must_use]
    pub const fn blames_service(&self) -> bool {
        match self {
            Self::Dns(_)
            | Self::Connect(_)
            | Self::ConnectTimeout
            | Self::FirstByteTimeout
            | Self::Broken(_)
            | Self::UnexpectedStatus(_) => true,
            Self::Busy
            | Self::NoneHealthy { .. }
            | Self::RequestTooLarge(_)
            | Self::RequestBroken(_)
            | Self::Request(_) => false,
        }
    }

    /// The same for PAGI's surfaces.
    #[must_use]
    pub fn to_pagi(&self) -> PagiError {
        let code = match self {
            Self::Dns(_) | Self::Connect(_) | Self::Broken(_) | Self::UnexpectedStatus(_) => {
                ErrorCode::UpstreamUnavailable
            }
            Self::ConnectTimeout | Self::FirstByteTimeout => ErrorCode::UpstreamTimeout,
            Self::Busy => ErrorCode::Overloaded,
            Self::NoneHealthy { .. } => ErrorCode::NoHealthyUpstream,
            Self::RequestTooLarge(_) => ErrorCode::PayloadTooLarge,
            Self::RequestBroken(_) => ErrorCode::InvalidParameter,
            Self::Request(_) => ErrorCode::Internal,
        };
        PagiError::new(code, self.to_string())
    }
}

/// Why a body broke off in the middle. The connection it was on is closed.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke.
    #[error("the body broke off: {0}")]
    Broken(#[from] hyper::Error),
    /// The whole request took too long.
    #[error("the body did not end in time")]
    Timeout,
    /// The body was larger than it may be.
    #[error("the body has more than {0} bytes")]
    TooLarge(usize),
}
