//! What the log asks of a file system: small enough to simulate, and to fail on purpose.
//!
//! Paths are relative to the data folder, with `/` between names.
//!
//! **Invariants.** Written bytes are durable only after [`File::sync`]. A file's name is durable
//! only after [`Storage::sync_dir`] of its folder, also when it was renamed or removed.
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

/// An open file, for reading and writing at any place.
pub trait File: Debug + Send + Sync {
    /// Up to `bytes` bytes from `offset`; fewer only at the end of the file.
    ///
    /// # Errors
    /// As the file system gives them; interruptions are retried.
    fn read(&self, offset: u64, bytes: usize) -> io::Result<Bytes>;

    /// Writes all of `chunks`, one behind the other, from `offset`.
    ///
    /// # Errors
    /// As the file system gives them; a part may be written.
    fn write(&self, offset: u64, chunks: &[Bytes]) -> io::Result<()>;

    /// Makes what was written durable (`fdatasync`). After an error the file must not be trusted
    /// or synced again: the kernel may have dropped what it could not write.
    ///
    /// # Errors
    /// As the file system gives them.
    fn sync(&self) -> io::Result<()>;

    /// The file's length in bytes.
    ///
    /// # Errors
    /// As the file system gives them.
    fn size(&self) -> io::Result<u64>;

    /// Cuts the file, or fills it up with zeros.
    ///
    /// # Errors
    /// As the file system gives them.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
}

/// The room on a disk, or of a folder that may take only so much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that may still be written.
    pub free_bytes: u64,
    /// Bytes in all, free or not.
    pub total_bytes: u64,
}

/// A folder and what is in it.
pub trait Storage: Debug + Send + Sync {
    /// Opens a file that exists.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`], or as the file system gives them.
    fn open(&self, path: &str) -> io::Result<Arc<dyn File>>;

    /// Opens a file, making it when it is not there.
    ///
    /// # Errors
    /// As the file system gives them.
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>>;

    /// Makes a folder; one that exists is as good.
    ///
    /// # Errors
    /// As the file system gives them.
    fn create_dir(&self, path: &str) -> io::Result<()>;

    /// Gives a file another name in the same folder, in place of what had it.
    ///
    /// # Errors
    /// As the file system gives them.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; one that is not there is as good.
    ///
    /// # Errors
    /// As the file system gives them.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Removes a folder and all files in it; one that is not there is as good.
    ///
    /// # Errors
    /// As the file system gives them.
    fn remove_dir(&self, path: &str) -> io::Result<()>;

    /// The names in a folder, sorted; none when there is no such folder.
    ///
    /// # Errors
    /// As the file system gives them.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// As the file system gives them.
    fn sync_dir(&self, path: &str) -> io::Result<()>;

    /// Makes what was written to all of `files` durable, as [`File::sync`] does for each.
    ///
    /// # Errors
    /// As for [`File::sync`].
    fn sync_all(&self, files: &[Arc<dyn File>]) -> io::Result<()> {
        files.iter().try_for_each(|file| file.sync())
    }

    /// How much room there is.
    ///
    /// # Errors
    /// As the file system gives them.
    fn space(&self) -> io::Result<Space>;
}

/// Whether there was no room for what was written: it may be tried again when there is.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
