//! PAGI's spine: an HTTP gateway, an event router and an embedded durable Kafka broker.
pub mod app;
pub mod broker;
pub mod cli;
pub mod config;
pub mod core;
pub mod gateway;
pub mod limits;
pub mod operate;
pub mod proxy;
pub mod router;
pub mod shutdown;
pub mod telemetry;
