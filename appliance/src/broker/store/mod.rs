//! The store: the only place that writes and syncs files.
pub mod files;
pub mod fs;
pub mod layout;
pub mod maintenance;
pub mod storage;
pub mod view;
pub mod wal;
pub mod writer;
