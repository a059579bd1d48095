//! The embedded broker: the Kafka protocol on the durable log.
//!
//! A connection reads frames ([`connection`]), each is handed to its API ([`dispatch`], [`api`]),
//! and the log answers when what was asked is durable ([`store`]).
pub mod api;
pub mod config;
pub mod connection;
pub mod context;
pub mod disk;
pub mod dispatch;
pub mod embedded;
pub mod epoch;
pub mod group;
pub mod inspect;
pub mod metrics;
pub mod peer;
pub mod repair;
pub mod resource;
pub mod retention;
pub mod store;

pub use config::{Config, ConfigError};
pub use embedded::{PagiEmbeddedBroker, StartError};
