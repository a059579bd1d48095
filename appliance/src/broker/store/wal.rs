//! The write-ahead log: a ring of zero-filled files into which rounds are written and synced.
//!
//! **Invariants.** [`Wal::write`] returns Ok only for a round that is durable. After an error the
//! log must not be used again: the process ends, and recovery finds out what there is.
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::layout::{WAL, wal_file, wal_file_new};
use super::sizes::Sizes;
use super::storage::{File, Storage};
use crate::core::log::checkpoint::{WalFileSize, WalPosition};
use crate::core::log::ids::Sequence;
use crate::core::log::round::BLOCK_BYTES;
use crate::limits::{DISK_RESERVE_BYTES, WAL_FILE_DISK_SHARE, WAL_FILES_MAX};

const ZERO_CHUNK_BYTES: usize = 1 << 20;

/// One file of the ring.
#[derive(Debug, Clone)]
pub struct WalFile {
    /// Its number, and its name.
    pub number: u32,
    /// Its size in bytes; it never grows.
    pub bytes: u64,
    /// The open file.
    pub file: Arc<dyn File>,
}

/// The files of the ring: those that are not written to are free, or full and waiting for a
/// checkpoint.
#[derive(Debug)]
pub struct Ring {
    resting: Mutex<Resting>,
    made: Mutex<Vec<WalFileSize>>,
    smallest_file_bytes: u64,
    sizes: Sizes,
}

#[derive(Debug, Default)]
struct Resting {
    free: Vec<WalFile>,
    full: Vec<(WalFile, Sequence)>,
}

impl WalFile {
    const fn size(&self) -> WalFileSize {
        WalFileSize { number: self.number, bytes: self.bytes }
    }
}

impl Ring {
    /// A ring of these files, which are still to be added.
    #[must_use]
    pub fn new(files: &[WalFile], sizes: Sizes) -> Self {
        let smallest_file_bytes = files.iter().map(|file| file.bytes).min().unwrap_or_default();
        let made = Mutex::new(files.iter().map(WalFile::size).collect());
        Self { resting: Mutex::default(), made, smallest_file_bytes, sizes }
    }

    /// All files, for a checkpoint.
    #[must_use]
    pub fn files(&self) -> Vec<WalFileSize> {
        self.made.lock().clone()
    }

    /// Adds an unused file.
    pub fn add_free(&self, file: WalFile) {
        self.resting.lock().free.push(file);
    }

    /// Adds a file whose last round is `last`.
    pub fn add_full(&self, file: WalFile, last: Sequence) {
        self.resting.lock().full.push((file, last));
    }

    /// After a checkpoint of `sequence`: files that hold nothing newer are free.
    pub fn recycle(&self, sequence: Sequence) {
        let mut resting = self.resting.lock();
        let (free, full) =
            std::mem::take(&mut resting.full).into_iter().partition(|(_, last)| *last <= sequence);
        resting.full = full;
        let free: Vec<(WalFile, Sequence)> = free;
        resting.free.extend(free.into_iter().map(|(file, _)| file));
    }

    /// The number for another file, when the ring has no free one and may grow.
    fn wants_file(&self) -> Option<u32> {
        let made = self.made.lock();
        let newest = made.iter().map(|file| file.number).max().unwrap_or_default();
        (!self.has_free() && made.len() < WAL_FILES_MAX).then(|| newest.saturating_add(1))
    }

    /// Makes another file when the ring wants one, none smaller than the smallest. Whether it did.
    ///
    /// # Errors
    /// As the file system gives them.
    pub fn extend(&self, storage: &dyn Storage) -> io::Result<bool> {
        let Some(number) = self.wants_file() else { return Ok(false) };
        let min = self.smallest_file_bytes;
        let file = make_file(storage, number, min, self.sizes.wal_file_bytes_max.max(min))?;
        self.made.lock().push(file.size());
        self.add_free(file);
        Ok(true)
    }

    fn has_free(&self) -> bool {
        !self.resting.lock().free.is_empty()
    }

    fn take_free(&self) -> Option<WalFile> {
        self.resting.lock().free.pop()
    }
}

/// The writing end.
#[derive(Debug)]
pub struct Wal {
    ring: Arc<Ring>,
    current: WalFile,
    offset: u64,
    last: Sequence,
}

impl Wal {
    /// Goes on in `current` at `offset`, behind the round `last`.
    #[must_use]
    pub const fn new(ring: Arc<Ring>, current: WalFile, offset: u64, last: Sequence) -> Self {
        Self { ring, current, offset, last }
    }

    /// The last durable round.
    #[must_use]
    pub const fn last(&self) -> Sequence {
        self.last
    }

    /// Where the next round goes, if it fits there.
    #[must_use]
    pub const fn position(&self) -> WalPosition {
        WalPosition { file: self.current.number, offset: self.offset }
    }

    /// Whether any round can be written now, without waiting for a checkpoint or a new file.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let left = self.current.bytes.saturating_sub(self.offset);
        left >= self.round_bytes_max() as u64 || self.ring.has_free()
    }

    /// The largest round that fits into every file, in bytes.
    #[must_use]
    pub fn round_bytes_max(&self) -> usize {
        let max = self.ring.sizes.round_bytes_max;
        usize::try_from(self.ring.smallest_file_bytes).map_or(max, |bytes| bytes.min(max))
    }

    /// Writes the next round and makes it durable.
    ///
    /// # Errors
    /// As the file system gives them; [`io::ErrorKind::StorageFull`] when there is no room, which
    /// a caller that asked [`Wal::has_room`] does not meet.
    pub fn write(&mut self, round: &Bytes) -> io::Result<()> {
        let span = round.len() as u64;
        if self.offset + span > self.current.bytes {
            let fresh = self.ring.take_free().ok_or(io::ErrorKind::StorageFull)?;
            let full = std::mem::replace(&mut self.current, fresh);
            self.ring.add_full(full, self.last);
            self.offset = 0;
        }
        self.current.file.write(self.offset, std::slice::from_ref(round))?;
        self.current.file.sync()?;
        self.offset += span;
        self.last = self.last.next();
        Ok(())
    }
}

/// Makes the ring's first file: small, so that the first start is quick.
///
/// # Errors
/// As the file system gives them.
pub fn make_first_file(storage: &dyn Storage, sizes: &Sizes) -> io::Result<WalFile> {
    make_file(storage, 0, sizes.wal_file_bytes_min, sizes.wal_first_file_bytes)
}

/// Makes a file that leaves the disk its reserve.
fn make_file(storage: &dyn Storage, number: u32, min: u64, max: u64) -> io::Result<WalFile> {
    let free = storage.space()?.free_bytes;
    let bytes = (free / WAL_FILE_DISK_SHARE).clamp(min, max).next_multiple_of(BLOCK_BYTES as u64);
    if free < bytes + DISK_RESERVE_BYTES {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let made = fill_file(storage, number, bytes);
    if made.is_err() {
        // What was written of it would keep the disk full.
        let _ = storage.remove(&wal_file_new(number));
    }
    made
}

/// The file is zero-filled, synced, and only then under its name.
fn fill_file(storage: &dyn Storage, number: u32, bytes: u64) -> io::Result<WalFile> {
    let temporary = wal_file_new(number);
    let file = zero_filled(storage, &temporary, bytes)?;
    storage.rename(&temporary, &wal_file(number))?;
    storage.sync_dir(WAL)?;
    Ok(WalFile { number, bytes, file })
}

/// Makes a file of so many zeros at `path`, and makes it durable, but not its name.
///
/// # Errors
/// As the file system gives them.
pub fn zero_filled(storage: &dyn Storage, path: &str, bytes: u64) -> io::Result<Arc<dyn File>> {
    let file = storage.create(path)?;
    let zeros = Bytes::from(vec![0; ZERO_CHUNK_BYTES]);
    for offset in (0..bytes).step_by(zeros.len()) {
        let left = usize::try_from(bytes - offset).unwrap_or(usize::MAX);
        file.write(offset, &[zeros.slice(..left.min(zeros.len()))])?;
        // Each by itself: rounds are synced meanwhile, and would wait behind all of it.
        file.sync()?;
    }
    Ok(file)
}
