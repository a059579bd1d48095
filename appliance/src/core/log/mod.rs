//! The log: what is written, in which order, and how it is found again.
pub mod batch_run;
pub mod bytes_codec;
pub mod checkpoint;
pub mod entry;
pub mod group_metadata;
pub mod ids;
pub mod index;
pub mod partition;
pub mod producers;
pub mod retention;
pub mod round;
pub mod settings;
pub mod state;
