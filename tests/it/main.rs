//! The real binary, run as a user runs it.
//!
//! Three settings change what is tested, for `cargo xtask integration` and `cargo xtask dist`:
//! `PAGI_TEST_BINARY` names another binary, `PAGI_TEST_BROKERS` another broker than the embedded
//! one, and `PAGI_TEST_EVENTS` a file of events, one JSON object a line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says aloud what it skips"
)]
mod broker;
mod config;
mod consume;
mod data_folder;
mod dead_letters;
mod deleted_records;
mod disk_budget;
mod exec_handler;
mod golden;
mod golden_folder;
mod groups;
mod hostile;
mod log_commands;
mod main_job;
mod operate;
mod operate_groups;
mod proxy;
mod publish;
mod publish_batch;
mod publish_defaults;
mod publish_hostile;
mod publish_limits;
mod publish_lines;
mod repair;
mod settings;
mod sharing;
mod shutdown;
mod smuggling;
mod support;
mod topics;
mod tour;
mod upstreams;
mod walk_through;
mod webhook;
