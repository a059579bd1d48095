//! Getting past damage to acknowledged data, at the price of what is damaged:
//! `pagi-appliance log repair --accept-loss`.
//!
//! **Invariants.** Nothing is dropped that can be read. What is lost is written down before
//! anything is changed. Offsets stay what they were: where records are gone there is a vacant
//! batch, so that nobody gets their offsets again and everything behind them stays in its place.
//! No file is overwritten: the damaged ones get another name. Whenever the process or the power
//! goes, the folder is as it was, or the next call goes on.
pub mod command;
pub mod loss;
pub mod mend;
pub mod plan;
pub mod rounds;
pub mod segments;
pub mod swap;
pub mod wal_writer;
