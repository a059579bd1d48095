//! What Kafka clients and a broker said to each other: as a file, as exchanges, and said again.
//!
//! For tests and tools; the appliance itself has no use for it.
pub mod carried;
pub mod conversation;
pub mod fields;
pub mod recording;
pub mod replay;
pub mod stream;
pub mod understood;
