//! The embedded broker: the Kafka protocol on the durable log.
pub mod store;
