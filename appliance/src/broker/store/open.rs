//! Opening a data folder: making a new one, or bringing back what was there.
//!
//! **Invariants.** Nothing is changed before it is clear that the folder can be opened. What
//! readers see afterwards is durable: the last round, which may have been written but not
//! synced, is written again and synced. So are the names of the checkpoint and of the files of
//! the write-ahead log: a process that was killed may have left them to the page cache alone.
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::files::ReadFiles;
use super::groups::Groups;
use super::layout::{
    CHECKPOINT, CHECKPOINT_NEW, REPAIRED, TOPICS, WAL, is_unfinished, wal_file, wal_file_number,
};
use super::maintenance::{Identity, Maintenance, write_checkpoint};
use super::replay::{ReplayError, Replayed, Torn, replay};
use super::sizes::Sizes;
use super::storage::{Storage, is_full};
use super::view::View;
use super::wal::{Ring, Wal, WalFile, make_first_file};
use super::writer::LogWriter;
use crate::core::log::checkpoint::{Checkpoint, CheckpointError, WalFileSize, WalPosition};
use crate::core::log::entry::Entry;
use crate::core::log::ids::Sequence;
use crate::core::log::round::BLOCK_BYTES;
use crate::core::log::state::LogState;

/// Why a data folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file system failed.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What it said.
        error: io::Error,
    },
    /// There are files, but no checkpoint.
    #[error(
        "the folder is not empty ({0}), and it is not a data folder of pagi-appliance: choose an \
         empty one"
    )]
    NotOurs(String),
    /// A repair of the folder was interrupted.
    #[error(
        "a repair of the folder was interrupted: run `pagi-appliance log repair DIR --accept-loss` \
         again"
    )]
    Repair,
    /// The checkpoint cannot be used.
    #[error("the file 'checkpoint' cannot be used: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The write-ahead log cannot be used.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

/// An open data folder.
#[derive(Debug)]
pub struct Opened {
    /// Writes.
    pub writer: LogWriter,
    /// Works behind the writer.
    pub maintenance: Maintenance,
    /// What readers see.
    pub view: Arc<View>,
    /// Open segment files.
    pub read_files: Arc<ReadFiles>,
    /// The cluster's id, as clients see it.
    pub cluster_id: Uuid,
    /// What was found.
    pub recovery: Recovery,
}

/// What opening found in the write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// Rounds that were read back.
    pub rounds: u64,
    /// Bytes of those rounds.
    pub bytes: u64,
    /// The last round, when it was cut off because it was not written to its end: it was never
    /// acknowledged.
    pub torn: Option<Torn>,
}

/// Opens the folder, making it a data folder when it is empty. `identity` is random, and becomes
/// that of a new folder. `now_ms` is the time in milliseconds since 1970.
///
/// # Errors
/// [`OpenError`]; the folder's contents are as they were.
pub fn open(
    storage: Arc<dyn Storage>,
    identity: Identity,
    sizes: Sizes,
    now_ms: i64,
) -> Result<Opened, OpenError> {
    let checkpoint = match read_checkpoint(&*storage)? {
        Some(checkpoint) => checkpoint,
        None => make_folder(&*storage, identity)?,
    };
    let files = wal_files(&*storage, &checkpoint, &sizes)?;
    let identity = Identity { cluster_id: checkpoint.cluster_id, salt: checkpoint.salt };
    let ring = Arc::new(Ring::new(&files, sizes));
    let mut state = checkpoint.state;
    let topics: Vec<_> = state.topics().map(|topic| topic.made.clone()).collect();
    let groups = Groups::restored(checkpoint.offsets, checkpoint.groups);
    let view = Arc::new(View::restored(topics.into_iter(), checkpoint.files, groups));
    let read_files = Arc::new(ReadFiles::new(Arc::clone(&storage)));
    let mut maintenance = Maintenance::new(
        Arc::clone(&storage),
        Arc::clone(&view),
        Arc::clone(&ring),
        Arc::clone(&read_files),
        identity,
        sizes,
    );
    let Checkpoint { salt, position, sequence, .. } = checkpoint;
    let mut flushed = Ok(());
    let replayed = replay(&files, salt, position, sequence, |_, entry: Entry| {
        state.apply(&entry, now_ms);
        view.apply(entry);
        if flushed.is_ok() && view.unflushed_bytes() > sizes.unflushed_bytes_soft {
            flushed = maintenance.flush();
        }
    })?;
    full_disk_is_fine(flushed)
        .map_err(|error| OpenError::Io { what: "a segment could not be written", error })?;
    let recovery = Recovery { rounds: replayed.rounds, bytes: replayed.bytes, torn: replayed.torn };
    let wal = resume(&ring, files, &replayed)?;
    let writer = LogWriter::new(storage, state, Arc::clone(&view), wal, salt, sizes);
    let cluster_id = Uuid::from_bytes(identity.cluster_id);
    Ok(Opened { writer, maintenance, view, read_files, cluster_id, recovery })
}

/// The records stay in memory then, and are written when there is room.
fn full_disk_is_fine(flushed: io::Result<()>) -> io::Result<()> {
    match flushed {
        Err(error) if is_full(&error) => Ok(()),
        flushed => flushed,
    }
}

/// The folder's checkpoint; none where there is no such file.
///
/// # Errors
/// [`OpenError::Io`] or [`OpenError::Checkpoint`].
pub fn read_checkpoint(storage: &dyn Storage) -> Result<Option<Checkpoint>, OpenError> {
    let failed = |error| OpenError::Io { what: "the file 'checkpoint' could not be read", error };
    let file = match storage.open(CHECKPOINT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed)?,
    };
    // A process that was killed may have left it under a name that is not durable.
    storage.sync_dir("").map_err(failed)?;
    let size = file.size().map_err(failed)?;
    let bytes: Bytes = file.read(0, usize::try_from(size).unwrap_or(usize::MAX)).map_err(failed)?;
    Ok(Some(Checkpoint::decode(bytes)?))
}

/// An empty folder becomes a data folder with its first checkpoint.
fn make_folder(storage: &dyn Storage, identity: Identity) -> Result<Checkpoint, OpenError> {
    let failed = |error| OpenError::Io { what: "the data folder could not be set up", error };
    let ours = [super::layout::LOCK, CHECKPOINT_NEW, "lost+found"];
    let names = storage.list("").map_err(failed)?;
    let foreign: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| !ours.contains(name)).collect();
    if names.contains(&format!("{CHECKPOINT}{REPAIRED}")) {
        return Err(OpenError::Repair);
    }
    // The two folders come before the first checkpoint, and are empty until it is there.
    for name in &foreign {
        let empty = [WAL, TOPICS].contains(name) && storage.list(name).map_err(failed)?.is_empty();
        if !empty {
            return Err(OpenError::NotOurs(foreign.join(", ")));
        }
    }
    storage.create_dir(WAL).map_err(failed)?;
    storage.create_dir(TOPICS).map_err(failed)?;
    storage.sync_dir("").map_err(failed)?;
    let checkpoint = Checkpoint {
        cluster_id: identity.cluster_id,
        salt: identity.salt,
        sequence: Sequence(0),
        position: WalPosition { file: 0, offset: 0 },
        wal_files: Vec::new(),
        state: LogState::default(),
        files: Vec::new(),
        offsets: Vec::new(),
        groups: Vec::new(),
    };
    write_checkpoint(storage, &checkpoint).map_err(failed)?;
    Ok(checkpoint)
}

/// Opens the files of the write-ahead log; makes the first one of a new folder.
fn wal_files(
    storage: &dyn Storage,
    checkpoint: &Checkpoint,
    sizes: &Sizes,
) -> Result<Vec<WalFile>, OpenError> {
    let failed = |error| OpenError::Io { what: "the folder 'wal' could not be used", error };
    storage.sync_dir(WAL).map_err(failed)?;
    for name in storage.list(WAL).map_err(failed)?.iter().filter(|name| is_unfinished(name)) {
        storage.remove(&format!("{WAL}/{name}")).map_err(failed)?;
    }
    let mut files = open_wal_files(storage).map_err(failed)?;
    check_sizes(&files, &checkpoint.wal_files)?;
    if files.is_empty() && checkpoint.sequence == Sequence(0) {
        files.push(make_first_file(storage, sizes).map_err(failed)?);
    }
    Ok(files)
}

/// Opens the files that the write-ahead log has.
///
/// # Errors
/// As the file system gives them.
pub fn open_wal_files(storage: &dyn Storage) -> io::Result<Vec<WalFile>> {
    let mut files = Vec::new();
    for number in storage.list(WAL)?.iter().filter_map(|name| wal_file_number(name)) {
        let file = storage.open(&wal_file(number))?;
        files.push(WalFile { number, bytes: file.size()?, file });
    }
    Ok(files)
}

/// Files that were made before the checkpoint must be there as they were. What is known of newer
/// ones is that they consist of whole blocks.
///
/// # Errors
/// [`ReplayError::Missing`] or [`ReplayError::Cut`].
pub fn check_sizes(files: &[WalFile], known: &[WalFileSize]) -> Result<(), ReplayError> {
    for known in known {
        if !files.iter().any(|file| file.number == known.number) {
            return Err(ReplayError::Missing(wal_file(known.number)));
        }
    }
    for file in files {
        let whole = match known.iter().find(|known| known.number == file.number) {
            Some(known) => file.bytes == known.bytes,
            None => file.bytes > 0 && file.bytes.is_multiple_of(BLOCK_BYTES as u64),
        };
        if !whole {
            return Err(ReplayError::Cut { path: wal_file(file.number), bytes: file.bytes });
        }
    }
    Ok(())
}

/// Makes the last round durable, and gives every file its part in the ring.
fn resume(ring: &Arc<Ring>, files: Vec<WalFile>, replayed: &Replayed) -> Result<Wal, OpenError> {
    let failed = |error| OpenError::Io { what: "the write-ahead log could not be written", error };
    if let Some((position, bytes)) = &replayed.last_round {
        for file in files.iter().filter(|file| file.number == position.file) {
            file.file.write(position.offset, std::slice::from_ref(bytes)).map_err(failed)?;
            file.file.sync().map_err(failed)?;
        }
    }
    let mut current = None;
    for (index, file) in files.into_iter().enumerate() {
        if index == replayed.current {
            current = Some(file);
        } else if let Some((_, last)) = replayed.full.iter().find(|(full, _)| *full == index) {
            ring.add_full(file, *last);
        } else {
            ring.add_free(file);
        }
    }
    let current = current.ok_or_else(|| ReplayError::Missing("the current file".to_owned()))?;
    Ok(Wal::new(Arc::clone(ring), current, replayed.offset, replayed.last))
}
