//! The log on a simulated disk: power cuts, failing operations, full disks and damage, each at
//! every place, against a model that is too simple to be wrong.
//!
//! `PAGI_SIM_SEEDS` sets how many seeds run (a few by default), `PAGI_SIM_CUTS` how many second
//! faults follow each first one; `PAGI_SIM_SEED` runs one seed alone, and `PAGI_SIM_TRACE` prints
//! every operation. A failure prints what to set.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why on stdout"
)]

mod batch;
mod campaign;
mod client;
mod damage;
mod disk;
mod errors;
mod full;
mod inode;
mod inspect;
mod model;
mod observed;
mod power;
mod repair;
mod rng;
mod runs;
mod stress;
mod threads;
mod world;
