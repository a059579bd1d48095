//! The group coordinator: what groups decide, with requests that wait, a clock and the log.
pub mod coordinator;
pub mod expiry;
mod gauges;
mod slot;
mod timers;
