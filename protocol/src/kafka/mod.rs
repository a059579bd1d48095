//! The bounded Kafka codec.
pub mod record_batch;
