//! Pure decisions: no I/O, no clock, no randomness; `now` and seeds are arguments.
pub mod batcher;
pub mod log;
pub mod retry;
