//! Why a command of `pagi-appliance log …` did not end well.
use std::io;

use super::super::store::layout::LOCK;
use super::super::store::open::OpenError;

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A process runs on the folder.
    #[error(
        "{0} is in use: another process holds the file {LOCK} in it. Stop that process, or look \
         into a copy of the folder"
    )]
    InUse(String),
    /// The folder or a file in it cannot be read.
    #[error("{path} cannot be read: {error}")]
    Folder {
        /// The folder.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// It is no data folder.
    #[error("{0} is not a data folder of pagi-appliance: it has no file 'checkpoint'")]
    NotOurs(String),
    /// It cannot be looked into.
    #[error("{path}: {error}")]
    Open {
        /// The folder.
        path: String,
        /// Why not.
        error: OpenError,
    },
    /// Something is damaged: what, was printed.
    #[error("{path} is damaged in {places} place(s)")]
    Damaged {
        /// The folder.
        path: String,
        /// How many places.
        places: usize,
    },
    /// It is damaged, and nobody accepted the loss.
    #[error(
        "{0} is damaged, and nothing was changed. Restore it from a copy; or repair it with \
         --accept-loss, which loses what is named above for good"
    )]
    NotAccepted(String),
    /// It could not be repaired.
    #[error("{path} was not repaired: {error}")]
    Repair {
        /// The folder.
        path: String,
        /// Why not.
        error: String,
    },
    /// The output could not be written.
    #[error("the output could not be written: {0}")]
    Output(io::Error),
}

impl LogError {
    /// Whether the folder could be read, and is damaged or was not repaired.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::NotAccepted(_) | Self::Repair { .. })
    }
}
