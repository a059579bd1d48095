//! What Kafka clients and a broker said to each other: as a file, as exchanges, and said again.
//!
//! For tests and tools; the appliance itself has no use for it.
pub mod recording;
pub mod stream;
