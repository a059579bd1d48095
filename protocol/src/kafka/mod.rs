//! The bounded Kafka codec: bytes from outside never panic, and never make it allocate more than
//! they are worth.
pub mod api;
pub mod batch_builder;
pub mod compression;
pub mod consumer_protocol;
pub mod cursor;
pub mod encoder;
pub mod error_code;
pub mod exchange;
pub mod frame;
pub mod messages;
#[cfg(test)]
mod oracle;
pub mod partitioner;
pub mod record;
pub mod record_batch;
#[cfg(test)]
mod sample;
pub mod vacant;
pub mod value;
pub mod walk;
pub mod wire;
