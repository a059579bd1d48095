//! The bounded Kafka codec.
pub mod partitioner;
pub mod record_batch;
