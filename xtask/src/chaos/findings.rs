//! What must not happen, and did.
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many of a sort are told in words; the others are counted.
const TOLD_MAX: usize = 5;

/// In which way a promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    /// Acknowledged, and not there.
    Lost,
    /// There more than once.
    Twice,
    /// There, but not in the order in which it was sent.
    OutOfOrder,
    /// Served with other bytes than were sent.
    Damaged,
    /// Anything else that should not be: a wrong answer, a start that fails, too late.
    Wrong,
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost => "lost",
            Self::Twice => "twice",
            Self::OutOfOrder => "out of order",
            Self::Damaged => "damaged",
            Self::Wrong => "wrong",
        })
    }
}

/// Collected by everyone at the same time.
#[derive(Debug, Default)]
pub(super) struct Findings(Mutex<BTreeMap<Sort, (u64, Vec<String>)>>);

impl Findings {
    pub(super) fn add(&self, sort: Sort, what: impl FnOnce() -> String) {
        let mut findings = self.lock();
        let (count, told) = findings.entry(sort).or_default();
        *count += 1;
        if told.len() < TOLD_MAX {
            told.push(what());
        }
    }

    /// Takes over what another collected.
    pub(super) fn extend(&self, other: &Self) {
        let mut findings = self.lock();
        for (sort, (count, told)) in other.lock().iter() {
            let (all, words) = findings.entry(*sort).or_default();
            *all += count;
            let room = TOLD_MAX.saturating_sub(words.len());
            words.extend(told.iter().take(room).cloned());
        }
    }

    pub(super) fn count(&self, sort: Sort) -> u64 {
        self.lock().get(&sort).map_or(0, |(count, _)| *count)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Sort, (u64, Vec<String>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (sort, (count, told)) in self.lock().iter() {
            for what in told {
                writeln!(f, "  {sort}: {what}")?;
            }
            let more = count - told.len() as u64;
            if more > 0 {
                writeln!(f, "  {sort}: {more} more")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_told_and_all_are_counted() {
        let findings = Findings::default();
        for n in 0..8 {
            findings.add(Sort::Lost, || format!("record {n}"));
        }
        let all = Findings::default();
        all.extend(&findings);
        assert_eq!((all.count(Sort::Lost), all.count(Sort::Twice)), (8, 0));
        let text = all.to_string();
        assert!(text.contains("lost: record 4") && text.contains("lost: 3 more"), "{text}");
    }
}
