//! The HTTP front door: publish, proxy, admin, and the one place where errors become HTTP.
mod admin;
mod admission;
mod audit;
mod body;
mod coding;
mod config;
mod finishing;
mod lines;
mod lines_body;
mod metrics;
mod publication;
mod publish;
mod record;
mod respond;
mod response_body;
mod server;
mod service;
mod stored;
mod strict_stream;
mod submission;

pub use admin::{Admin, Readiness};
pub use config::Config;
pub use service::PagiAPIGateway;
