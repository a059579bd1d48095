//! Gives events to handlers: which one when, how often, and when to give up.
//!
//! **Invariants.** Events of one lane reach a handler in their order, one try at a time. A lane is
//! a partition, or a key of a partition. An event is settled when a handler said that it is done,
//! or when it is stored as a dead letter; otherwise only when it is to be given up. After the
//! consumer has closed the way in, nothing more is begun. What is with the handlers is bounded in bytes.
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::task::JoinSet;

use super::dead_letters::DeadLetters;
use super::event::Event;
use super::handler::{Answer, Handler, HandlerError};
use super::sync::random;
use super::topic_partition::TopicPartition;
use crate::core::lanes::{Lanes, Next, Taken};
use crate::core::retry::Backoff;
use crate::limits::{
    HANDLER_BYTES_MAX, HANDLER_QUEUE_MAX, HANDLER_RETRY_AFTER_MAX, HANDLER_RETRY_FIRST,
    HANDLER_RETRY_MAX,
};

/// What keeps its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// All events of a partition; one batch is with the handler at a time.
    Partition,
    /// The events of a partition with one key; those without a key have no order.
    Key,
}

/// What became of events.
#[derive(Debug)]
pub(super) enum Settled {
    /// They are done or dead letters; all are of one partition.
    Done(Vec<Event>),
    /// They were given up before a try, as it was asked for.
    GivenUp(Vec<Event>),
}

/// What became of events, or why a handler cannot go on.
type Outcome = Result<Settled, HandlerError>;

/// What a worker is told.
enum Message {
    Events(Vec<(u64, Event)>),
    GiveUp(Arc<BTreeSet<TopicPartition>>),
}

/// The handlers at work. Dropping it ends them at once.
pub(super) struct Delivery {
    order: Order,
    workers: Vec<mpsc::Sender<Message>>,
    outcomes: mpsc::Receiver<Outcome>,
    tasks: JoinSet<()>,
    dead_letters: Arc<DeadLetters>,
    /// Of the events that are not settled.
    bytes: usize,
}

impl Delivery {
    /// Starts a task for each handler.
    pub(super) fn start<H: Handler>(
        handlers: Vec<H>,
        order: Order,
        tries_max: u32,
        dead_letters: DeadLetters,
    ) -> Self {
        let (sender, outcomes) = mpsc::channel(handlers.len().max(1));
        let dead_letters = Arc::new(dead_letters);
        let mut tasks = JoinSet::new();
        let workers = handlers.into_iter().map(|handler| {
            let (to_worker, inbox) = mpsc::channel(HANDLER_QUEUE_MAX);
            let worker = Worker {
                handler,
                inbox,
                lanes: Lanes::default(),
                outcomes: sender.clone(),
                tries_max,
                dead_letters: Arc::clone(&dead_letters),
            };
            tasks.spawn(worker.run());
            to_worker
        });
        let workers = workers.collect();
        Self { order, workers, outcomes, tasks, dead_letters, bytes: 0 }
    }

    /// Whether every event is settled.
    pub(super) const fn is_idle(&self) -> bool {
        self.bytes == 0
    }

    /// Whether more events may be given.
    pub(super) const fn has_room(&self) -> bool {
        match self.order {
            Order::Partition => self.is_idle(),
            Order::Key => self.bytes < HANDLER_BYTES_MAX,
        }
    }

    /// How many events became dead letters.
    pub(super) fn dead_letters(&self) -> u64 {
        self.dead_letters.count()
    }

    /// Gives events of one partition, in their order.
    pub(super) fn give(&mut self, events: Vec<Event>) {
        let mut shares: Vec<_> = self.workers.iter().map(|_| Vec::new()).collect();
        for event in events {
            self.bytes += event.size_bytes();
            let lane = lane(self.order, &event);
            if let Some(share) = shares.get_mut(worker_of(lane, self.workers.len())) {
                share.push((lane, event));
            }
        }
        for (worker, share) in self.workers.iter().zip(shares) {
            if !share.is_empty() {
                // There is room for as many as the bytes allow; and should it have ended, its
                // outcome says so.
                let _ = worker.try_send(Message::Events(share));
            }
        }
    }

    /// Gives up what is not being tried of these partitions: others have them.
    pub(super) fn give_up(&self, partitions: BTreeSet<TopicPartition>) {
        let partitions = Arc::new(partitions);
        for worker in &self.workers {
            // Should it have ended, its outcome says so.
            let _ = worker.try_send(Message::GiveUp(Arc::clone(&partitions)));
        }
    }

    /// The next events that are settled. Nothing is lost when this is not waited for to its end.
    pub(super) async fn settled(&mut self) -> Outcome {
        let outcome = tokio::select! {
            biased;
            Some(outcome) = self.outcomes.recv() => outcome,
            _ = self.tasks.join_next() => {
                Err(HandlerError::Failed("a handler ended early".to_owned()))
            }
        };
        if let Ok(Settled::Done(events) | Settled::GivenUp(events)) = &outcome {
            self.bytes -= events.iter().map(Event::size_bytes).sum::<usize>();
        }
        outcome
    }

    /// Begins nothing more. What is settled from then on, until there is no more.
    pub(super) async fn finish(&mut self) -> Option<Outcome> {
        self.workers.clear();
        self.outcomes.recv().await
    }
}

/// The lane of an event.
fn lane(order: Order, event: &Event) -> u64 {
    let mut hasher = DefaultHasher::new();
    (event.topic.as_str(), event.partition).hash(&mut hasher);
    match (order, &event.key) {
        (Order::Partition, _) => {}
        (Order::Key, Some(key)) => key.hash(&mut hasher),
        (Order::Key, None) => event.offset.hash(&mut hasher),
    }
    hasher.finish()
}

/// The worker that takes a lane, by its index.
fn worker_of(lane: u64, workers: usize) -> usize {
    let workers = u64::try_from(workers).unwrap_or(u64::MAX).max(1);
    usize::try_from(lane % workers).unwrap_or_default()
}

/// The task of one handler.
struct Worker<H> {
    handler: H,
    inbox: mpsc::Receiver<Message>,
    lanes: Lanes<Event>,
    outcomes: mpsc::Sender<Outcome>,
    tries_max: u32,
    dead_letters: Arc<DeadLetters>,
}

impl<H: Handler> Worker<H> {
    /// Works until there is nothing more to come, or until the handler cannot go on.
    async fn run(mut self) {
        while self.next_is_there().await {
            let Some(taken) = self.lanes.take(self.handler.events_max()) else { continue };
            if let Err(error) = self.work(taken).await {
                // Nobody listens any more if the consumer has stopped meanwhile.
                let _ = self.outcomes.send(Err(error)).await;
                return;
            }
        }
    }

    /// Waits until there is something to do. Tells `false` when nothing more is to be begun.
    async fn next_is_there(&mut self) -> bool {
        loop {
            loop {
                match self.inbox.try_recv() {
                    Ok(message) => self.heed(message).await,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return false,
                }
            }
            if self.lanes.wake(Instant::now()) {
                return true;
            }
            let woken = async {
                match self.lanes.wake_at() {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                message = self.inbox.recv() => match message {
                    Some(message) => self.heed(message).await,
                    None => return false,
                },
                () = woken => {}
            }
        }
    }

    async fn heed(&mut self, message: Message) {
        match message {
            Message::Events(events) => {
                for (lane, event) in events {
                    self.lanes.push(lane, event);
                }
            }
            Message::GiveUp(partitions) => {
                let given_up = self.lanes.take_out(|event| {
                    let Event { topic, partition, .. } = event;
                    let id = TopicPartition { topic: topic.clone(), partition: *partition };
                    partitions.contains(&id)
                });
                self.report(Settled::GivenUp(given_up)).await;
            }
        }
    }

    /// One try of the events that were taken from a lane.
    async fn work(&mut self, taken: Taken<Event>) -> Result<(), HandlerError> {
        let Taken { lane, items, mut tries } = taken;
        let answers = self.handler.handle(&items).await?;
        if answers.is_empty() {
            return Err(HandlerError::Failed("the handler gave no answer".to_owned()));
        }
        let mut items = items.into_iter();
        let mut settled = Vec::new();
        let mut next = (None, Next::Fresh);
        for (answer, event) in answers.into_iter().zip(items.by_ref()) {
            tries = tries.saturating_add(1);
            match judge(answer, tries, self.tries_max, random()) {
                Verdict::Done => settled.push(event),
                Verdict::Again { why, wait } => {
                    let Event { topic, partition, offset, .. } = &event;
                    tracing::debug!(%topic, partition, offset, tries, why, ?wait, "tried again");
                    let at = Instant::now() + wait;
                    next = (Some(event), Next::Retry { tries, at });
                    break;
                }
                Verdict::DeadLetter { reason } => {
                    // What is done is not to wait for a broker that may be away.
                    self.report(Settled::Done(std::mem::take(&mut settled))).await;
                    self.dead_letters.bury(&event, &reason, tries).await?;
                    settled.push(event);
                }
            }
            tries = 0;
        }
        self.report(Settled::Done(settled)).await;
        let (again, next) = next;
        self.lanes.settle(lane, again.into_iter().chain(items), next);
        Ok(())
    }

    async fn report(&mut self, settled: Settled) {
        if let Settled::Done(events) | Settled::GivenUp(events) = &settled
            && !events.is_empty()
        {
            // Nobody listens any more if the consumer has stopped: they come again.
            let _ = self.outcomes.send(Ok(settled)).await;
        }
    }
}

/// What becomes of an event after a try.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Done,
    Again { why: String, wait: Duration },
    DeadLetter { reason: String },
}

/// The verdict on an event after `tries` tries, the last of which was answered so.
fn judge(answer: Answer, tries: u32, tries_max: u32, random: u32) -> Verdict {
    match answer {
        Answer::Done => Verdict::Done,
        Answer::Reject { reason } => Verdict::DeadLetter { reason },
        Answer::Retry { why, .. } if tries >= tries_max => Verdict::DeadLetter { reason: why },
        Answer::Retry { why, after } => {
            let doublings = tries.saturating_sub(1).min(31);
            let first = HANDLER_RETRY_FIRST.saturating_mul(1 << doublings);
            let own = Backoff::new(first, HANDLER_RETRY_MAX).next(random);
            let wait = after.map_or(own, |after| after.min(HANDLER_RETRY_AFTER_MAX).max(own));
            Verdict::Again { why, wait }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pagi_protocol::TopicName;

    use super::*;

    fn event(partition: i32, offset: i64, key: Option<&'static str>) -> Event {
        Event {
            topic: TopicName::parse("t").unwrap(),
            partition,
            offset,
            timestamp_ms: 0,
            key: key.map(|key| Bytes::from_static(key.as_bytes())),
            headers: vec![],
            value: None,
        }
    }

    fn retry(after: Option<Duration>) -> Answer {
        Answer::Retry { why: "busy".to_owned(), after }
    }

    fn wait(answer: Answer, tries: u32) -> Duration {
        let Verdict::Again { wait, .. } = judge(answer, tries, u32::MAX, u32::MAX) else {
            panic!("it is tried again")
        };
        wait
    }

    #[test]
    fn the_last_try_and_a_rejection_make_a_dead_letter() {
        let dead = |reason: &str| Verdict::DeadLetter { reason: reason.to_owned() };
        assert_eq!(judge(retry(None), 3, 3, 0), dead("busy"));
        assert!(matches!(judge(retry(None), 2, 3, 0), Verdict::Again { .. }));
        let reject = Answer::Reject { reason: "never".to_owned() };
        assert_eq!(judge(reject, 1, 3, 0), dead("never"));
        assert_eq!(judge(Answer::Done, 3, 3, 0), Verdict::Done);
    }

    #[test]
    fn waits_double_up_to_a_maximum_and_are_as_long_as_the_handler_asks() {
        let waits: Vec<_> = (1..=3).map(|tries| wait(retry(None), tries)).collect();
        let first = HANDLER_RETRY_FIRST;
        assert_eq!(waits, [first, first * 2, first * 4]);
        assert_eq!(wait(retry(None), 1_000), HANDLER_RETRY_MAX);
        let second = Duration::from_secs(1);
        assert_eq!(wait(retry(Some(second)), 1), second);
        assert_eq!(wait(retry(Some(Duration::ZERO)), 3), first * 4, "never in a tight loop");
        assert_eq!(wait(retry(Some(Duration::MAX)), 1), HANDLER_RETRY_AFTER_MAX);
    }

    #[test]
    fn what_keeps_its_order_is_in_one_lane() {
        let by_key = |event: &Event| lane(Order::Key, event);
        assert_eq!(by_key(&event(0, 1, Some("a"))), by_key(&event(0, 2, Some("a"))));
        assert_ne!(by_key(&event(0, 1, Some("a"))), by_key(&event(0, 1, Some("b"))));
        assert_ne!(by_key(&event(0, 1, None)), by_key(&event(0, 2, None)), "no key, no order");
        let whole = |event: &Event| lane(Order::Partition, event);
        assert_eq!(whole(&event(0, 1, Some("a"))), whole(&event(0, 2, None)));
        assert_ne!(whole(&event(0, 1, None)), whole(&event(1, 1, None)));
    }

    #[test]
    fn keys_are_spread_over_all_workers() {
        let mut events = [0; 4];
        for offset in 0..400 {
            events[worker_of(lane(Order::Key, &event(0, offset, None)), 4)] += 1;
        }
        assert!(events.iter().all(|count| *count > 50), "{events:?}");
    }
}
