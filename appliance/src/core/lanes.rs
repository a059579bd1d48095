//! Items that keep their order within a lane, while lanes do not wait for each other.
//!
//! **Invariants.** The items of a lane are taken in the order in which they came. A lane whose
//! items were taken, or that waits for its next try, gives none. Every item is taken as often as
//! it is put in or given back. Lanes that are ready take turns.
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

/// Lanes of items to work on.
#[derive(Debug)]
pub struct Lanes<T> {
    /// Those with items, and those whose items were taken.
    lanes: HashMap<u64, Lane<T>>,
    ready: VecDeque<u64>,
    waiting: BTreeSet<(Instant, u64)>,
}

#[derive(Debug)]
struct Lane<T> {
    items: VecDeque<T>,
    tries: u32,
}

/// Items that were taken from a lane; [`Lanes::settle`] must follow.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken<T> {
    /// From which lane.
    pub lane: u64,
    /// The first of its items; at least one.
    pub items: Vec<T>,
    /// How often the first of them was tried before.
    pub tries: u32,
}

/// When a lane goes on whose items were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// At once: its first item was not tried yet.
    Fresh,
    /// Then: its first item was tried so often.
    Retry {
        /// How often.
        tries: u32,
        /// Not before this.
        at: Instant,
    },
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self { lanes: HashMap::new(), ready: VecDeque::new(), waiting: BTreeSet::new() }
    }
}

impl<T> Lanes<T> {
    /// Puts an item at the end of a lane.
    pub fn push(&mut self, lane: u64, item: T) {
        let entry = self.lanes.entry(lane).or_insert_with(|| {
            self.ready.push_back(lane);
            Lane { items: VecDeque::new(), tries: 0 }
        });
        entry.items.push_back(item);
    }

    /// The first items, at most `items_max`, of the lane whose turn it is. Nothing if no lane is
    /// ready.
    pub fn take(&mut self, items_max: usize) -> Option<Taken<T>> {
        let lane = self.ready.pop_front()?;
        let entry = self.lanes.get_mut(&lane)?;
        let count = entry.items.len().min(items_max.max(1));
        let items = entry.items.drain(..count).collect();
        Some(Taken { lane, items, tries: std::mem::take(&mut entry.tries) })
    }

    /// The lane from which items were taken goes on, with those that are not done before all others.
    pub fn settle(&mut self, lane: u64, not_done: impl DoubleEndedIterator<Item = T>, next: Next) {
        let Some(entry) = self.lanes.get_mut(&lane) else { return };
        not_done.rev().for_each(|item| entry.items.push_front(item));
        if entry.items.is_empty() {
            self.lanes.remove(&lane);
            return;
        }
        match next {
            Next::Fresh => self.ready.push_back(lane),
            Next::Retry { tries, at } => {
                entry.tries = tries;
                self.waiting.insert((at, lane));
            }
        }
    }

    /// Takes out, for good, the items that `is_out` names, whenever their turn would be. Those that
    /// were taken are not among them.
    pub fn take_out(&mut self, is_out: impl Fn(&T) -> bool) -> Vec<T> {
        let mut removed = Vec::new();
        for entry in self.lanes.values_mut() {
            if entry.items.front().is_some_and(&is_out) {
                entry.tries = 0;
            }
            let items = std::mem::take(&mut entry.items).into_iter();
            let (out, kept): (VecDeque<T>, _) = items.partition(&is_out);
            entry.items = kept;
            removed.extend(out);
        }
        let lanes = &mut self.lanes;
        let mut has_items = |lane: &u64| {
            let empty = lanes.get(lane).is_none_or(|entry| entry.items.is_empty());
            if empty {
                lanes.remove(lane);
            }
            !empty
        };
        self.ready.retain(&mut has_items);
        self.waiting.retain(|(_, lane)| has_items(lane));
        removed
    }

    /// Lanes that have waited until `now` are ready. Tells whether any lane is.
    pub fn wake(&mut self, now: Instant) -> bool {
        while let Some(&(at, lane)) = self.waiting.first()
            && at <= now
        {
            self.waiting.pop_first();
            self.ready.push_back(lane);
        }
        !self.ready.is_empty()
    }

    /// When the first waiting lane becomes ready.
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        self.waiting.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn taken<T>(lanes: &mut Lanes<T>) -> (u64, Vec<T>, u32) {
        let taken = lanes.take(usize::MAX).expect("a lane is ready");
        (taken.lane, taken.items, taken.tries)
    }

    #[test]
    fn what_is_tried_again_holds_up_its_own_lane_only() {
        let (now, mut lanes) = (Instant::now(), Lanes::default());
        for (lane, item) in [(1, "a"), (2, "x"), (1, "b")] {
            lanes.push(lane, item);
        }
        assert_eq!(taken(&mut lanes), (1, vec!["a", "b"], 0));
        let at = now + SECOND;
        lanes.settle(1, ["a", "b"].into_iter(), Next::Retry { tries: 1, at });
        assert_eq!(taken(&mut lanes), (2, vec!["x"], 0));
        lanes.settle(2, [].into_iter(), Next::Fresh);
        lanes.push(1, "c");
        assert!(!lanes.wake(now), "lane 1 waits");
        assert_eq!(lanes.wake_at(), Some(at));
        assert!(lanes.wake(at));
        assert_eq!(taken(&mut lanes), (1, vec!["a", "b", "c"], 1));
    }

    #[test]
    fn tries_are_those_of_the_first_item() {
        let (now, mut lanes) = (Instant::now(), Lanes::default());
        lanes.push(1, "a");
        lanes.take(1);
        lanes.settle(1, ["a"].into_iter(), Next::Retry { tries: 5, at: now });
        lanes.push(1, "b");
        lanes.wake(now);
        assert_eq!(lanes.take(1).unwrap().tries, 5);
        lanes.settle(1, [].into_iter(), Next::Fresh);
        assert_eq!(taken(&mut lanes), (1, vec!["b"], 0));
    }

    #[test]
    fn lanes_take_turns() {
        let mut lanes = Lanes::default();
        for (lane, item) in [(1, "a"), (1, "b"), (2, "x")] {
            lanes.push(lane, item);
        }
        let mut order = Vec::new();
        while let Some(taken) = lanes.take(1) {
            lanes.settle(taken.lane, [].into_iter(), Next::Fresh);
            order.extend(taken.items);
        }
        assert_eq!(order, ["a", "x", "b"]);
    }

    #[test]
    fn what_is_taken_out_does_not_come_and_the_rest_does() {
        let (now, mut lanes) = (Instant::now(), Lanes::default());
        for (lane, item) in [(1, "out 1"), (2, "out 2"), (3, "c"), (4, "out 4"), (4, "d")] {
            lanes.push(lane, item);
        }
        lanes.take(1);
        let again = Next::Retry { tries: 7, at: now };
        lanes.settle(1, ["out 1"].into_iter(), again);
        assert_eq!(taken(&mut lanes), (2, vec!["out 2"], 0));
        lanes.push(2, "out 3");
        let mut out = lanes.take_out(|item| item.starts_with("out"));
        out.sort_unstable();
        assert_eq!(out, ["out 1", "out 3", "out 4"], "not the one that is being tried");
        lanes.settle(2, ["out 2"].into_iter(), Next::Fresh);
        lanes.push(1, "a");
        assert_eq!(lanes.wake_at(), None);
        let rest: Vec<_> =
            std::iter::from_fn(|| lanes.take(9)).map(|t| (t.items, t.tries)).collect();
        assert_eq!(rest, [(vec!["c"], 0), (vec!["d"], 0), (vec!["out 2"], 0), (vec!["a"], 0)]);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(u64),
        Take(usize),
        /// So many of the taken items are done; the others are tried again.
        Settle(usize),
        Wait,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0_u64..3).prop_map(Step::Push),
            3 => (1_usize..4).prop_map(Step::Take),
            3 => (0_usize..4).prop_map(Step::Settle),
            1 => Just(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn each_item_is_done_once_and_in_the_order_of_its_lane(
            steps in prop::collection::vec(step(), 0..200)
        ) {
            let mut now = Instant::now();
            let (mut lanes, mut pushed) = (Lanes::default(), Vec::new());
            let (mut done, mut out) = (Vec::new(), VecDeque::new());
            let end = [Step::Settle(9), Step::Wait, Step::Take(9)].into_iter().cycle().take(2_000);
            for step in steps.into_iter().chain(end) {
                match step {
                    Step::Push(lane) => {
                        pushed.push((lane, pushed.len()));
                        lanes.push(lane, pushed.len() - 1);
                    }
                    Step::Take(items_max) => if let Some(taken) = lanes.take(items_max) {
                        prop_assert!((1..=items_max).contains(&taken.items.len()));
                        prop_assert!(out.iter().all(|o: &Taken<usize>| o.lane != taken.lane));
                        out.push_back(taken);
                    },
                    Step::Settle(count) => if let Some(mut taken) = out.pop_front() {
                        let rest = taken.items.split_off(count.min(taken.items.len()));
                        done.extend(taken.items.into_iter().map(|item| (taken.lane, item)));
                        let next = Next::Retry { tries: taken.tries + 1, at: now + SECOND };
                        lanes.settle(taken.lane, rest.into_iter(), next);
                    },
                    Step::Wait => {
                        now += SECOND;
                        lanes.wake(now);
                    }
                }
            }
            for lane in 0..3 {
                let of = |items: &[(u64, usize)]| -> Vec<usize> {
                    items.iter().filter(|(l, _)| *l == lane).map(|(_, item)| *item).collect()
                };
                prop_assert_eq!(of(&done), of(&pushed));
            }
        }
    }
}
