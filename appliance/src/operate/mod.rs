//! The commands that operate a Kafka broker, embedded or not: `pagi-appliance topics …`.
//!
//! **Invariants.** Nothing is created by looking at it. A command that says that it did something
//! was told so by the broker.
mod admin;
mod error;
mod settings;
mod table;
mod topic_args;
mod topic_changes;
mod topic_views;
mod topics;

pub use error::OperateError;
pub use table::Format;
pub use topics::TopicsCommand;
