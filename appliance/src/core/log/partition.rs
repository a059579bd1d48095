//! One partition as its readers see it: durable records, in segment files and in the tail that
//! is still to be written to them.
//!
//! **Invariants.** Segments and then the tail follow each other without a gap, from the log start
//! offset to the high watermark. Everything here is durable, in the write-ahead log or in a
//! synced segment.
use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::index::Progress;
/// A file of whole batches. Only the last one of a partition grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The offset of its first record, and its name.
    pub base_offset: i64,
    /// The offset behind its last record.
    pub next_offset: i64,
    /// Bytes of batches.
    pub log_bytes: u64,
    /// Bytes of index.
    pub index_bytes: u64,
    /// The largest timestamp of its first batch, in milliseconds since 1970: its age, as in Kafka,
    /// is counted from there.
    pub first_timestamp: i64,
    /// How far its index has come.
    pub progress: Progress,
}

impl Segment {
    const fn new(base_offset: i64, first_timestamp: i64) -> Self {
        Self {
            base_offset,
            next_offset: base_offset,
            log_bytes: 0,
            index_bytes: 0,
            first_timestamp,
            progress: Progress::EMPTY,
        }
    }

    /// Whether `batch` goes into the next segment.
    fn is_closed_to(&self, batch: &TailBatch, roll: Roll) -> bool {
        // The index has 32 bits for it. Whoever compresses records may claim any number.
        let far = u32::try_from(batch.base_offset - self.base_offset).is_err();
        let age_ms = batch.max_timestamp.saturating_sub(self.first_timestamp);
        far || self.log_bytes >= roll.bytes || age_ms > roll.age_ms
    }
}

/// When a segment is full (`segment.bytes`, `segment.ms`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roll {
    /// It has so many bytes.
    pub bytes: u64,
    /// A batch is so much newer than its first one, in milliseconds.
    pub age_ms: i64,
}

/// A durable batch that is in no segment yet.
#[derive(Debug, Clone)]
pub struct TailBatch {
    /// The offset of its first record.
    pub base_offset: i64,
    /// The offset behind its last record.
    pub next_offset: i64,
    /// Its largest timestamp, in milliseconds since 1970.
    pub max_timestamp: i64,
    /// The whole batch; a slice of its round.
    pub bytes: Bytes,
}

/// Where an offset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In this segment.
    Segment(Segment),
    /// In the tail.
    Tail,
    /// It is the high watermark: the next record to come.
    End,
    /// Before the log start, or behind the high watermark.
    OutOfRange,
}

/// What to write to one segment's files.
#[derive(Debug)]
pub struct SegmentWrite {
    /// The segment as it is before.
    pub before: Segment,
    /// The segment as it is when both were written.
    pub after: Segment,
    /// Batches, for `before.log_bytes`.
    pub batches: Vec<Bytes>,
    /// Index entries, for `before.index_bytes`.
    pub index: Bytes,
}

/// See the module.
#[derive(Debug, Default)]
pub struct PartitionLog {
    log_start: i64,
    high_watermark: i64,
    segments: Vec<Segment>,
    tail: VecDeque<TailBatch>,
}

impl PartitionLog {
    /// A partition as a checkpoint describes it; the tail is empty.
    #[must_use]
    pub fn restored(log_start: i64, segments: Vec<Segment>) -> Self {
        let high_watermark = segments.last().map_or(log_start, |last| last.next_offset);
        Self { log_start, high_watermark, segments, tail: VecDeque::new() }
    }

    /// The offset of the first record.
    #[must_use]
    pub const fn log_start(&self) -> i64 {
        self.log_start
    }

    /// The offset that the next durable record gets.
    #[must_use]
    pub const fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// The largest timestamp of all records, if there is any.
    #[must_use]
    pub fn max_timestamp(&self) -> Option<i64> {
        let segments = self.segments.iter().filter(|segment| segment.next_offset > self.log_start);
        let tail = self.tail.iter().filter(|batch| batch.next_offset > self.log_start);
        let segments = segments.map(|segment| segment.progress.max_timestamp);
        segments.chain(tail.map(|batch| batch.max_timestamp)).max()
    }

    /// The segments, oldest first.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether there is a segment with this base offset.
    #[must_use]
    pub fn has_segment(&self, base_offset: i64) -> bool {
        self.segments.binary_search_by_key(&base_offset, |segment| segment.base_offset).is_ok()
    }

    /// The batches that are in no segment, oldest first.
    pub fn tail(&self) -> impl Iterator<Item = &TailBatch> {
        self.tail.iter()
    }

    /// Takes over a durable batch. One that is here already is passed over: a replay begins at
    /// the checkpoint, and a segment may know more than that.
    pub fn append(&mut self, batch: TailBatch) -> bool {
        if batch.base_offset < self.high_watermark {
            return false;
        }
        self.high_watermark = batch.next_offset;
        self.tail.push_back(batch);
        true
    }

    /// Where `offset` is.
    #[must_use]
    pub fn locate(&self, offset: i64) -> Place {
        if offset < self.log_start || offset > self.high_watermark {
            return Place::OutOfRange;
        }
        if offset == self.high_watermark {
            return Place::End;
        }
        let index = self.segments.partition_point(|segment| segment.next_offset <= offset);
        self.segments.get(index).map_or(Place::Tail, |segment| Place::Segment(*segment))
    }

    /// All bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes_since(i64::MIN)
    }

    /// The bytes from the batch that holds `offset` on; a little more when that is in a segment.
    #[must_use]
    pub fn bytes_since(&self, offset: i64) -> u64 {
        let newer = self.segments.iter().rev().take_while(|segment| segment.next_offset > offset);
        let tail = self.tail.iter().rev().take_while(|batch| batch.next_offset > offset);
        newer.map(|segment| segment.log_bytes).sum::<u64>()
            + tail.map(|batch| bytes_u64(batch.bytes.len())).sum::<u64>()
    }

    /// Batches of the tail from the one that holds `offset`: at least one, then as many as fit
    /// into `bytes_max`.
    #[must_use]
    pub fn from_tail(&self, offset: i64, bytes_max: usize) -> Vec<Bytes> {
        let first = self.tail.partition_point(|batch| batch.next_offset <= offset);
        let mut left = bytes_max;
        let mut batches = Vec::new();
        for batch in self.tail.range(first..) {
            if batch.bytes.len() > left && !batches.is_empty() {
                break;
            }
            left = left.saturating_sub(batch.bytes.len());
            batches.push(batch.bytes.clone());
        }
        batches
    }

    /// Records before `offset` are deleted, which is durable. The log start never falls, and never
    /// passes the high watermark.
    pub fn move_start(&mut self, offset: i64) {
        self.log_start = self.log_start.max(offset.min(self.high_watermark));
    }

    /// Lets go of the segments that hold only deleted records; gives their base offsets. Their
    /// files may be removed when a checkpoint without them is durable.
    pub fn prune(&mut self) -> Vec<i64> {
        let deleted =
            self.segments.partition_point(|segment| segment.next_offset <= self.log_start);
        self.segments.drain(..deleted).map(|segment| segment.base_offset).collect()
    }

    /// Lets go of the tail of a deleted partition; gives its bytes.
    pub fn drop_tail(&mut self) -> usize {
        self.tail.drain(..).map(|batch| batch.bytes.len()).sum()
    }

    /// What to write to bring the tail below `limit` into segments. Nothing is changed until
    /// [`PartitionLog::flushed`].
    #[must_use]
    pub fn plan_flush(&self, limit: i64, roll: Roll) -> Vec<SegmentWrite> {
        let mut writes: Vec<SegmentWrite> = Vec::new();
        let mut segment = self.segments.last().copied();
        let mut index = BytesMut::new();
        for batch in self.tail.iter().take_while(|batch| batch.next_offset <= limit) {
            let mut current = match segment.filter(|segment| !segment.is_closed_to(batch, roll)) {
                Some(segment) => segment,
                None => Segment::new(batch.base_offset, batch.max_timestamp),
            };
            if writes.last().is_none_or(|write| write.before.base_offset != current.base_offset) {
                let (before, after) = (current, current);
                writes.push(SegmentWrite { before, after, batches: vec![], index: Bytes::new() });
            }
            let delta = batch.base_offset.saturating_sub(current.base_offset);
            current.progress.note(&mut index, delta, current.log_bytes, batch.max_timestamp);
            current.index_bytes += bytes_u64(index.len());
            current.log_bytes += bytes_u64(batch.bytes.len());
            current.next_offset = batch.next_offset;
            if let Some(write) = writes.last_mut() {
                write.batches.push(batch.bytes.clone());
                write.index = join(&write.index, index.split());
                write.after = current;
            }
            segment = Some(current);
        }
        writes
    }

    /// Takes note that a plan was carried out; gives the bytes that left the tail.
    pub fn flushed(&mut self, writes: &[SegmentWrite]) -> usize {
        for write in writes {
            match self.segments.last_mut() {
                Some(last) if last.base_offset == write.after.base_offset => *last = write.after,
                _ => self.segments.push(write.after),
            }
        }
        let end = self.segments.last().map_or(self.log_start, |segment| segment.next_offset);
        let mut freed = 0;
        while let Some(batch) = self.tail.pop_front_if(|batch| batch.next_offset <= end) {
            freed += batch.bytes.len();
        }
        freed
    }
}

fn join(index: &Bytes, more: BytesMut) -> Bytes {
    if more.is_empty() {
        return index.clone();
    }
    let mut joined = BytesMut::from(index.as_ref());
    joined.unsplit(more);
    joined.freeze()
}

const fn bytes_u64(bytes: usize) -> u64 {
    bytes as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SEGMENT_BYTES;

    const ROLL: Roll = Roll { bytes: SEGMENT_BYTES, age_ms: i64::MAX };

    fn batch(base_offset: i64, records: i64, bytes: usize) -> TailBatch {
        TailBatch {
            base_offset,
            next_offset: base_offset + records,
            max_timestamp: base_offset,
            bytes: Bytes::from(vec![0; bytes]),
        }
    }

    fn three_batches() -> PartitionLog {
        let mut log = PartitionLog::default();
        for (base, records) in [(0, 10), (10, 1), (11, 9)] {
            assert!(log.append(batch(base, records, 3000)));
        }
        log
    }

    #[test]
    fn offsets_are_found_in_the_tail_and_then_in_the_segment() {
        let mut log = three_batches();
        assert_eq!(log.locate(10), Place::Tail);
        let writes = log.plan_flush(11, ROLL);
        assert_eq!(writes.len(), 1);
        assert_eq!(log.flushed(&writes), 6000);
        assert_eq!(log.locate(10), Place::Segment(log.segments()[0]));
        assert_eq!(log.locate(11), Place::Tail);
        assert_eq!(log.locate(20), Place::End);
        assert_eq!((log.locate(21), log.locate(-1)), (Place::OutOfRange, Place::OutOfRange));
        assert_eq!(log.segments()[0].next_offset, 11);
    }

    #[test]
    fn the_tail_gives_whole_batches_and_at_least_one() {
        let log = three_batches();
        assert_eq!(log.from_tail(5, 1).len(), 1);
        assert_eq!(log.from_tail(0, 6000).len(), 2);
        assert_eq!(log.from_tail(10, 1_000_000).len(), 2);
    }

    #[test]
    fn a_full_segment_is_followed_by_a_new_one() {
        let mut log = PartitionLog::default();
        let half = usize::try_from(SEGMENT_BYTES / 2).unwrap();
        for n in 0..5 {
            log.append(batch(n, 1, half));
        }
        let writes = log.plan_flush(i64::MAX, ROLL);
        log.flushed(&writes);
        let ends: Vec<_> = log.segments().iter().map(|s| (s.base_offset, s.next_offset)).collect();
        assert_eq!(ends, [(0, 2), (2, 4), (4, 5)]);
        assert_eq!(log.segments()[0].index_bytes, 16);
    }

    #[test]
    fn a_segment_ends_before_its_index_could_no_longer_name_its_offsets() {
        let mut log = PartitionLog::default();
        let most = i64::from(i32::MAX);
        for n in 0..5 {
            log.append(batch(n * most, most, 5000));
        }
        let writes = log.plan_flush(i64::MAX, ROLL);
        log.flushed(&writes);
        let bases: Vec<_> = log.segments().iter().map(|segment| segment.base_offset).collect();
        assert_eq!(bases, [0, 3 * most]);
    }

    #[test]
    fn a_segment_ends_when_a_batch_is_so_much_newer_than_its_first() {
        let mut log = PartitionLog::default();
        for n in [100, 150, 201, 202, 350] {
            let batch = TailBatch { max_timestamp: n, ..batch(log.high_watermark(), 1, 100) };
            log.append(batch);
        }
        log.flushed(&log.plan_flush(i64::MAX, Roll { age_ms: 100, ..ROLL }));
        let bases: Vec<_> = log.segments().iter().map(|segment| segment.base_offset).collect();
        assert_eq!(bases, [0, 2, 4]);
    }

    #[test]
    fn deleted_records_are_out_of_range_at_once_and_their_segments_go_when_they_are_whole() {
        let mut log = three_batches();
        log.flushed(&log.plan_flush(10, Roll { bytes: 1, ..ROLL }));
        log.flushed(&log.plan_flush(11, Roll { bytes: 1, ..ROLL }));
        log.move_start(5);
        assert_eq!((log.log_start(), log.locate(4)), (5, Place::OutOfRange));
        assert_eq!(log.prune(), Vec::<i64>::new());
        log.move_start(11);
        log.move_start(3);
        assert_eq!((log.log_start(), log.prune()), (11, vec![0, 10]));
        assert_eq!(log.locate(11), Place::Tail);
    }

    #[test]
    fn when_all_records_are_deleted_offsets_go_on() {
        let mut log = three_batches();
        log.flushed(&log.plan_flush(20, ROLL));
        log.move_start(100);
        assert_eq!((log.prune(), log.log_start(), log.high_watermark()), (vec![0], 20, 20));
        assert!(log.append(batch(20, 1, 10)));
        log.flushed(&log.plan_flush(21, ROLL));
        assert_eq!((log.segments()[0].base_offset, log.high_watermark()), (20, 21));
    }

    #[test]
    fn a_batch_that_is_here_already_is_passed_over() {
        let mut log = three_batches();
        assert!(!log.append(batch(10, 1, 3000)));
        assert_eq!(log.tail().count(), 3);
    }

    #[test]
    fn index_entries_are_the_same_in_one_flush_or_in_many() {
        let mut at_once = three_batches();
        let mut by_one = three_batches();
        let whole = at_once.plan_flush(20, ROLL);
        let mut pieces = Vec::new();
        for limit in [10, 11, 20] {
            let writes = by_one.plan_flush(limit, ROLL);
            by_one.flushed(&writes);
            pieces.extend(writes.iter().flat_map(|write| write.index.to_vec()));
        }
        assert_eq!(whole[0].index, pieces);
        at_once.flushed(&whole);
        assert_eq!(at_once.segments(), by_one.segments());
    }
}
