//! What the tests stand on: the running binary, an HTTP client, events and other clients.
pub(crate) mod appliance;
pub(crate) mod arrived;
pub(crate) mod consumer;
pub(crate) mod delivered;
pub(crate) mod events;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod kafka;
pub(crate) mod kcat;
pub(crate) mod partition;
pub(crate) mod process;
pub(crate) mod publish;
pub(crate) mod readme;
pub(crate) mod skip;
pub(crate) mod upstream;
pub(crate) mod wait;
pub(crate) mod webhook;
