//! A data folder that cannot be changed.
use std::io;
use std::sync::Arc;

use super::super::store::fs::Folder;
use super::super::store::storage::{File, Space, Storage};

/// See the module.
#[derive(Debug)]
pub struct ReadOnly(pub Folder);

const REFUSED: io::ErrorKind = io::ErrorKind::ReadOnlyFilesystem;

impl Storage for ReadOnly {
    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.0.open_to_read(path)
    }

    fn create(&self, _: &str) -> io::Result<Arc<dyn File>> {
        Err(REFUSED.into())
    }

    fn create_dir(&self, _: &str) -> io::Result<()> {
        Err(REFUSED.into())
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(REFUSED.into())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Err(REFUSED.into())
    }

    fn remove_dir(&self, _: &str) -> io::Result<()> {
        Err(REFUSED.into())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.0.list(path)
    }

    /// What is read here need not be durable.
    fn sync_dir(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn space(&self) -> io::Result<Space> {
        self.0.space()
    }
}
