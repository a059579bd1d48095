//! The folder that a command of `pagi-appliance log …` looks into.
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::super::store::fs::{Folder, Lock, lock_shared};
use super::super::store::storage::Storage;
use super::error::LogError;
use super::picture::Picture;
use super::read_only::ReadOnly;

/// A folder that nobody else changes meanwhile.
#[derive(Debug)]
pub struct Target {
    path: String,
    storage: Arc<dyn Storage>,
    #[expect(dead_code, reason = "held, never read")]
    lock: Option<Lock>,
}

impl Target {
    /// Opens it, and keeps processes that would change it out of it.
    ///
    /// # Errors
    /// [`LogError::InUse`] or [`LogError::Folder`].
    pub fn open(folder: &Path) -> Result<Self, LogError> {
        let path = folder.display().to_string();
        let failed = |error| LogError::Folder { path: path.clone(), error };
        let opened = Folder::new(folder).map_err(failed)?;
        let lock = lock_shared(folder).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => LogError::InUse(path.clone()),
            _ => failed(error),
        })?;
        let storage: Arc<dyn Storage> = Arc::new(ReadOnly(opened));
        Ok(Self { path, storage, lock })
    }

    /// Its files, which cannot be changed.
    #[must_use]
    pub const fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// What it holds.
    ///
    /// # Errors
    /// [`LogError::NotOurs`] or [`LogError::Open`].
    pub fn picture(&self) -> Result<Picture, LogError> {
        let path = self.path.clone();
        match Picture::of(&self.storage) {
            Ok(Some(picture)) => Ok(picture),
            Ok(None) => Err(LogError::NotOurs(path)),
            Err(error) => Err(LogError::Open { path, error }),
        }
    }

    /// What a command that found so many damaged places ends with.
    ///
    /// # Errors
    /// [`LogError::Damaged`].
    pub fn damaged(&self, places: usize) -> Result<(), LogError> {
        match places {
            0 => Ok(()),
            places => Err(LogError::Damaged { path: self.path.clone(), places }),
        }
    }

    /// What a command ends with when the file system fails.
    #[must_use]
    pub fn failed(&self, error: io::Error) -> LogError {
        LogError::Folder { path: self.path.clone(), error }
    }
}
