//! The commands that operate a Kafka broker, embedded or not: `pagi-appliance topics …`
//! and `groups …`.
//!
//! **Invariants.** Nothing is created by looking at it, except that Kafka makes its own topic for
//! offsets when it is first asked about a group. A command that says that it did something
//! was told so by the broker.
mod admin;
mod error;
mod group_args;
mod group_changes;
mod group_state;
mod group_views;
mod groups;
mod settings;
mod table;
mod topic_args;
mod topic_changes;
mod topic_views;
mod topics;

pub use error::OperateError;
pub use groups::GroupsCommand;
pub use table::Format;
pub use topics::TopicsCommand;
