//! What the broker has acknowledged: in memory, and in a file away from the broker's data that a
//! person can look into when something is missing.
//!
//! **Invariants.** An answer is in the ledger before its producer goes on. The file is synced
//! before the broker's data is looked at again.
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::failure::{Outcome, While};

/// Records of one batch, which the broker said it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Acknowledged {
    pub(super) producer: u32,
    pub(super) lane: u32,
    pub(super) first_sequence: i32,
    pub(super) records: i32,
    /// Where it said the first one is.
    pub(super) base_offset: i64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger(Mutex<Book>);

#[derive(Debug)]
struct Book {
    acknowledged: Vec<Acknowledged>,
    records: u64,
    producer_ids: HashSet<i64>,
    file: BufWriter<File>,
}

impl Ledger {
    /// An empty ledger in this file.
    pub(super) fn create(path: &Path) -> Outcome<Self> {
        let file = File::create(path).on(format!("make {}", path.display()))?;
        let mut file = BufWriter::new(file);
        writeln!(file, "producer lane first_sequence records base_offset")?;
        let (acknowledged, producer_ids) = (Vec::new(), HashSet::new());
        Ok(Self(Mutex::new(Book { acknowledged, records: 0, producer_ids, file })))
    }

    pub(super) fn add(&self, one: Acknowledged) -> Outcome {
        let Acknowledged { producer, lane, first_sequence, records, base_offset } = one;
        let mut book = self.lock();
        book.acknowledged.push(one);
        book.records += u64::try_from(records).unwrap_or(0);
        writeln!(book.file, "{producer} {lane} {first_sequence} {records} {base_offset}")
            .on("write the ledger")
    }

    /// Notes a producer id; whether it is the first time that it was given out.
    pub(super) fn add_producer_id(&self, id: i64) -> bool {
        self.lock().producer_ids.insert(id)
    }

    /// Everything so far; it is on disk.
    pub(super) fn read(&self) -> Outcome<Vec<Acknowledged>> {
        let mut book = self.lock();
        book.file.flush().on("write the ledger")?;
        book.file.get_ref().sync_data().on("sync the ledger")?;
        Ok(book.acknowledged.clone())
    }

    /// How many records it has.
    pub(super) fn records(&self) -> u64 {
        self.lock().records
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_also_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let ledger = Ledger::create(&path).unwrap();
        let one =
            Acknowledged { producer: 1, lane: 2, first_sequence: 3, records: 4, base_offset: 5 };
        ledger.add(one).unwrap();
        assert_eq!(ledger.read().unwrap().len(), 1);
        assert_eq!(ledger.records(), 4);
        assert!(std::fs::read_to_string(path).unwrap().ends_with("\n1 2 3 4 5\n"));
        assert!(ledger.add_producer_id(7) && !ledger.add_producer_id(7));
    }
}
