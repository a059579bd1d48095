//! Putting the repaired files in the place of the damaged ones.
//!
//! ```text
//! X.repaired      a new file, durable before anything is changed
//! X.damaged-N     what was at X before repair number N
//! repair-N.ndjson what was lost in it
//! ```
//! **Invariants.** As long as there is a `checkpoint`, nothing but files of other names was made.
//! From the moment it is `checkpoint.damaged-N`, no broker starts on the folder, and [`finish`]
//! goes on from wherever it was interrupted: each step only begins when the one before it is
//! durable.
use std::io;

use super::super::store::layout::{
    CHECKPOINT, REPAIRED, TOPICS, WAL, is_topic_dir, wal_file_number,
};
use super::super::store::storage::Storage;
use crate::core::log::checkpoint::Checkpoint;

/// The name of a new file that is to be at `path`.
#[must_use]
pub fn repaired(path: &str) -> String {
    format!("{path}{REPAIRED}")
}

/// The name of what was at `path` before repair number `number`.
#[must_use]
pub fn damaged(path: &str, number: u32) -> String {
    format!("{path}.damaged-{number}")
}

/// The name of the file with what repair number `number` lost.
#[must_use]
pub fn report(number: u32) -> String {
    format!("repair-{number}.ndjson")
}

/// The number of the next repair: how many there were, and one.
///
/// # Errors
/// As the file system gives them.
pub fn next_number(storage: &dyn Storage) -> io::Result<u32> {
    let names = storage.list("")?;
    let is_used = |number: &u32| names.contains(&damaged(CHECKPOINT, *number));
    Ok((1..).take_while(is_used).last().unwrap_or_default() + 1)
}

/// The number of the repair that was interrupted behind the point of no return, if there is one.
///
/// # Errors
/// As the file system gives them.
pub fn interrupted(storage: &dyn Storage) -> io::Result<Option<u32>> {
    let names = storage.list("")?;
    let has = |name: &str| names.iter().any(|n| n == name);
    let interrupted = !has(CHECKPOINT) && has(&repaired(CHECKPOINT));
    Ok(if interrupted { next_number(storage)?.checked_sub(1) } else { None })
}

/// Removes what a repair left behind that did not come to changing anything.
///
/// # Errors
/// As the file system gives them.
pub fn clear(storage: &dyn Storage) -> io::Result<()> {
    for dir in dirs(storage)? {
        for name in storage.list(&dir)?.iter().filter(|name| name.ends_with(REPAIRED)) {
            storage.remove(&join(&dir, name))?;
        }
    }
    Ok(())
}

/// The point of no return, and all behind it.
///
/// # Errors
/// As the file system gives them: call [`finish`] again.
pub fn commit(storage: &dyn Storage, number: u32) -> io::Result<()> {
    sync_dirs(storage)?;
    storage.rename(CHECKPOINT, &damaged(CHECKPOINT, number))?;
    storage.sync_dir("")?;
    finish(storage, number)
}

/// Goes on behind the point of no return of repair number `number`.
///
/// # Errors
/// As the file system gives them: call it again.
pub fn finish(storage: &dyn Storage, number: u32) -> io::Result<()> {
    let file = storage.open(&repaired(CHECKPOINT))?;
    let bytes = file.read(0, usize::try_from(file.size()?).unwrap_or(usize::MAX))?;
    let checkpoint = Checkpoint::decode(bytes).map_err(io::Error::other)?;
    // A mended log has files of its own, whose numbers are higher; one that was not has all.
    let first_wal_file = checkpoint.wal_files.iter().map(|file| file.number).min().unwrap_or(0);
    let dirs: Vec<String> = dirs(storage)?.into_iter().filter(|dir| !dir.is_empty()).collect();
    for dir in &dirs {
        let names = storage.list(dir)?;
        for name in &names {
            let is_replaced = names.contains(&repaired(name));
            let is_old_wal =
                dir == WAL && wal_file_number(name).is_some_and(|n| n < first_wal_file);
            if is_replaced || is_old_wal {
                let path = join(dir, name);
                storage.rename(&path, &damaged(&path, number))?;
            }
        }
        storage.sync_dir(dir)?;
    }
    for dir in &dirs {
        for name in storage.list(dir)? {
            if let Some(target) = name.strip_suffix(REPAIRED) {
                storage.rename(&join(dir, &name), &join(dir, target))?;
            }
        }
        storage.sync_dir(dir)?;
    }
    storage.rename(&repaired(CHECKPOINT), CHECKPOINT)?;
    storage.sync_dir("")
}

/// The data folder and the folders in it that have files.
fn dirs(storage: &dyn Storage) -> io::Result<Vec<String>> {
    let topics = storage.list(TOPICS)?.into_iter().filter(|dir| is_topic_dir(dir));
    let topics = topics.map(|dir| format!("{TOPICS}/{dir}"));
    Ok([String::new(), WAL.to_owned()].into_iter().chain(topics).collect())
}

fn sync_dirs(storage: &dyn Storage) -> io::Result<()> {
    storage.sync_dir(TOPICS)?;
    dirs(storage)?.iter().try_for_each(|dir| storage.sync_dir(dir))
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}
