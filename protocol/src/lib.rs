//! What PAGI says on a wire: events, errors, topic names and the bounded Kafka codec.
//!
//! No I/O and no async runtime: every function takes bytes or values and gives bytes or values.
pub mod cloudevents;
pub mod error;
pub mod event;
pub mod http;
pub mod kafka;
pub mod topic;

pub use error::{ErrorCode, PagiError};
pub use event::PagiBaseEvent;
pub use topic::TopicName;
