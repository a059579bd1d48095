//! What may be committed: for each partition the offset below which everything is done.
//!
//! **Invariants.** The watermark never passes an event that is not done, so that a crash before
//! a commit means redelivery, never a skip. It never goes back, except by [`Progress::restart`],
//! and neither does what is committed. At most one commit is in flight.
//!
//! **References.** Kafka protocol guide, OffsetCommit: the committed offset is the next to read.
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How far a group got in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The next offset to read.
    pub offset: i64,
    /// The leader epoch of what is before it, by which others notice that it was lost (KIP-320);
    /// -1 where it is not known.
    pub epoch: i32,
}

/// One partition: which events are out, and up to where all are done.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Events handed out, by offset, and whether they are done; the first is never done.
    out: VecDeque<(i64, bool)>,
    /// Where the next event handed out may be at the earliest.
    next: i64,
    /// Where leader epochs begin.
    epochs: VecDeque<(i64, i32)>,
}

impl Progress {
    /// Nothing is out; the first event will be at `start` or later.
    #[must_use]
    pub const fn new(start: i64) -> Self {
        Self { out: VecDeque::new(), next: start, epochs: VecDeque::new() }
    }

    /// The event at `offset` is being worked on. Offsets between it and the one before hold no
    /// event. One that was handed out before is ignored, and told by `false`.
    pub fn hand_out(&mut self, offset: i64) -> bool {
        let fresh = offset >= self.next;
        if fresh {
            self.out.push_back((offset, false));
            self.next = offset.saturating_add(1);
        }
        fresh
    }

    /// There is no event before `next` that was not handed out.
    pub fn skip_to(&mut self, next: i64) {
        self.next = self.next.max(next);
    }

    /// The event at `offset` is done.
    pub fn complete(&mut self, offset: i64) {
        if let Ok(at) = self.out.binary_search_by_key(&offset, |(offset, _)| *offset)
            && let Some((_, done)) = self.out.get_mut(at)
        {
            *done = true;
        }
        while self.out.front().is_some_and(|(_, done)| *done) {
            self.out.pop_front();
        }
    }

    /// The event at `offset` will not be done here, and so nothing from it on is to be committed.
    pub fn give_up(&mut self, offset: i64) {
        self.out.truncate(self.out.partition_point(|(out, _)| *out < offset));
        self.next = self.next.min(offset);
    }

    /// The offset below which everything is done: what may be committed.
    #[must_use]
    pub fn watermark(&self) -> i64 {
        self.out.front().map_or(self.next, |(offset, _)| *offset)
    }

    /// From this offset on the leader epoch is this one. Told in the order of the offsets.
    pub fn begin_epoch(&mut self, from: i64, epoch: i32) {
        if self.epochs.back().is_none_or(|(_, last)| *last != epoch) {
            let watermark = self.watermark();
            while self.epochs.get(1).is_some_and(|(from, _)| *from < watermark) {
                self.epochs.pop_front();
            }
            self.epochs.push_back((from, epoch));
        }
    }

    /// What may be committed: the watermark, and the leader epoch of the offset before it.
    #[must_use]
    pub fn position(&self) -> Position {
        let offset = self.watermark();
        let begun = self.epochs.iter().rev().find(|(from, _)| *from < offset);
        Position { offset, epoch: begun.map_or(-1, |(_, epoch)| *epoch) }
    }

    /// Whether everything that was handed out is done, or given up.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.out.is_empty()
    }

    /// Starts over at another place, because there is nothing at the old one.
    pub fn restart(&mut self, start: i64) {
        *self = Self::new(start);
    }
}

/// The progress of all partitions, and what of it is committed.
#[derive(Debug)]
pub struct Ledger<P> {
    interval: Duration,
    /// Commits unchanged offsets too after so long, since groups forget what is not renewed.
    renewal: Duration,
    partitions: BTreeMap<P, Entry>,
    in_flight: Option<Vec<(P, Position)>>,
    due_at: Instant,
    renew_at: Instant,
}

#[derive(Debug)]
struct Entry {
    progress: Progress,
    committed: Option<i64>,
}

impl<P: Ord + Clone> Ledger<P> {
    /// No partitions yet. The first commit may be due an interval after `now`.
    #[must_use]
    pub fn new(interval: Duration, renewal: Duration, now: Instant) -> Self {
        Self {
            interval,
            renewal,
            partitions: BTreeMap::new(),
            in_flight: None,
            due_at: now + interval,
            renew_at: now + renewal,
        }
    }

    /// Adds a partition that goes on at `start`. `committed` is what the group has for it.
    pub fn add(&mut self, partition: P, start: i64, committed: Option<i64>) {
        let entry = Entry { progress: Progress::new(start), committed };
        self.partitions.insert(partition, entry);
    }

    /// Forgets a partition, whatever of it is not committed.
    pub fn remove(&mut self, partition: &P) {
        self.partitions.remove(partition);
    }

    /// Whether everything of the partition that was handed out is done.
    #[must_use]
    pub fn is_idle(&self, partition: &P) -> bool {
        self.partitions.get(partition).is_none_or(|entry| entry.progress.is_idle())
    }

    /// Whether that is committed, too.
    #[must_use]
    pub fn is_drained(&self, partition: &P) -> bool {
        self.partitions.get(partition).is_none_or(|entry| {
            entry.progress.is_idle()
                && entry.committed.is_some_and(|committed| committed >= entry.progress.watermark())
        })
    }

    /// The progress of a partition.
    pub fn progress(&mut self, partition: &P) -> Option<&mut Progress> {
        self.partitions.get_mut(partition).map(|entry| &mut entry.progress)
    }

    /// The watermark of a partition.
    #[must_use]
    pub fn watermark(&self, partition: &P) -> Option<i64> {
        self.partitions.get(partition).map(|entry| entry.progress.watermark())
    }

    /// How many events are out, or done behind one that is out.
    #[must_use]
    pub fn window(&self) -> usize {
        self.partitions.values().map(|entry| entry.progress.out.len()).sum()
    }

    /// Moves a partition to another place, forwards or back, also for what is committed.
    pub fn restart(&mut self, partition: &P, start: i64) {
        if let Some(entry) = self.partitions.get_mut(partition) {
            entry.progress.restart(start);
            entry.committed = None;
        }
    }

    /// When to ask [`Ledger::take`] again.
    #[must_use]
    pub const fn due_at(&self) -> Instant {
        self.due_at
    }

    /// What to commit now, which is then in flight until [`Ledger::settle`]. Nothing if a commit
    /// is in flight, if none is due and none is `forced`, or if nothing is new.
    pub fn take(&mut self, now: Instant, forced: bool) -> Option<Vec<(P, Position)>> {
        if self.in_flight.is_some() || (now < self.due_at && !forced) {
            return None;
        }
        self.due_at = now + self.interval;
        let renew = now >= self.renew_at;
        let offsets: Vec<_> = self
            .partitions
            .iter()
            .map(|(partition, entry)| (partition, entry.progress.position(), entry.committed))
            .filter(|(_, position, committed)| {
                renew || committed.is_none_or(|committed| position.offset > committed)
            })
            .map(|(partition, position, _)| (partition.clone(), position))
            .collect();
        if offsets.is_empty() {
            return None;
        }
        if renew {
            self.renew_at = now + self.renewal;
        }
        self.in_flight = Some(offsets.clone());
        Some(offsets)
    }

    /// The commit in flight has ended; unless it was `stored`, its offsets are taken again.
    pub fn settle(&mut self, stored: bool) {
        for (partition, position) in self.in_flight.take().unwrap_or_default() {
            if let Some(entry) = self.partitions.get_mut(&partition)
                && stored
            {
                entry.committed = Some(position.offset);
            }
        }
    }

    /// Whether everything that may be committed is.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.in_flight.is_none()
            && self
                .partitions
                .values()
                .all(|entry| entry.committed.is_some_and(|c| c >= entry.progress.watermark()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A position, where nothing tells the leader epoch.
    const fn at(offset: i64) -> Position {
        Position { offset, epoch: -1 }
    }

    #[test]
    fn the_leader_epoch_is_that_of_the_offset_before_the_watermark() {
        let mut progress = Progress::new(5);
        progress.begin_epoch(i64::MIN, 1);
        assert_eq!(progress.position(), Position { offset: 5, epoch: 1 });
        progress.begin_epoch(5, 2);
        for offset in [5, 6, 9] {
            progress.hand_out(offset);
        }
        progress.begin_epoch(7, 3);
        for (done, offset, epoch) in [(6, 5, 1), (5, 9, 3), (9, 10, 3)] {
            progress.complete(done);
            assert_eq!(progress.position(), Position { offset, epoch });
        }
        (4..100).for_each(|epoch| progress.begin_epoch(9, epoch));
        assert_eq!(progress.position(), Position { offset: 10, epoch: 99 });
        assert!(progress.epochs.len() <= 2, "those before the watermark are forgotten");
        progress.restart(0);
        assert_eq!(progress.position(), at(0));
    }

    #[test]
    fn the_watermark_waits_for_the_oldest_event_that_is_not_done() {
        let mut progress = Progress::new(10);
        for offset in [10, 12, 15] {
            assert!(progress.hand_out(offset));
        }
        progress.complete(12);
        assert_eq!(progress.watermark(), 10);
        progress.complete(10);
        assert_eq!(progress.watermark(), 15, "there is no event between 12 and 15");
        progress.complete(15);
        assert_eq!(progress.watermark(), 16);
    }

    #[test]
    fn a_partition_is_drained_when_all_of_it_is_done_and_committed() {
        let now = Instant::now();
        let mut ledger = Ledger::new(SECOND, 60 * SECOND, now);
        ledger.add("p", 0, Some(0));
        assert!(ledger.is_drained(&"p"));
        ledger.progress(&"p").unwrap().hand_out(0);
        assert!(!ledger.is_idle(&"p"));
        ledger.progress(&"p").unwrap().complete(0);
        assert!(ledger.is_idle(&"p") && !ledger.is_drained(&"p"));
        assert_eq!(ledger.take(now, true), Some(vec![("p", at(1))]));
        assert!(!ledger.is_drained(&"p"), "the commit is under way");
        ledger.settle(true);
        assert!(ledger.is_drained(&"p"));
        ledger.remove(&"p");
        assert_eq!(ledger.watermark(&"p"), None);
        assert!(ledger.is_drained(&"p"));
    }

    #[test]
    fn a_gap_at_the_end_is_stepped_over_only_behind_done_events() {
        let mut progress = Progress::new(0);
        progress.hand_out(0);
        progress.skip_to(5);
        assert_eq!(progress.watermark(), 0);
        progress.complete(0);
        assert_eq!(progress.watermark(), 5);
    }

    #[test]
    fn nothing_is_committed_from_an_event_on_that_was_given_up() {
        let mut progress = Progress::new(0);
        (0..5).for_each(|offset| assert!(progress.hand_out(offset)));
        progress.complete(4);
        progress.give_up(3);
        progress.give_up(1);
        progress.complete(2);
        assert!(!progress.is_idle(), "0 is still worked on");
        progress.complete(0);
        assert!(progress.is_idle());
        assert_eq!(progress.watermark(), 1);
        progress.give_up(9);
        assert_eq!(progress.watermark(), 1);
    }

    #[test]
    fn an_event_is_handed_out_once() {
        let mut progress = Progress::new(3);
        assert!(!progress.hand_out(2));
        assert!(progress.hand_out(3));
        assert!(!progress.hand_out(3));
    }

    #[test]
    fn one_commit_is_in_flight_and_a_lost_one_is_repeated() {
        let now = Instant::now();
        let mut ledger = Ledger::new(SECOND, 100 * SECOND, now);
        ledger.add("a", 0, Some(0));
        ledger.progress(&"a").unwrap().skip_to(7);
        assert_eq!(ledger.take(now, false), None, "not due yet");
        assert_eq!(ledger.take(now + SECOND, false), Some(vec![("a", at(7))]));
        assert_eq!(ledger.take(now + 9 * SECOND, true), None, "one is in flight");
        ledger.settle(false);
        assert_eq!(ledger.take(now + 9 * SECOND, false), Some(vec![("a", at(7))]));
        ledger.settle(true);
        assert!(ledger.is_settled());
        assert_eq!(ledger.take(now + 20 * SECOND, true), None, "nothing is new");
        assert_eq!(ledger.take(now + 100 * SECOND, false), Some(vec![("a", at(7))]), "renewed");
    }

    #[test]
    fn a_partition_without_a_commit_gets_one() {
        let now = Instant::now();
        let mut ledger = Ledger::new(SECOND, 100 * SECOND, now);
        ledger.add(1, 42, None);
        assert!(!ledger.is_settled());
        assert_eq!(ledger.take(now, true), Some(vec![(1, at(42))]));
    }

    #[derive(Debug, Clone)]
    enum Step {
        HandOut(u8),
        Complete(prop::sample::Index),
        SkipTo(u8),
        Take,
        Settle(bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1_u8..4).prop_map(Step::HandOut),
            4 => any::<prop::sample::Index>().prop_map(Step::Complete),
            1 => (0_u8..3).prop_map(Step::SkipTo),
            2 => Just(Step::Take),
            2 => any::<bool>().prop_map(Step::Settle),
        ]
    }

    proptest! {
        #[test]
        fn a_commit_never_passes_an_event_that_is_not_done(
            steps in prop::collection::vec(step(), 0..300)
        ) {
            let now = Instant::now();
            let mut ledger = Ledger::new(SECOND, 1_000_000 * SECOND, now);
            ledger.add((), 0, None);
            let (mut next, mut open, mut stored, mut in_flight) = (0_i64, Vec::new(), -1_i64, None);
            for step in steps {
                let progress = ledger.progress(&()).unwrap();
                match step {
                    Step::HandOut(gap) => {
                        next += i64::from(gap);
                        prop_assert!(progress.hand_out(next - 1));
                        open.push(next - 1);
                    }
                    Step::Complete(index) if !open.is_empty() => {
                        progress.complete(open.swap_remove(index.index(open.len())));
                    }
                    Step::Complete(_) => {}
                    Step::SkipTo(gap) => {
                        next += i64::from(gap);
                        progress.skip_to(next);
                    }
                    Step::Take => if let Some(offsets) = ledger.take(now, true) {
                        let Position { offset, .. } = offsets[0].1;
                        prop_assert!(in_flight.is_none());
                        prop_assert!(offset > stored, "{offset} after {stored}");
                        prop_assert!(open.iter().all(|open| *open >= offset));
                        in_flight = Some(offset);
                    },
                    Step::Settle(ok) => {
                        ledger.settle(ok);
                        if let (true, Some(offset)) = (ok, in_flight.take()) {
                            stored = offset;
                        }
                    }
                }
                let lowest = open.iter().min().copied().unwrap_or(next);
                prop_assert_eq!(ledger.watermark(&()).unwrap(), lowest);
            }
        }
    }
}
