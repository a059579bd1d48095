//! How large the log's files are: as `limits` says, or smaller, so that a test meets every edge.
use crate::limits::{
    CHECKPOINT_WAL_BYTES, ROUND_BYTES_MAX, SEGMENT_BYTES, UNFLUSHED_BYTES_MAX,
    UNFLUSHED_BYTES_SOFT, UNSYNCED_BYTES, UNSYNCED_FILES_MAX, WAL_FILE_BYTES_MAX,
    WAL_FILE_BYTES_MIN, WAL_FIRST_FILE_BYTES,
};

/// Sizes in bytes, and one count; each is described where its default is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// See [`ROUND_BYTES_MAX`]; a multiple of a block.
    pub round_bytes_max: usize,
    /// See [`WAL_FIRST_FILE_BYTES`].
    pub wal_first_file_bytes: u64,
    /// See [`WAL_FILE_BYTES_MAX`].
    pub wal_file_bytes_max: u64,
    /// See [`WAL_FILE_BYTES_MIN`].
    pub wal_file_bytes_min: u64,
    /// See [`SEGMENT_BYTES`].
    pub segment_bytes: u64,
    /// See [`UNFLUSHED_BYTES_SOFT`].
    pub unflushed_bytes_soft: usize,
    /// See [`UNFLUSHED_BYTES_MAX`].
    pub unflushed_bytes_max: usize,
    /// See [`CHECKPOINT_WAL_BYTES`].
    pub checkpoint_wal_bytes: u64,
    /// See [`UNSYNCED_BYTES`].
    pub unsynced_bytes_max: u64,
    /// See [`UNSYNCED_FILES_MAX`].
    pub unsynced_files_max: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            round_bytes_max: ROUND_BYTES_MAX,
            wal_first_file_bytes: WAL_FIRST_FILE_BYTES,
            wal_file_bytes_max: WAL_FILE_BYTES_MAX,
            wal_file_bytes_min: WAL_FILE_BYTES_MIN,
            segment_bytes: SEGMENT_BYTES,
            unflushed_bytes_soft: UNFLUSHED_BYTES_SOFT,
            unflushed_bytes_max: UNFLUSHED_BYTES_MAX,
            checkpoint_wal_bytes: CHECKPOINT_WAL_BYTES,
            unsynced_bytes_max: UNSYNCED_BYTES,
            unsynced_files_max: UNSYNCED_FILES_MAX,
        }
    }
}
