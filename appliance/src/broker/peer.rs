//! Who is on the other side of a connection.
use std::net::SocketAddr;

use super::config::Endpoint;

/// A connected client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it is told to find this broker.
    pub endpoint: Endpoint,
    /// Its address, as Kafka writes it in the descriptions of groups: `/127.0.0.1`.
    pub host: String,
}

impl Peer {
    /// The client at `address`.
    #[must_use]
    pub fn new(endpoint: Endpoint, address: SocketAddr) -> Self {
        Self { endpoint, host: format!("/{}", address.ip().to_canonical()) }
    }
}
