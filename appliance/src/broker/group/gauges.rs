//! How many groups and members there are, and what they take.
use std::sync::atomic::{AtomicUsize, Ordering};

use super::slot::{Counted, Inner};
use crate::broker::metrics::Metrics;

/// See the module.
#[derive(Debug)]
pub(super) struct Gauges {
    metrics: Metrics,
    bytes: AtomicUsize,
}

impl Gauges {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics, bytes: AtomicUsize::new(0) }
    }

    /// The bytes of the members of all groups.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Counts a group as it is now.
    pub(super) fn count(&self, inner: &mut Inner) {
        let group = &inner.group;
        let now = Counted {
            phase: Some(group.phase()),
            generation: group.generation(),
            members: group.members().count(),
            bytes: group.bytes(),
        };
        // A restored group's generations were counted by whoever began them.
        if inner.counted.phase.is_some() && now.generation != inner.counted.generation {
            self.metrics.group_generations.inc();
        }
        self.recount(&mut inner.counted, now);
    }

    /// A group that is gone counts no more.
    pub(super) fn forget(&self, inner: &mut Inner) {
        self.recount(&mut inner.counted, Counted::default());
    }

    fn recount(&self, counted: &mut Counted, now: Counted) {
        let before = std::mem::replace(counted, now);
        if before.phase != now.phase {
            for (phase, change) in [(before.phase, -1), (now.phase, 1)] {
                if let Some(phase) = phase {
                    self.metrics.groups(phase.name()).inc_by(change);
                }
            }
        }
        let members = i64::try_from(now.members).unwrap_or(0);
        self.metrics.group_members.inc_by(members - i64::try_from(before.members).unwrap_or(0));
        self.bytes.fetch_add(now.bytes, Ordering::Relaxed);
        self.bytes.fetch_sub(before.bytes, Ordering::Relaxed);
    }
}
