//! The sockets a process listens on, bound before anything else is begun.
use std::net::{SocketAddr, TcpListener};

use super::error::AppError;
use crate::config::Config;

/// Bound sockets, for the parts that are configured.
#[derive(Debug)]
pub struct Listeners {
    /// For HTTP clients.
    pub http: Option<TcpListener>,
    /// For Kafka clients.
    pub kafka: Option<TcpListener>,
    /// For operators.
    pub admin: TcpListener,
}

impl Listeners {
    /// Binds what `config` asks for.
    ///
    /// # Errors
    /// [`AppError::Listen`], naming the address and the flag.
    pub fn bind(config: &Config) -> Result<Self, AppError> {
        let http = config.gateway.as_ref().map(|part| bind("--http-listen", part.listen));
        let kafka = config.broker.as_ref().map(|part| bind("--kafka-listen", part.listen));
        let admin = bind("--admin-listen", config.admin_listen)?;
        Ok(Self { http: http.transpose()?, kafka: kafka.transpose()?, admin })
    }
}

fn bind(flag: &'static str, address: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(address).map_err(|source| AppError::Listen { flag, address, source })
}
