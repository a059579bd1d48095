//! Looking into a data folder without running it: `pagi-appliance log …`.
//!
//! **Invariants.** Not a byte of the folder is changed: everything here goes through
//! [`read_only::ReadOnly`], which refuses to. A folder that a process uses is left alone.
pub mod commands;
pub mod dump;
pub mod error;
pub mod finding;
pub mod line;
pub mod picture;
pub mod read_only;
pub mod segment;
pub mod target;
pub mod verify;
pub mod walk;
