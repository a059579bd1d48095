//! Every group of this broker.
//!
//! **Invariants.** A group is changed under its own lock only, which is never held across a wait.
//! What a group wants stored is handed to the log in the order in which it wanted it, and a
//! generation's assignments are given out only when they are durable. A client that goes away
//! while it waits leaves nothing behind: its member is silent from then on.
use std::collections::HashMap;
use std::sync::Arc;

use pagi_protocol::kafka::error_code::KafkaCode;
use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio::time::Instant;
use tracing::{info, warn};

use super::gauges::Gauges;
use super::slot::{Inner, Slot, Waiting};
use super::timers::Timers;
use crate::broker::metrics::Metrics;
use crate::broker::store::clock;
use crate::broker::store::writer::Command;
use crate::broker::store::{Ended, Store};
use crate::core::group::answer::{Answer, Effects};
use crate::core::group::state::{Group, Phase};
use crate::core::log::group_metadata::GroupMetadata;
use crate::core::log::state::Refusal;
use crate::limits::{GROUPS_BYTES_MAX, GROUPS_MAX};
use crate::shutdown::Shutdown;

/// See the module.
#[derive(Debug)]
pub struct Coordinator {
    store: Store,
    groups: Mutex<HashMap<Arc<str>, Arc<Slot>>>,
    timers: Timers,
    gauges: Gauges,
    started: Instant,
}

impl Coordinator {
    /// The groups that the log holds; their members' sessions begin anew.
    #[must_use]
    pub fn new(store: Store, metrics: Metrics) -> Self {
        let coordinator = Self {
            store,
            groups: Mutex::default(),
            timers: Timers::default(),
            gauges: Gauges::new(metrics),
            started: Instant::now(),
        };
        let now_ms = coordinator.now_ms();
        for stored in coordinator.store.view().groups.all_metadata() {
            let id: Arc<str> = stored.group.as_str().into();
            let slot = Arc::new(Slot::new(Group::restored(&stored, now_ms)));
            coordinator.changed(&id, &mut slot.lock());
            coordinator.groups.lock().insert(id, slot);
        }
        coordinator
    }

    /// Lets a request join, sync or otherwise wait: `event` is given where its answer goes.
    ///
    /// # Errors
    /// The code to answer with when there is no such group, and `create` is not wanted or not
    /// possible.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        group: &str,
        create: bool,
        event: impl FnOnce(&mut Group<Waiting>, Waiting, i64) -> Effects<Waiting> + Send,
    ) -> Result<oneshot::Receiver<Answer>, KafkaCode> {
        let (waiting, answer) = oneshot::channel();
        self.change(group, create, |group, now_ms| (event(group, waiting, now_ms), ())).await?;
        Ok(answer)
    }

    /// Changes a group, and carries out what follows from it.
    ///
    /// # Errors
    /// As for [`Coordinator::ask`].
    pub(crate) async fn change<R>(
        self: &Arc<Self>,
        group: &str,
        create: bool,
        event: impl FnOnce(&mut Group<Waiting>, i64) -> (Effects<Waiting>, R) + Send,
    ) -> Result<R, KafkaCode> {
        let mut event = Some(event);
        loop {
            let (id, slot) = self.slot(group, create)?;
            let in_order = slot.in_order().await;
            let now_ms = self.now_ms();
            let (store, result) = {
                let mut inner = slot.lock();
                if inner.gone {
                    continue;
                }
                // It is there until it is taken, and the loop ends then.
                let Some(event) = event.take() else { return Err(KafkaCode::UnknownServerError) };
                let (effects, result) = event(&mut inner.group, now_ms);
                let store = send(effects);
                self.changed(&id, &mut inner);
                (store, result)
            };
            if let Some(metadata) = store {
                self.persist(id, slot, metadata, in_order);
            }
            return Ok(result);
        }
    }

    /// Looks at a group, if it is there.
    pub(crate) fn look<R>(
        &self,
        group: &str,
        look: impl FnOnce(&Group<Waiting>) -> R,
    ) -> Option<R> {
        let slot = self.groups.lock().get(group).cloned()?;
        let inner = slot.lock();
        Some(look(&inner.group))
    }

    /// The ids of all groups that have or had members.
    pub(crate) fn ids(&self) -> Vec<Arc<str>> {
        self.groups.lock().keys().cloned().collect()
    }

    /// Forgets a group that has no members, with all its progress. It is durable when this returns.
    ///
    /// # Errors
    /// The code to answer with.
    pub(crate) async fn delete(&self, group: &str) -> Result<(), KafkaCode> {
        let slot = self.groups.lock().get(group).cloned();
        // Whoever wants to join meanwhile waits, and begins anew.
        let _in_order = match &slot {
            Some(slot) => Some(slot.in_order().await),
            None => None,
        };
        if slot.as_ref().is_some_and(|slot| slot.lock().group.phase() != Phase::Empty) {
            return Err(KafkaCode::NonEmptyGroup);
        }
        match self.store.execute(Command::DeleteGroup(group.to_owned())).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(Ended) => return Err(KafkaCode::CoordinatorNotAvailable),
        }
        if let Some(slot) = slot {
            self.drop_slot(group, &mut slot.lock());
        }
        Ok(())
    }

    /// Lets time pass for the groups until the process stops.
    pub async fn run(self: Arc<Self>, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = self.timers.wait(self.now_ms()) => {}
                () = shutdown.requested() => return,
            }
            for (at_ms, group) in self.timers.take_due(self.now_ms()) {
                self.tick(at_ms, &group).await;
            }
        }
    }

    async fn tick(self: &Arc<Self>, at_ms: i64, group: &Arc<str>) {
        let Some(slot) = self.groups.lock().get(group).cloned() else { return };
        let in_order = slot.in_order().await;
        let store = {
            let mut inner = slot.lock();
            if inner.timer_ms == Some(at_ms) {
                inner.timer_ms = None;
            }
            let before = inner.group.members().count();
            let effects = inner.group.tick(self.now_ms());
            let gone = before.saturating_sub(inner.group.members().count());
            if gone > 0 {
                info!(%group, members = gone, "group members are gone: they were silent");
            }
            let store = send(effects);
            if inner.group.is_blank() && store.is_none() {
                self.drop_slot(group, &mut inner);
            } else {
                self.changed(group, &mut inner);
            }
            store
        };
        if let Some(metadata) = store {
            self.persist(Arc::clone(group), Arc::clone(&slot), metadata, in_order);
        }
    }

    fn slot(&self, group: &str, create: bool) -> Result<(Arc<str>, Arc<Slot>), KafkaCode> {
        let mut groups = self.groups.lock();
        if let Some((id, slot)) = groups.get_key_value(group) {
            return Ok((Arc::clone(id), Arc::clone(slot)));
        }
        if !create {
            return Err(KafkaCode::UnknownMemberId);
        }
        if groups.len() >= GROUPS_MAX || self.gauges.bytes() > GROUPS_BYTES_MAX {
            return Err(KafkaCode::CoordinatorNotAvailable);
        }
        let id: Arc<str> = group.into();
        let slot = Arc::new(Slot::new(Group::new(group.to_owned())));
        groups.insert(Arc::clone(&id), Arc::clone(&slot));
        Ok((id, slot))
    }

    fn drop_slot(&self, group: &str, inner: &mut Inner) {
        inner.gone = true;
        self.gauges.forget(inner);
        self.groups.lock().remove(group);
    }

    /// Milliseconds of a clock that nobody sets: sessions must not end because somebody does.
    fn now_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// One timer for each group is enough: one that goes off too early is set again.
    fn changed(&self, id: &Arc<str>, inner: &mut Inner) {
        self.gauges.count(inner);
        let Some(deadline_ms) = inner.group.next_deadline_ms() else { return };
        if inner.timer_ms.is_none_or(|set_ms| deadline_ms < set_ms) {
            inner.timer_ms = Some(deadline_ms);
            self.timers.set(deadline_ms, Arc::clone(id));
        }
    }

    /// Stores, and goes on when that is done. It is a task of its own, for whoever asked may go.
    fn persist(
        self: &Arc<Self>,
        id: Arc<str>,
        slot: Arc<Slot>,
        mut metadata: Box<GroupMetadata>,
        in_order: OwnedMutexGuard<()>,
    ) {
        let coordinator = Arc::clone(self);
        tokio::spawn(async move {
            let generation = metadata.generation;
            metadata.stored_ms = clock::now_ms();
            let stored = match coordinator.store.execute(Command::StoreGroup(metadata)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(refusal)) => {
                    warn!(group = %id, %refusal, "the members of a group could not be stored");
                    Err(code_of(refusal))
                }
                Err(Ended) => Err(KafkaCode::CoordinatorNotAvailable),
            };
            let mut inner = slot.lock();
            let effects = inner.group.stored(generation, stored, coordinator.now_ms());
            // Nothing more is stored because of this.
            drop(send(effects));
            coordinator.changed(&id, &mut inner);
            drop(inner);
            drop(in_order);
        });
    }
}

const fn code_of(refusal: Refusal) -> KafkaCode {
    match refusal {
        Refusal::BatchTooLarge => KafkaCode::UnknownServerError,
        _ => KafkaCode::CoordinatorNotAvailable,
    }
}

/// Answers those who need wait no longer; gives what is to be stored.
fn send(effects: Effects<Waiting>) -> Option<Box<GroupMetadata>> {
    for (waiting, answer) in effects.answers {
        // A client that went away meanwhile is found to be silent.
        let _ = waiting.send(answer);
    }
    effects.store
}
