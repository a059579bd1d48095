//! Holds what the broker has against what it acknowledged and what was seen of it.
use std::collections::HashMap;

use super::copy::Copy;
use super::findings::{Findings, Sort};
use super::ledger::Acknowledged;
use super::observer::Observer;
use super::record::Stamp;
use super::shared::Shared;
use crate::failure::Outcome;
use crate::kafka::Broker;

/// What there was to read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Read {
    pub(super) records: u64,
    /// Lanes whose end was not reached, for the broker refused.
    pub(super) refused: u32,
}

/// Reads every lane, and gives how many records there are.
///
/// # Errors
/// The connection broke. What is wrong with the records goes to the findings.
pub(super) fn everything(shared: &Shared, observer: &Observer) -> Outcome<u64> {
    let read = what_is_served(shared, observer, &shared.findings)?;
    if read.refused > 0 {
        shared.findings.add(Sort::Lost, || format!("{} partitions cannot be read", read.refused));
    }
    Ok(read.records)
}

/// The same where a broker may refuse what it finds damaged: what it does give must be right.
///
/// # Errors
/// As for [`everything`].
pub(super) fn what_is_served(
    shared: &Shared,
    observer: &Observer,
    findings: &Findings,
) -> Outcome<Read> {
    // Before it is read: producers may go on meanwhile.
    let acknowledged = shared.ledger.read()?;
    let mut by_lane: HashMap<u32, Vec<Acknowledged>> = HashMap::new();
    for one in acknowledged {
        by_lane.entry(one.lane).or_default().push(one);
    }
    let mut broker = Broker::connect(shared.address)?;
    let mut read = Read::default();
    for lane in 0..shared.lanes.count() {
        let seen = observer.seen(lane);
        let place = shared.lanes.place(lane);
        let acknowledged = by_lane.remove(&lane).unwrap_or_default();
        let (copy, refused) = match Copy::read(&mut broker, place, 0) {
            Ok(copy) => copy,
            Err(failure) => {
                findings.add(Sort::Damaged, || failure.to_string());
                broker = Broker::connect(shared.address)?;
                continue;
            }
        };
        read.records += copy.stamps.len() as u64;
        read.refused += u32::from(refused.is_some());
        let until = refused.map_or(i64::MAX, |_| copy.end());
        let check = Check { place, lane, copy: &copy, until, findings };
        check.order();
        check.acknowledged(&acknowledged);
        check.seen(&seen);
    }
    Ok(read)
}

struct Check<'a> {
    place: (&'a str, i32),
    lane: u32,
    copy: &'a Copy,
    /// Beyond it nothing was given.
    until: i64,
    findings: &'a Findings,
}

impl Check<'_> {
    /// The records of each producer are there once, in the order in which they were sent,
    /// acknowledged or not.
    fn order(&self) {
        let mut next: HashMap<u32, i32> = HashMap::new();
        for (offset, stamp) in (self.copy.start..).zip(&self.copy.stamps) {
            let Some(Stamp { producer, sequence, .. }) = stamp.filter(|s| s.lane == self.lane)
            else {
                self.add(Sort::Damaged, offset, || "not what any producer sent".to_owned());
                continue;
            };
            let expected = next.entry(producer).or_default();
            if sequence != *expected {
                let sort = if sequence < *expected { Sort::Twice } else { Sort::OutOfOrder };
                self.add(sort, offset, || {
                    format!("producer {producer}'s {sequence}, expected {expected}")
                });
            }
            *expected = (*expected).max(sequence.saturating_add(1));
        }
    }

    fn acknowledged(&self, acknowledged: &[Acknowledged]) {
        for one in acknowledged {
            let Acknowledged { producer, lane, first_sequence, records, base_offset } = *one;
            for n in 0..records {
                let sequence = first_sequence.saturating_add(n);
                let offset = base_offset.saturating_add(n.into());
                let stamp = Stamp { producer, lane, sequence };
                if offset < self.until && self.copy.at(offset) != Some(stamp) {
                    self.add(Sort::Lost, offset, || {
                        format!(
                            "producer {producer}'s {sequence} was acknowledged; the end is {}, \
                             there is {:?}",
                            self.copy.end(),
                            self.copy.at(offset)
                        )
                    });
                }
            }
        }
    }

    fn seen(&self, seen: &Copy) {
        for (offset, stamp) in (seen.start..).zip(&seen.stamps) {
            if offset < self.until && self.copy.at(offset) != *stamp {
                self.add(Sort::Lost, offset, || {
                    format!("a consumer saw {stamp:?}; the end is {}", self.copy.end())
                });
            }
        }
    }

    fn add(&self, sort: Sort, offset: i64, what: impl FnOnce() -> String) {
        let (topic, partition) = self.place;
        self.findings.add(sort, || format!("{topic} {partition} at {offset}: {}", what()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(sequences: &[i32]) -> Copy {
        let stamp = |sequence: &i32| Some(Stamp { producer: 1, lane: 0, sequence: *sequence });
        Copy { start: 0, stamps: sequences.iter().map(stamp).collect() }
    }

    fn found(copy: &Copy, check: impl FnOnce(&Check<'_>)) -> Vec<(Sort, u64)> {
        let findings = Findings::default();
        check(&Check { place: ("t", 0), lane: 0, copy, until: i64::MAX, findings: &findings });
        let sorts = [Sort::Lost, Sort::Twice, Sort::OutOfOrder, Sort::Damaged, Sort::Wrong];
        let counts = sorts.map(|sort| (sort, findings.count(sort)));
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    fn order(check: &Check<'_>) {
        check.order();
    }

    #[test]
    fn what_is_there_once_and_in_order_is_fine() {
        let copy = stamps(&[0, 1, 2]);
        assert_eq!(found(&copy, order), []);
        assert_eq!(found(&copy, |check| check.seen(&stamps(&[0, 1]))), []);
    }

    #[test]
    fn a_record_that_is_there_twice_and_one_that_is_left_out_are_told_apart() {
        assert_eq!(found(&stamps(&[0, 1, 1, 2]), order), [(Sort::Twice, 1)]);
        assert_eq!(found(&stamps(&[0, 2]), order), [(Sort::OutOfOrder, 1)]);
    }

    #[test]
    fn a_damaged_record_and_one_of_another_lane_are_found() {
        let mut copy = stamps(&[0, 1]);
        copy.stamps[0] = None;
        copy.stamps.push(Some(Stamp { producer: 1, lane: 9, sequence: 2 }));
        assert!(found(&copy, order).contains(&(Sort::Damaged, 2)));
    }

    #[test]
    fn what_was_acknowledged_and_is_elsewhere_or_nowhere_is_lost() {
        let one = |base_offset| Acknowledged {
            producer: 1,
            lane: 0,
            first_sequence: 0,
            records: 2,
            base_offset,
        };
        let copy = stamps(&[0, 1]);
        assert_eq!(found(&copy, |check| check.acknowledged(&[one(0)])), []);
        assert_eq!(found(&copy, |check| check.acknowledged(&[one(1)])), [(Sort::Lost, 2)]);
        assert_eq!(found(&copy, |check| check.seen(&stamps(&[0, 1, 2]))), [(Sort::Lost, 1)]);
    }
}
