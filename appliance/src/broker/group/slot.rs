//! One group with the requests that wait for it.
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OwnedMutexGuard, oneshot};

use crate::core::group::answer::Answer;
use crate::core::group::state::{Group, Phase};

/// A request that waits: where its answer goes.
pub(super) type Waiting = oneshot::Sender<Answer>;

/// See the module.
#[derive(Debug)]
pub(super) struct Slot {
    inner: Mutex<Inner>,
    /// Held while something of the group is being stored: all of it is, in its order.
    storing: Arc<tokio::sync::Mutex<()>>,
}

/// What the lock of a group guards.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) group: Group<Waiting>,
    /// When the timer of this group goes off, if one is set.
    pub(super) timer_ms: Option<i64>,
    /// How it was counted last.
    pub(super) counted: Counted,
    /// Nobody may come any more: it is no longer among the groups.
    pub(super) gone: bool,
}

/// How a group was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// `None` before the first time.
    pub(super) phase: Option<Phase>,
    pub(super) generation: i32,
    pub(super) members: usize,
    pub(super) bytes: usize,
}

impl Slot {
    pub(super) fn new(group: Group<Waiting>) -> Self {
        let inner =
            Mutex::new(Inner { group, timer_ms: None, counted: Counted::default(), gone: false });
        Self { inner, storing: Arc::default() }
    }

    pub(super) async fn in_order(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.storing).lock_owned().await
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}
