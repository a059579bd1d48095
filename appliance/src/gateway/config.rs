//! The gateway's configuration.
use std::time::Duration;

use pagi_protocol::TopicName;

use crate::core::json_pointer::JsonPointer;
use crate::core::rate::Rate;
use crate::limits;

/// What the gateway may be told. See [`limits`] for the defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// Connections at once.
    pub connections_max: usize,
    /// How long a connection may be idle, or take to send a request's head.
    pub idle_timeout: Duration,
    /// How long a publish request's body may take to arrive.
    pub body_timeout: Duration,
    /// The largest body of a publish request, in bytes.
    pub body_bytes_max: usize,
    /// The bytes of all publish requests at once.
    pub in_flight_bytes_max: usize,
    /// Publish requests under way at once.
    pub publish_requests_max: usize,
    /// How much each client may publish; none is as much as it likes.
    pub client_rate: Option<Rate>,
    /// The topic of events that name none.
    pub default_topic: Option<TopicName>,
    /// Where in a JSON payload its key is, where nothing else names one.
    pub key_pointer: Option<JsonPointer>,
    /// Whether every published and proxied request is recorded in the topic `pagi.audit`.
    pub audit: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections_max: limits::HTTP_CONNECTIONS_MAX,
            idle_timeout: limits::HTTP_IDLE_TIMEOUT,
            body_timeout: limits::HTTP_BODY_TIMEOUT,
            body_bytes_max: limits::PUBLISH_BODY_BYTES_MAX,
            in_flight_bytes_max: limits::PUBLISH_IN_FLIGHT_BYTES_MAX,
            publish_requests_max: limits::PUBLISH_REQUESTS_MAX,
            client_rate: None,
            default_topic: None,
            key_pointer: None,
            audit: false,
        }
    }
}
