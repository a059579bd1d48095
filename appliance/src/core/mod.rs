//! Pure decisions: no I/O, no clock, no randomness; `now` and seeds are arguments.
pub mod assign;
pub mod balance;
pub mod batcher;
pub mod commit;
pub mod disk_space;
pub mod framing;
pub mod group;
pub mod headers;
pub mod json_depth;
pub mod json_pointer;
pub mod lanes;
pub mod log;
pub mod query;
pub mod retry;
pub mod route;
pub mod units;
