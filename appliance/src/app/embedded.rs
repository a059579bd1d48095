//! The seam to the embedded broker, which refuses to start until the log can carry it.
use std::net::{SocketAddr, TcpListener};

use prometheus_client::registry::Registry;

use crate::config::BrokerConfig;

/// Why the embedded broker did not start.
#[derive(Debug, thiserror::Error)]
#[error("the embedded broker is not in this build: name brokers with --brokers host:port")]
pub struct StartError;

/// The embedded broker.
#[derive(Debug)]
pub(super) struct PagiEmbeddedBroker {
    address: SocketAddr,
}

impl PagiEmbeddedBroker {
    pub(super) fn start(
        config: BrokerConfig,
        listener: TcpListener,
        _: &mut Registry,
    ) -> Result<Self, StartError> {
        drop((config, listener));
        Err(StartError)
    }

    pub(super) const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    pub(super) async fn failed(&self) -> String {
        std::future::pending().await
    }

    pub(super) async fn shutdown(self) {}
}
