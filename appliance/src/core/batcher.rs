//! What one partition sends next: the queue in front of the one request in flight.
//!
//! There is no linger: an idle partition sends at once what it has, and what arrives while a
//! request is in flight makes the next batch. The load itself so chooses the batch size.
//!
//! **Invariants.** At most one batch is out at a time. Items leave in the order they came, each
//! exactly once: in a batch or as given up. A batch has at least one item, and more than one only
//! within both caps. The queue never holds more than its byte cap.
use std::collections::VecDeque;
use std::time::Instant;

/// The caps of one partition.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// The most items in one batch.
    pub batch_items_max: usize,
    /// The most bytes in one batch; a larger item travels alone.
    pub batch_bytes_max: usize,
    /// The most bytes waiting; what comes above is refused.
    pub queue_bytes_max: usize,
}

/// One item that waits, or that is in the batch in flight.
#[derive(Debug)]
pub struct Waiting<T> {
    /// What is to be sent.
    pub item: T,
    /// Its share of the caps.
    pub bytes: usize,
    /// From then on it is not sent any more.
    pub give_up_at: Instant,
}

/// The queue of one partition, and whether a batch of it is in flight.
#[derive(Debug)]
pub struct Batcher<T> {
    caps: Caps,
    queue: VecDeque<Waiting<T>>,
    queue_bytes: usize,
    in_flight: bool,
}

impl<T> Batcher<T> {
    /// An empty queue.
    #[must_use]
    pub const fn new(caps: Caps) -> Self {
        Self { caps, queue: VecDeque::new(), queue_bytes: 0, in_flight: false }
    }

    /// Takes an item in.
    ///
    /// # Errors
    /// Gives the item back when the queue is full.
    pub fn accept(&mut self, waiting: Waiting<T>) -> Result<(), Waiting<T>> {
        if self.queue_bytes.saturating_add(waiting.bytes) > self.caps.queue_bytes_max {
            return Err(waiting);
        }
        self.queue_bytes += waiting.bytes;
        self.queue.push_back(waiting);
        Ok(())
    }

    /// The next batch, which then counts as in flight until [`Batcher::complete`]. Nothing if one
    /// is in flight already, or if nothing waits.
    pub fn take(&mut self) -> Option<Vec<Waiting<T>>> {
        if self.in_flight || self.queue.is_empty() {
            return None;
        }
        let count = self.next_batch_len();
        self.in_flight = true;
        Some(self.remove_front(count))
    }

    /// The batch in flight has its outcome.
    pub const fn complete(&mut self) {
        self.in_flight = false;
    }

    /// Lowers the cap on the bytes of a batch, because a broker wants it lower.
    pub fn limit_batches(&mut self, bytes_max: usize) {
        self.caps.batch_bytes_max = self.caps.batch_bytes_max.min(bytes_max);
    }

    /// Takes out what has waited too long. Looks at the front only: items come with about the
    /// same patience, so what is behind one that may still wait may wait as well.
    pub fn give_up(&mut self, now: Instant) -> Vec<Waiting<T>> {
        let count = self.queue.iter().take_while(|waiting| waiting.give_up_at <= now).count();
        self.remove_front(count)
    }

    /// Whether nothing waits and nothing is in flight.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.in_flight
    }

    fn next_batch_len(&self) -> usize {
        let mut bytes = 0_usize;
        let fitting = self
            .queue
            .iter()
            .take(self.caps.batch_items_max)
            .take_while(|waiting| {
                bytes = bytes.saturating_add(waiting.bytes);
                bytes <= self.caps.batch_bytes_max
            })
            .count();
        fitting.max(1)
    }

    fn remove_front(&mut self, count: usize) -> Vec<Waiting<T>> {
        let removed: Vec<_> = self.queue.drain(..count.min(self.queue.len())).collect();
        self.queue_bytes -= removed.iter().map(|waiting| waiting.bytes).sum::<usize>();
        removed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const CAPS: Caps = Caps { batch_items_max: 4, batch_bytes_max: 100, queue_bytes_max: 500 };

    fn start() -> Instant {
        Instant::now()
    }

    fn waiting(item: u32, bytes: usize, give_up_at: Instant) -> Waiting<u32> {
        Waiting { item, bytes, give_up_at }
    }

    fn items(batch: &[Waiting<u32>]) -> Vec<u32> {
        batch.iter().map(|waiting| waiting.item).collect()
    }

    #[test]
    fn an_idle_partition_sends_at_once_and_coalesces_while_in_flight() {
        let (mut batcher, t) = (Batcher::new(CAPS), start());
        batcher.accept(waiting(1, 10, t)).unwrap();
        assert_eq!(items(&batcher.take().unwrap()), [1]);
        batcher.accept(waiting(2, 10, t)).unwrap();
        batcher.accept(waiting(3, 10, t)).unwrap();
        assert!(batcher.take().is_none(), "one request is in flight");
        batcher.complete();
        assert_eq!(items(&batcher.take().unwrap()), [2, 3]);
        batcher.complete();
        assert!(batcher.is_idle());
    }

    #[test]
    fn an_item_over_the_batch_cap_travels_alone() {
        let (mut batcher, t) = (Batcher::new(CAPS), start());
        for (item, bytes) in [(1, 150), (2, 60), (3, 41), (4, 1)] {
            batcher.accept(waiting(item, bytes, t)).unwrap();
        }
        for expected in [vec![1], vec![2], vec![3, 4]] {
            assert_eq!(items(&batcher.take().unwrap()), expected);
            batcher.complete();
        }
    }

    #[test]
    fn a_lowered_cap_holds_from_the_next_batch_on() {
        let (mut batcher, t) = (Batcher::new(CAPS), start());
        for item in 1..=3 {
            batcher.accept(waiting(item, 40, t)).unwrap();
        }
        batcher.limit_batches(50);
        batcher.limit_batches(500);
        assert_eq!(items(&batcher.take().unwrap()), [1], "a cap is not raised again");
    }

    #[test]
    fn a_full_queue_gives_the_item_back() {
        let (mut batcher, t) = (Batcher::new(CAPS), start());
        batcher.accept(waiting(1, 500, t)).unwrap();
        assert_eq!(batcher.accept(waiting(2, 1, t)).unwrap_err().item, 2);
        batcher.take().unwrap();
        batcher.accept(waiting(3, 500, t)).unwrap();
    }

    #[test]
    fn what_waited_too_long_is_given_up() {
        let (mut batcher, t) = (Batcher::new(CAPS), start());
        let later = t + Duration::from_secs(1);
        batcher.accept(waiting(1, 10, t)).unwrap();
        batcher.accept(waiting(2, 10, later)).unwrap();
        assert_eq!(items(&batcher.give_up(t)), [1]);
        assert!(batcher.give_up(t).is_empty());
        assert_eq!(items(&batcher.take().unwrap()), [2]);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Accept(usize),
        Take,
        Complete,
        GiveUp,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0_usize..200).prop_map(Step::Accept),
            2 => Just(Step::Take),
            2 => Just(Step::Complete),
            1 => Just(Step::GiveUp),
        ]
    }

    proptest! {
        #[test]
        fn every_accepted_item_leaves_once_and_in_order(steps in prop::collection::vec(step(), 0..200)) {
            let (mut batcher, origin) = (Batcher::new(CAPS), start());
            let (mut next, mut accepted, mut left) = (0_u32, Vec::new(), Vec::new());
            for (time, step) in steps.into_iter().enumerate() {
                let now = origin + Duration::from_millis(time as u64);
                match step {
                    Step::Accept(bytes) => {
                        let give_up_at = now + Duration::from_millis(20);
                        if batcher.accept(waiting(next, bytes, give_up_at)).is_ok() {
                            accepted.push(next);
                        }
                        next += 1;
                    }
                    Step::Take => if let Some(batch) = batcher.take() {
                        let bytes: usize = batch.iter().map(|waiting| waiting.bytes).sum();
                        prop_assert!(!batch.is_empty() && batch.len() <= CAPS.batch_items_max);
                        prop_assert!(batch.len() == 1 || bytes <= CAPS.batch_bytes_max);
                        left.extend(items(&batch));
                    },
                    Step::Complete => batcher.complete(),
                    Step::GiveUp => left.extend(items(&batcher.give_up(now))),
                }
                prop_assert!(batcher.queue_bytes <= CAPS.queue_bytes_max);
            }
            batcher.complete();
            while let Some(batch) = batcher.take() {
                left.extend(items(&batch));
                batcher.complete();
            }
            prop_assert_eq!(left, accepted);
            prop_assert_eq!(batcher.queue_bytes, 0);
        }
    }
}
