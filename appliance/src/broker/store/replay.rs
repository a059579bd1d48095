//! Reading the write-ahead log back: the one way, after a clean stop, a crash or a power cut.
//!
//! **Invariants.** Rounds are applied in their order without a gap. A round that cannot be read
//! ends the log only if nothing newer is found anywhere: otherwise acknowledged data is damaged,
//! and the log is not opened.
use std::io;

use bytes::Bytes;

use super::layout::wal_file;
use super::wal::WalFile;
use crate::core::log::bytes_codec::CodecError;
use crate::core::log::checkpoint::WalPosition;
use crate::core::log::entry::Entry;
use crate::core::log::ids::{Salt, Sequence};
use crate::core::log::round::{BLOCK_BYTES, RoundHeader};
use crate::limits::ROUND_BYTES_MAX;

/// Why the write-ahead log could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file system failed.
    #[error("{path} could not be read: {error}")]
    Io {
        /// The file.
        path: String,
        /// What it said.
        error: io::Error,
    },
    /// A file that the checkpoint names is not there.
    #[error("{0}, which the checkpoint names, is missing")]
    Missing(String),
    /// A file was cut, or has grown.
    #[error(
        "{path} is damaged: it has {bytes} bytes, which is not what it was made with. Nothing was \
         changed. Restore the data folder from a copy; `pagi-appliance log repair` tells what is \
         lost without one"
    )]
    Cut {
        /// The file.
        path: String,
        /// Its size.
        bytes: u64,
    },
    /// A round is damaged although a later one was written, which is done only after the round
    /// was synced: it was acknowledged.
    #[error(
        "{path} is damaged at byte {offset}: round {expected} cannot be read, but round {found} \
         was written after it. Acknowledged data is damaged; nothing was changed. Restore the \
         data folder from a copy; `pagi-appliance log repair` tells what is lost without one"
    )]
    Damaged {
        /// The file.
        path: String,
        /// Where in it.
        offset: u64,
        /// The round that should be there.
        expected: u64,
        /// A later round that was found.
        found: u64,
    },
    /// A round of ours holds what this version does not know.
    #[error("{path}: round {round} cannot be understood: {error}. Use a newer pagi-appliance")]
    Unknown {
        /// The file.
        path: String,
        /// The round.
        round: u64,
        /// What was found.
        error: CodecError,
    },
}

/// How the log ended.
#[derive(Debug)]
pub struct Replayed {
    /// Which file to go on in.
    pub current: usize,
    /// Where in it.
    pub offset: u64,
    /// The last round.
    pub last: Sequence,
    /// The last round's bytes and place, when one was read: they may not be synced.
    pub last_round: Option<(WalPosition, Bytes)>,
    /// Files that hold rounds behind the checkpoint, and the last of each; without the current.
    pub full: Vec<(usize, Sequence)>,
    /// Rounds that were applied.
    pub rounds: u64,
    /// Bytes of those rounds.
    pub bytes: u64,
    /// The round at the end that was not written to its end, if there is one.
    pub torn: Option<Torn>,
}

/// A last round that a crash cut short: it was never acknowledged, and is written over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn {
    /// Where it begins.
    pub at: WalPosition,
    /// Its number.
    pub round: Sequence,
}

/// Reads every round behind `after`, which ended at `from`, and gives its entries to `apply`, with
/// the place of their round.
///
/// # Errors
/// [`ReplayError`]: the log must not be used. Nothing was changed on disk.
pub fn replay(
    files: &[WalFile],
    salt: Salt,
    from: WalPosition,
    after: Sequence,
    mut apply: impl FnMut(WalPosition, Entry),
) -> Result<Replayed, ReplayError> {
    let current = files
        .iter()
        .position(|file| file.number == from.file)
        .ok_or_else(|| ReplayError::Missing(wal_file(from.file)))?;
    let mut at = Replayed {
        current,
        offset: from.offset,
        last: after,
        last_round: None,
        full: Vec::new(),
        rounds: 0,
        bytes: 0,
        torn: None,
    };
    while let Some((index, offset, round)) = next_round(files, salt, &at)? {
        let file = file_at(files, index)?;
        let position = WalPosition { file: file.number, offset };
        for entry in Entry::all(round.body) {
            let (path, number) = (wal_file(file.number), at.last.next().0);
            let entry = entry.map_err(|error| ReplayError::Unknown { path, round: number, error });
            apply(position, entry?);
        }
        if index != at.current {
            at.full.push((at.current, at.last));
        }
        at.current = index;
        at.offset = offset + round.bytes.len() as u64;
        at.last = at.last.next();
        at.rounds += 1;
        at.bytes += round.bytes.len() as u64;
        at.last_round = Some((position, round.bytes));
    }
    refuse_if_damaged(files, salt, &at)?;
    let file = file_at(files, at.current)?;
    let place = WalPosition { file: file.number, offset: at.offset };
    at.torn = read_header(file, at.offset, salt)?
        .filter(|header| header.sequence > at.last)
        .map(|header| Torn { at: place, round: header.sequence });
    Ok(at)
}

/// A round as it was read, with a sound CRC.
#[derive(Debug)]
pub struct Round {
    /// All of it.
    pub bytes: Bytes,
    /// Its entries.
    pub body: Bytes,
}

/// The round behind the last: where the log stands, or at the beginning of another file.
fn next_round(
    files: &[WalFile],
    salt: Salt,
    at: &Replayed,
) -> Result<Option<(usize, u64, Round)>, ReplayError> {
    let expected = at.last.next();
    if let Some(round) = read_round(file_at(files, at.current)?, at.offset, salt, expected)? {
        return Ok(Some((at.current, at.offset, round)));
    }
    for (index, file) in files.iter().enumerate().filter(|(index, _)| *index != at.current) {
        if let Some(round) = read_round(file, 0, salt, expected)? {
            return Ok(Some((index, 0, round)));
        }
    }
    Ok(None)
}

/// Looks for anything newer than the round that is missing or torn.
fn refuse_if_damaged(files: &[WalFile], salt: Salt, at: &Replayed) -> Result<(), ReplayError> {
    for (index, file) in files.iter().enumerate() {
        let newer = if index == at.current {
            newer_round(file, at.offset, salt, at.last.next())?
        } else {
            // A file is written from its beginning: its first round is its oldest. Scanning is for
            // what is neither an old file nor a new one.
            match read_header(file, 0, salt)? {
                Some(header) if header.sequence <= at.last && is_whole(file, salt, &header)? => {
                    None
                }
                None if is_blank(file)? => None,
                _ => newer_round(file, 0, salt, at.last.next())?,
            }
        };
        if let Some(found) = newer {
            let path = wal_file(file_at(files, at.current)?.number);
            let (offset, expected) = (at.offset, at.last.next().0);
            return Err(ReplayError::Damaged { path, offset, expected, found: found.0 });
        }
    }
    Ok(())
}

/// A whole round newer than `than` at any block of the file from `offset`.
fn newer_round(
    file: &WalFile,
    offset: u64,
    salt: Salt,
    than: Sequence,
) -> Result<Option<Sequence>, ReplayError> {
    const CHUNK_BYTES: usize = 1 << 20;
    let mut at = offset;
    while at < file.bytes {
        let chunk = read(file, at, CHUNK_BYTES)?;
        if chunk.is_empty() {
            break;
        }
        for (block, n) in chunk.chunks(BLOCK_BYTES).zip(0_u64..) {
            let Some(header) = RoundHeader::parse(block, salt) else { continue };
            let here = at + n * BLOCK_BYTES as u64;
            if header.sequence > than && read_round(file, here, salt, header.sequence)?.is_some() {
                return Ok(Some(header.sequence));
            }
        }
        at += chunk.len() as u64;
    }
    Ok(None)
}

/// The round of this number at a place in a file; none when it is not there, or not whole.
///
/// # Errors
/// [`ReplayError::Io`].
pub fn read_round(
    file: &WalFile,
    offset: u64,
    salt: Salt,
    expected: Sequence,
) -> Result<Option<Round>, ReplayError> {
    let Some(header) = read_header(file, offset, salt)? else { return Ok(None) };
    let fits = header.span() <= ROUND_BYTES_MAX
        && offset.saturating_add(header.span() as u64) <= file.bytes;
    if header.sequence != expected || !fits {
        return Ok(None);
    }
    let bytes = read(file, offset, header.span())?;
    Ok(header.body(&bytes).map(|body| Round { bytes, body }))
}

fn read_header(
    file: &WalFile,
    offset: u64,
    salt: Salt,
) -> Result<Option<RoundHeader>, ReplayError> {
    Ok(RoundHeader::parse(&read(file, offset, BLOCK_BYTES)?, salt))
}

/// Whether the first round of the file is the one that its header tells of.
fn is_whole(file: &WalFile, salt: Salt, header: &RoundHeader) -> Result<bool, ReplayError> {
    Ok(read_round(file, 0, salt, header.sequence)?.is_some())
}

/// Whether nothing was ever written to the file: a disk that lost the first blocks lost more than
/// a round's header.
fn is_blank(file: &WalFile) -> Result<bool, ReplayError> {
    const PROBE_BYTES: usize = 64 << 10;
    Ok(read(file, 0, PROBE_BYTES)?.iter().all(|byte| *byte == 0))
}

fn read(file: &WalFile, offset: u64, bytes: usize) -> Result<Bytes, ReplayError> {
    file.file
        .read(offset, bytes)
        .map_err(|error| ReplayError::Io { path: wal_file(file.number), error })
}

fn file_at(files: &[WalFile], index: usize) -> Result<&WalFile, ReplayError> {
    files.get(index).ok_or_else(|| ReplayError::Missing(format!("file {index} of the ring")))
}
