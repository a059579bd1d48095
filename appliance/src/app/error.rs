//! Why a process could not start, or did not stop as it should.
use std::net::SocketAddr;

use pagi_protocol::PagiError;

use crate::{broker, operate};

/// What ends a process early. The messages are for the person who started it.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A listener's address cannot be used.
    #[error("cannot listen on {address}: {source}. {}", advice(flag, source))]
    Listen {
        /// The flag that sets the address.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The embedded broker cannot start: its data folder cannot be used, say.
    #[error(transparent)]
    Broker(#[from] broker::StartError),
    /// The embedded broker cannot go on; what it has acknowledged is safe.
    #[error("the embedded broker failed: {0}")]
    BrokerFailed(String),
    /// A part that should run until the end did not.
    #[error("{0} ended: {1}")]
    PartEnded(&'static str, PagiError),
    /// A command of the router did not do what was asked.
    #[error(transparent)]
    Router(PagiError),
    /// A command that operates a broker did not do what was asked.
    #[error(transparent)]
    Operate(#[from] operate::OperateError),
    /// A data folder that was looked into is damaged, or cannot be looked into.
    #[error(transparent)]
    Log(#[from] broker::inspect::error::LogError),
    /// The process could not be prepared: no runtime, no signals.
    #[error("the process could not be prepared: {0}")]
    Process(#[source] std::io::Error),
    /// Asked to stop, but the drain deadline came before the work was done.
    #[error("stopped before everything accepted was finished: --drain-timeout was too short")]
    DrainIncomplete,
}

impl AppError {
    /// The process's exit code, as `--help` lists them.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::BrokerFailed(_) | Self::PartEnded(..) | Self::Router(_) => 1,
            Self::Operate(error) => error.exit_code(),
            Self::Log(error) if error.is_damage() => 1,
            Self::Listen { .. } | Self::Broker(_) | Self::Log(_) | Self::Process(_) => 3,
            Self::DrainIncomplete => 4,
        }
    }
}

fn advice(flag: &str, error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => format!(
            "Another process has that port: stop it, or choose another one with {flag} (port 0 \
             takes any that is free)"
        ),
        std::io::ErrorKind::PermissionDenied => {
            format!("Choose a port of 1024 or more with {flag}")
        }
        _ => format!("Choose another address with {flag}"),
    }
}
