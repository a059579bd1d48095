//! What record batches hold for a consumer: the one reader of all that is fetched.
//!
//! **Invariants.** Nothing is passed over but what is no event: transaction markers, the records
//! of aborted transactions, and offsets that no record has (any more). A batch that is damaged or
//! makes no sense ends the reading before it; where it comes first, that is an error.
//!
//! **References.** Kafka protocol guide, "Record batch"; KIP-98 (transactions).
use std::collections::BTreeSet;

use bytes::Bytes;
use pagi_protocol::kafka::messages::fetch::AbortedTransaction;
use pagi_protocol::kafka::record::{Record, RecordError, RecordReader};
use pagi_protocol::kafka::record_batch::{BatchError, BatchHeader, batches};

/// What is to be handled of some batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batches {
    /// Records with their offsets, which increase.
    pub(super) records: Vec<(i64, Record)>,
    /// The offset behind the batches; before it there are no other records.
    pub(super) next: i64,
    /// Where a leader epoch begins, as far as the batches tell: from this offset on, this one.
    pub(super) epochs: Vec<(i64, i32)>,
}

/// Why a batch cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// No batch begins here.
    #[error("{0}")]
    Batch(#[from] BatchError),
    /// The records are not what the batch's header says.
    #[error("{error}, in the batch of {records} records from {base}")]
    Records {
        /// What is wrong.
        error: RecordError,
        /// How many there should be.
        records: i32,
        /// The batch's first offset.
        base: i64,
    },
    /// A record's offset is not behind that of the one before it.
    #[error("the offsets in the batch from {base} do not increase")]
    Order {
        /// The batch's first offset.
        base: i64,
    },
}

/// Reads batches from `offset` on, of which `aborted` transactions are left out. An answer may
/// end inside a batch: that one comes first when it is asked for.
///
/// # Errors
/// The batch at `offset` is [`Unreadable`].
pub(super) fn read(
    bytes: Bytes,
    aborted: Vec<AbortedTransaction>,
    offset: i64,
) -> Result<Batches, Unreadable> {
    let mut read = Batches { records: Vec::new(), next: offset, epochs: Vec::new() };
    let mut aborted = Aborted::new(aborted);
    for batch in batches(bytes) {
        let added = batch.map_err(Unreadable::from).and_then(|(header, batch)| {
            if header.next_offset() <= read.next {
                return Ok(());
            }
            read.add(&header, &batch, &mut aborted)
        });
        match added {
            Ok(()) => {}
            Err(_) if read.next > offset => break,
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

impl Batches {
    fn add(
        &mut self,
        header: &BatchHeader,
        batch: &Bytes,
        aborted: &mut Aborted,
    ) -> Result<(), Unreadable> {
        let (records, base) = (header.records, header.base_offset);
        let wrong = |error| Unreadable::Records { error, records, base };
        match header.validate(batch) {
            // Compaction leaves fewer records than offsets. The CRC was checked before the counts.
            Ok(()) | Err(BatchError::Count { .. }) => {}
            Err(error) => return Err(wrong(error.into())),
        }
        if !aborted.leaves_out(header) {
            let all: Vec<_> =
                RecordReader::of_batch(batch).and_then(Iterator::collect).map_err(wrong)?;
            if !all.is_sorted_by(|(a, _), (b, _)| a < b) {
                return Err(Unreadable::Order { base });
            }
            let next = self.next;
            self.records.extend(all.into_iter().filter(|(offset, _)| *offset >= next));
        }
        // What was between the batches, if anything, is as old as the one behind it at the most.
        if self.epochs.last().is_none_or(|(_, epoch)| *epoch != header.leader_epoch) {
            self.epochs.push((self.next, header.leader_epoch));
        }
        self.next = header.next_offset();
        Ok(())
    }
}

/// The transactions to leave out.
struct Aborted {
    /// Those that begin further on, the last first.
    ahead: Vec<AbortedTransaction>,
    /// The producers of those that have begun.
    producers: BTreeSet<i64>,
}

impl Aborted {
    fn new(mut ahead: Vec<AbortedTransaction>) -> Self {
        ahead.sort_unstable_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
        Self { ahead, producers: BTreeSet::new() }
    }

    /// Whether the batch, the next one, holds nothing for a consumer.
    fn leaves_out(&mut self, batch: &BatchHeader) -> bool {
        while let Some(begun) = self.ahead.pop_if(|t| t.first_offset < batch.next_offset()) {
            self.producers.insert(begun.producer_id);
        }
        if batch.is_control() {
            // The marker at the end of a transaction, and a producer has one at a time.
            self.producers.remove(&batch.producer_id);
            return true;
        }
        batch.is_transactional() && self.producers.contains(&batch.producer_id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake_batch::{
        BODY, CONTROL, GZIP, LAST_OFFSET_DELTA, PRODUCER_ID, RECORDS, TRANSACTIONAL, batch, record,
        with_body, with_epoch,
    };
    use super::*;

    /// The offsets of the records from `offset` on, and where they end.
    fn offsets(bytes: Vec<u8>, offset: i64) -> (Vec<i64>, i64) {
        let read = read(bytes.into(), Vec::new(), offset).unwrap();
        (read.records.into_iter().map(|(offset, _)| offset).collect(), read.next)
    }

    #[test]
    fn a_transaction_marker_is_a_gap() {
        let bytes = [batch(10, &["x"], &[CONTROL]), batch(11, &["y"], &[])].concat();
        assert_eq!(offsets(bytes, 10), (vec![11], 12));
    }

    #[test]
    fn what_compaction_left_is_read_and_its_end_is_known() {
        // Offsets 10 to 19, of which 10 and 11 are left.
        let bytes = batch(10, &["x", "y"], &[(LAST_OFFSET_DELTA, &9_i32.to_be_bytes())]);
        assert_eq!(offsets(bytes.clone(), 11), (vec![11], 20));
        assert_eq!(offsets(bytes, 12), (vec![], 20));
    }

    #[test]
    fn null_and_repeated_headers_are_read() {
        let read = read(batch(0, &["x"], &[]).into(), Vec::new(), 0).unwrap();
        assert_eq!(read.records, [(0, record("x"))]);
    }

    #[test]
    fn an_aborted_transaction_is_left_out_and_those_around_it_are_not() {
        let of = |producer: &'static [u8; 8]| [TRANSACTIONAL, (PRODUCER_ID, &producer[..])];
        let marker = |producer: &'static [u8; 8]| [CONTROL, (PRODUCER_ID, &producer[..])];
        let (one, two) = (&[0, 0, 0, 0, 0, 0, 0, 1], &[0, 0, 0, 0, 0, 0, 0, 2]);
        let bytes = [
            batch(0, &["committed"], &of(one)),
            batch(1, &["marker"], &marker(one)),
            batch(2, &["aborted"], &of(one)),
            batch(3, &["of another"], &of(two)),
            batch(4, &["marker"], &marker(one)),
            batch(5, &["committed"], &of(one)),
        ];
        let aborted = vec![AbortedTransaction { producer_id: 1, first_offset: 2 }];
        let read = read(bytes.concat().into(), aborted, 0).unwrap();
        let values: Vec<_> = read.records.iter().map(|(_, r)| r.value.clone().unwrap()).collect();
        assert_eq!(values, ["committed", "of another", "committed"]);
        assert_eq!(read.next, 6);
    }

    #[test]
    fn a_leader_epoch_begins_behind_the_batch_of_the_one_before() {
        let with_epoch = |base, epoch| with_epoch(batch(base, &["x"], &[]), epoch);
        let bytes = [with_epoch(3, 1), with_epoch(4, 1), with_epoch(9, 2)].concat();
        assert_eq!(read(bytes.into(), Vec::new(), 3).unwrap().epochs, [(3, 1), (5, 2)]);
    }

    #[test]
    fn what_cannot_be_read_is_told_and_never_a_gap() {
        let mut damaged = batch(10, &["x"], &[CONTROL]);
        damaged[30] ^= 1;
        let ends_early = batch(10, &["x"], &[(RECORDS, &2_i32.to_be_bytes())]);
        for bad in [batch(10, &["x"], &[GZIP]), damaged, ends_early, vec![1; 100]] {
            read(bad.clone().into(), Vec::new(), 10).unwrap_err();
            // What is before it is read, and nothing behind it.
            let around = [batch(9, &["before"], &[]), bad, batch(11, &["behind"], &[])].concat();
            assert_eq!(offsets(around, 9), (vec![9], 10));
        }
    }

    #[test]
    fn offsets_that_do_not_increase_are_told() {
        let two = 2_i32.to_be_bytes();
        let delta = 1_i32.to_be_bytes();
        let one = batch(10, &["x"], &[(LAST_OFFSET_DELTA, &delta), (RECORDS, &two)]);
        // The same record twice.
        let twice = with_body(&one, &[&one[BODY..], &one[BODY..]].concat());
        let error = read(twice.into(), Vec::new(), 10).unwrap_err();
        assert_eq!(error, Unreadable::Order { base: 10 });
    }

    #[test]
    fn behind_the_last_batch_there_is_nothing_yet() {
        assert_eq!(offsets(Vec::new(), 7), (vec![], 7));
        assert_eq!(offsets(batch(6, &["x"], &[]), 7), (vec![], 7));
    }
}
