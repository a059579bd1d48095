//! A folder that may take only so much of its disk.
//!
//! **Invariants.** What is counted is the length of each file, from the start and through every
//! change: a file is written through one handle at a time, as the log does. A disk that has less
//! than the budget leaves is told as it is.
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::layout::{TOPICS, WAL};
use super::storage::{File, Space, Storage};

/// See the module.
#[derive(Debug)]
pub struct Budgeted {
    storage: Arc<dyn Storage>,
    budget_bytes: u64,
    used_bytes: Arc<AtomicU64>,
}

impl Budgeted {
    /// Counts what there is.
    ///
    /// # Errors
    /// As the file system gives them.
    pub fn new(storage: Arc<dyn Storage>, budget_bytes: u64) -> io::Result<Self> {
        let mut used_bytes = bytes_in(&*storage, "")? + bytes_in(&*storage, WAL)?;
        for topic in storage.list(TOPICS)? {
            used_bytes += bytes_in(&*storage, &format!("{TOPICS}/{topic}"))?;
        }
        let used_bytes = Arc::new(AtomicU64::new(used_bytes));
        Ok(Self { storage, budget_bytes, used_bytes })
    }

    fn counted(&self, file: Arc<dyn File>) -> io::Result<Arc<dyn File>> {
        let bytes = AtomicU64::new(file.size()?);
        Ok(Arc::new(Counted { file, bytes, used_bytes: Arc::clone(&self.used_bytes) }))
    }

    fn give_back(&self, bytes: u64) {
        self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The files of a folder, without those of folders in it.
fn bytes_in(storage: &dyn Storage, dir: &str) -> io::Result<u64> {
    let mut bytes = 0;
    for name in storage.list(dir)? {
        let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
        bytes += bytes_of(storage, &path)?;
    }
    Ok(bytes)
}

/// The length of a file; nothing where there is none.
fn bytes_of(storage: &dyn Storage, path: &str) -> io::Result<u64> {
    match storage.open(path) {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) =>
        {
            Ok(0)
        }
        file => file?.size(),
    }
}

impl Storage for Budgeted {
    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.counted(self.storage.open(path)?)
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.counted(self.storage.create(path)?)
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.storage.create_dir(path)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let replaced = bytes_of(&*self.storage, to)?;
        self.storage.rename(from, to)?;
        self.give_back(replaced);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let bytes = bytes_of(&*self.storage, path)?;
        self.storage.remove(path)?;
        self.give_back(bytes);
        Ok(())
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        let bytes = bytes_in(&*self.storage, path)?;
        self.storage.remove_dir(path)?;
        self.give_back(bytes);
        Ok(())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.storage.list(path)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.storage.sync_dir(path)
    }

    fn sync_all(&self, files: &[Arc<dyn File>]) -> io::Result<()> {
        self.storage.sync_all(files)
    }

    fn space(&self) -> io::Result<Space> {
        let disk = self.storage.space()?;
        let left = self.budget_bytes.saturating_sub(self.used_bytes.load(Ordering::Relaxed));
        Ok(Space {
            free_bytes: disk.free_bytes.min(left),
            total_bytes: disk.total_bytes.min(self.budget_bytes),
        })
    }
}

/// A file whose growth is counted.
#[derive(Debug)]
struct Counted {
    file: Arc<dyn File>,
    bytes: AtomicU64,
    used_bytes: Arc<AtomicU64>,
}

impl Counted {
    fn has_grown_to(&self, bytes: u64) {
        let before = self.bytes.fetch_max(bytes, Ordering::Relaxed);
        self.used_bytes.fetch_add(bytes.saturating_sub(before), Ordering::Relaxed);
    }
}

impl File for Counted {
    fn read(&self, offset: u64, bytes: usize) -> io::Result<Bytes> {
        self.file.read(offset, bytes)
    }

    fn write(&self, offset: u64, chunks: &[Bytes]) -> io::Result<()> {
        let written = self.file.write(offset, chunks);
        match written {
            Ok(()) => {
                let bytes: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();
                self.has_grown_to(offset + bytes);
            }
            Err(_) => self.has_grown_to(self.file.size()?),
        }
        written
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)?;
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        self.used_bytes.fetch_add(bytes.saturating_sub(before), Ordering::Relaxed);
        self.used_bytes.fetch_sub(before.saturating_sub(bytes), Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fs::Folder;
    use super::*;

    const BUDGET_BYTES: u64 = 1 << 20;

    fn budgeted(folder: &std::path::Path) -> Budgeted {
        Budgeted::new(Arc::new(Folder::new(folder).unwrap()), BUDGET_BYTES).unwrap()
    }

    /// What it counts, which must be what a new one counts that looks at the files.
    fn used(storage: &Budgeted, folder: &std::path::Path) -> u64 {
        let space = storage.space().unwrap();
        assert_eq!(space, budgeted(folder).space().unwrap());
        assert_eq!(space.total_bytes, BUDGET_BYTES);
        BUDGET_BYTES - space.free_bytes
    }

    #[test]
    fn files_are_counted_however_they_change() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        let storage = budgeted(folder);
        for dir in [WAL, TOPICS, "topics/a.1"] {
            storage.create_dir(dir).unwrap();
        }
        let log = storage.create("topics/a.1/0.log").unwrap();
        log.write(0, &[vec![1; 1000].into(), vec![2; 500].into()]).unwrap();
        log.write(100, &[vec![3; 1000].into()]).unwrap();
        assert_eq!(used(&storage, folder), 1500, "what is written over is counted once");
        log.write(1400, &[vec![3; 200].into()]).unwrap();
        let again = storage.open("topics/a.1/0.log").unwrap();
        again.write(1600, &[vec![3; 400].into()]).unwrap();
        assert_eq!(used(&storage, folder), 2000);
        storage.create("wal/0.tmp").unwrap().set_len(4096).unwrap();
        storage.rename("wal/0.tmp", "wal/0.wal").unwrap();
        storage.create("checkpoint").unwrap().write(0, &[vec![0; 300].into()]).unwrap();
        storage.create("new").unwrap().write(0, &[vec![0; 200].into()]).unwrap();
        storage.rename("new", "checkpoint").unwrap();
        assert_eq!(used(&storage, folder), 2000 + 4096 + 200, "a file in place of another");
        storage.remove("checkpoint").unwrap();
        storage.remove("checkpoint").unwrap();
        storage.open("wal/0.wal").unwrap().set_len(96).unwrap();
        assert_eq!(used(&storage, folder), 2000 + 96);
        storage.remove_dir("topics/a.1").unwrap();
        storage.remove_dir("topics/a.1").unwrap();
        assert_eq!(used(&storage, folder), 96);
    }

    #[test]
    fn more_than_the_budget_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let storage = budgeted(dir.path());
        let file = storage.create("checkpoint").unwrap();
        file.set_len(2 * BUDGET_BYTES).unwrap();
        assert_eq!(storage.space().unwrap().free_bytes, 0);
    }
}
