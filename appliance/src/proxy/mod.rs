//! Forwarding requests to upstream services.
//!
//! Own connections over `hyper::client::conn::http1`, since that costs less than a general client
//! and shows where each request was when something broke.
mod config;
mod error;
mod forward;
mod health;
mod metrics;
mod pool;
mod request_body;
mod upstream_body;
mod upstreams;

pub use config::{Config, IDENTITY_URL, UpstreamUrl};
pub use error::{BodyError, ProxyError};
pub use forward::Proxy;
pub use upstream_body::UpstreamBody;
