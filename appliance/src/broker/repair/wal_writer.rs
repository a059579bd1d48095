//! Writing a mended write-ahead log into files of its own, beside the damaged one.
use std::io;
use std::sync::Arc;

use bytes::BytesMut;

use super::super::store::layout::wal_file;
use super::super::store::storage::{File, Storage};
use super::super::store::wal::zero_filled;
use super::swap::repaired;
use crate::core::log::checkpoint::WalFileSize;
use crate::core::log::entry::Entry;
use crate::core::log::ids::{Salt, Sequence};
use crate::core::log::round::{RoundBuilder, span};

/// See the module. Nothing of it is durable before [`WalWriter::finish`].
#[derive(Debug)]
pub struct WalWriter<'a> {
    storage: &'a dyn Storage,
    salt: Salt,
    last: Sequence,
    round_bytes_max: usize,
    next: WalFileSize,
    made: Vec<WalFileSize>,
    current: Option<(Arc<dyn File>, u64)>,
}

impl<'a> WalWriter<'a> {
    /// Its rounds follow `last`; its first file is to be `next`, those behind it are as large.
    #[must_use]
    pub const fn new(
        storage: &'a dyn Storage,
        salt: Salt,
        last: Sequence,
        round_bytes_max: usize,
        next: WalFileSize,
    ) -> Self {
        let made = Vec::new();
        Self { storage, salt, last, round_bytes_max, next, made, current: None }
    }

    /// Writes entries: one round, or more where they do not fit.
    ///
    /// # Errors
    /// As the file system gives them.
    pub fn write(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut round = RoundBuilder::with_capacity(0);
        let mut body_bytes = 0;
        for entry in entries {
            let mut bytes = BytesMut::new();
            entry.encode(&mut bytes);
            if !round.is_empty() && span(body_bytes + bytes.len()) > self.round_bytes_max {
                self.seal(std::mem::replace(&mut round, RoundBuilder::with_capacity(0)))?;
                body_bytes = 0;
            }
            body_bytes += bytes.len();
            round.push(|out| out.extend_from_slice(&bytes));
        }
        // A round without entries keeps the numbers in step.
        self.seal(round)
    }

    /// Makes all of it durable, and gives the files that were made: at least one.
    ///
    /// # Errors
    /// As the file system gives them.
    pub fn finish(mut self) -> io::Result<Vec<WalFileSize>> {
        let (file, _) = self.current()?;
        file.sync()?;
        Ok(self.made)
    }

    fn seal(&mut self, round: RoundBuilder) -> io::Result<()> {
        let round = round.seal(self.last.next(), self.salt).bytes;
        let file_bytes = self.next.bytes;
        let full = |offset: u64| offset + round.len() as u64 > file_bytes;
        if let Some((file, _)) = self.current.take_if(|(_, offset)| full(*offset)) {
            file.sync()?;
        }
        let (file, offset) = self.current()?;
        file.write(*offset, std::slice::from_ref(&round))?;
        *offset += round.len() as u64;
        self.last = self.last.next();
        Ok(())
    }

    /// The file to go on in, made when there is none.
    fn current(&mut self) -> io::Result<&mut (Arc<dyn File>, u64)> {
        if self.current.is_none() {
            let path = repaired(&wal_file(self.next.number));
            let file = zero_filled(self.storage, &path, self.next.bytes)?;
            self.made.push(self.next);
            self.next.number = self.next.number.saturating_add(1);
            self.current = Some((file, 0));
        }
        self.current.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
