//! `PagiError`: one error type for every PAGI surface, with a stable code.
//!
//! **Invariants.** A code's name never changes once released: clients match on it.
//! `retryable` says whether the same request may succeed later unchanged; an error whose
//! `outcome` is unknown may have taken effect, so a retry can duplicate.
//!
//! **References.** RFC 9457 (problem details), RFC 9110 section 15 (status codes).
use std::fmt;

/// A stable, machine-readable error code. `as_str` is the wire form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The body is not what its content type says (not JSON, wrong types, missing fields).
    InvalidEvent,
    /// The topic name breaks Kafka's rules.
    InvalidTopic,
    /// A path or query parameter is not acceptable.
    InvalidParameter,
    /// The body's media type is not supported.
    UnsupportedMediaType,
    /// The body, or one record, is over the limit.
    PayloadTooLarge,
    /// No such route.
    NotFound,
    /// The route exists, but not with this method.
    MethodNotAllowed,
    /// The client stopped sending before the request was complete.
    RequestTimeout,
    /// The topic does not exist, and may not be created.
    UnknownTopic,
    /// The broker refused the record, and a repeat will not help.
    Rejected,
    /// This client has done too much in a short time; nothing was written.
    RateLimited,
    /// Too much work is queued; nothing was written.
    Overloaded,
    /// The process is shutting down; nothing was written.
    ShuttingDown,
    /// No broker could be reached; nothing was written.
    BrokerUnavailable,
    /// The broker's disk is full or over its budget; nothing was written.
    StorageFull,
    /// The record was handed over, but no answer came: it may or may not be stored.
    DeliveryUnknown,
    /// An upstream service could not be reached, or answered nonsense.
    UpstreamUnavailable,
    /// No instance of an upstream service is well; it was not asked.
    NoHealthyUpstream,
    /// An upstream service did not answer in time.
    UpstreamTimeout,
    /// The configuration does not make sense.
    InvalidConfig,
    /// A defect on our side.
    Internal,
}

impl ErrorCode {
    /// The stable name, as in the `code` member of a problem document.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidEvent => "invalid_event",
            Self::InvalidTopic => "invalid_topic",
            Self::InvalidParameter => "invalid_parameter",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::PayloadTooLarge => "payload_too_large",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::UnknownTopic => "unknown_topic",
            Self::Rejected => "rejected",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::ShuttingDown => "shutting_down",
            Self::BrokerUnavailable => "broker_unavailable",
            Self::StorageFull => "storage_full",
            Self::DeliveryUnknown => "delivery_unknown",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::NoHealthyUpstream => "no_healthy_upstream",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::InvalidConfig => "invalid_config",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status code that carries this error.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidEvent | Self::InvalidTopic | Self::InvalidParameter => 400,
            Self::NotFound | Self::UnknownTopic => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Rejected => 422,
            Self::RateLimited => 429,
            Self::InvalidConfig | Self::Internal => 500,
            Self::UpstreamUnavailable => 502,
            Self::Overloaded
            | Self::ShuttingDown
            | Self::BrokerUnavailable
            | Self::NoHealthyUpstream => 503,
            Self::DeliveryUnknown | Self::UpstreamTimeout => 504,
            Self::StorageFull => 507,
        }
    }

    /// Whether the same request may succeed later without a change.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(
            self,
            Self::RequestTimeout
                | Self::RateLimited
                | Self::Overloaded
                | Self::ShuttingDown
                | Self::BrokerUnavailable
                | Self::StorageFull
                | Self::DeliveryUnknown
                | Self::UpstreamUnavailable
                | Self::NoHealthyUpstream
                | Self::UpstreamTimeout
        )
    }

    /// A short title that is the same for every occurrence (RFC 9457 `title`).
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::InvalidEvent => "The event is not valid",
            Self::InvalidTopic => "The topic name is not valid",
            Self::InvalidParameter => "A parameter is not valid",
            Self::UnsupportedMediaType => "The media type is not supported",
            Self::PayloadTooLarge => "The payload is too large",
            Self::NotFound => "There is nothing here",
            Self::MethodNotAllowed => "The method is not allowed here",
            Self::RequestTimeout => "The request took too long to arrive",
            Self::UnknownTopic => "The topic does not exist",
            Self::Rejected => "The broker refused the record",
            Self::RateLimited => "This client asks too much",
            Self::Overloaded => "Too much work is queued",
            Self::ShuttingDown => "The service is shutting down",
            Self::BrokerUnavailable => "No broker could be reached",
            Self::StorageFull => "The broker's storage is full",
            Self::DeliveryUnknown => "It is not known whether the event was stored",
            Self::UpstreamUnavailable => "The upstream service could not be reached",
            Self::NoHealthyUpstream => "No instance of the upstream service is well",
            Self::UpstreamTimeout => "The upstream service did not answer in time",
            Self::InvalidConfig => "The configuration is not valid",
            Self::Internal => "Something went wrong on our side",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong: a stable code, and a sentence for a person that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct PagiError {
    code: ErrorCode,
    detail: String,
}

impl PagiError {
    /// An error with this code, and a detail that says what happened and what to do.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The sentence for a person.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// See [`ErrorCode::http_status`].
    #[must_use]
    pub const fn http_status(&self) -> u16 {
        self.code.http_status()
    }

    /// See [`ErrorCode::retryable`].
    #[must_use]
    pub const fn retryable(&self) -> bool {
        self.code.retryable()
    }
}
