//! The consumer: reads topics, hands their events to a handler, and commits what is done.
//!
//! **Invariants.** At-least-once: an offset is committed only after the handler said that every
//! event before it is done. Events of one partition reach the handler in their order. One batch is
//! with the handler at a time, and one commit is in flight at a time. At the end nothing more is
//! handed out, what the handler has is waited for, and what is done is committed.
//!
//! **References.** Kafka's simple consumer: partitions are assigned by the client itself, offsets
//! are committed without a generation.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use pagi_protocol::{ErrorCode, PagiError};
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinHandle, JoinSet};

use super::cluster::Cluster;
use super::consumer_config::{ConsumerConfig, Ended, Summary};
use super::discovery::{Discovery, Found};
use super::event::Event;
use super::fetcher::{Fetched, Fetcher, Start};
use super::group_client::GroupClient;
use super::handler::{Handler, HandlerError};
use super::topic_partition::TopicPartition;
use crate::core::commit::Ledger;
use crate::limits::{
    COMMIT_RENEWAL, CONSUMER_STOP_TIMEOUT, FETCH_BYTES_MAX, FETCH_BYTES_MIN, FETCH_QUEUE_BYTES_MAX,
    FETCH_QUEUE_MAX, RETRY_FIRST,
};
use crate::shutdown::Shutdown;

/// Reads until asked to stop, or until the configured end, and tells what was done.
///
/// # Errors
/// [`ErrorCode::InvalidConfig`], [`ErrorCode::BrokerUnavailable`] when no broker is found within
/// the configured time or the last commit did not succeed, [`ErrorCode::UnknownTopic`] when there
/// is no end to stop at, [`ErrorCode::Rejected`] when the broker refuses or an event cannot be
/// read, [`ErrorCode::Internal`] when the handler failed. Whatever was handled before is committed.
pub async fn run(
    config: ConsumerConfig,
    handler: impl Handler,
    shutdown: Shutdown,
) -> Result<Summary, PagiError> {
    config.validate()?;
    let mut consumer = Consumer::start(config, handler);
    let ended = consumer.read(&shutdown).await;
    let committed = consumer.stop().await;
    let summary = Summary { events: consumer.done, ended: ended? };
    committed.map(|()| summary)
}

/// A batch that was with the handler, and what the handler said.
type Outcome = (Vec<Event>, Result<(), HandlerError>);

struct Consumer {
    config: ConsumerConfig,
    cluster: Arc<Cluster>,
    group: Arc<Mutex<GroupClient>>,
    tasks: JoinSet<()>,
    found: mpsc::Receiver<Found>,
    /// Given to each fetcher.
    fetched_sender: mpsc::Sender<(TopicPartition, Fetched)>,
    fetched: mpsc::Receiver<(TopicPartition, Fetched)>,
    to_handler: mpsc::Sender<Vec<Event>>,
    from_handler: mpsc::Receiver<Outcome>,
    /// Which partition the handler works on, if any.
    handling: Option<TopicPartition>,
    ledger: Ledger<TopicPartition>,
    committing: Option<JoinHandle<Result<(), PagiError>>>,
    /// Where each partition ended at the start, as long as that is not reached.
    ends: BTreeMap<TopicPartition, Option<i64>>,
    all_at_start: bool,
    handed_out: u64,
    done: u64,
}

impl Consumer {
    fn start(config: ConsumerConfig, handler: impl Handler) -> Self {
        let brokers = config.brokers.clone();
        let cluster = Cluster::new(brokers, &config.client_id, config.message_bytes_max);
        let cluster = Arc::new(cluster);
        let group = GroupClient::new(&config.brokers, &config.client_id, &config.group_id);
        let group = Arc::new(Mutex::new(group));
        let (found_sender, found) = mpsc::channel(1);
        let (fetched_sender, fetched) = mpsc::channel(FETCH_QUEUE_MAX);
        let (to_handler, batches) = mpsc::channel(1);
        let (outcomes, from_handler) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        let discovery = Discovery {
            config: config.clone(),
            cluster: Arc::clone(&cluster),
            group: Arc::clone(&group),
            out: found_sender,
        };
        tasks.spawn(discovery.run());
        tokio::spawn(handle(handler, batches, outcomes));
        Self {
            ledger: Ledger::new(config.commit_interval, COMMIT_RENEWAL, Instant::now()),
            config,
            cluster,
            group,
            tasks,
            found,
            fetched_sender,
            fetched,
            to_handler,
            from_handler,
            handling: None,
            committing: None,
            ends: BTreeMap::new(),
            all_at_start: false,
            handed_out: 0,
            done: 0,
        }
    }

    /// The loop: whatever comes first, until there is a reason to end.
    async fn read(&mut self, shutdown: &Shutdown) -> Result<Ended, PagiError> {
        loop {
            if let Some(ended) = self.is_at_its_end() {
                return Ok(ended);
            }
            let commit_at = self.ledger.due_at().into();
            tokio::select! {
                () = shutdown.requested() => return Ok(Ended::Requested),
                Some(found) = self.found.recv() => self.add(found)?,
                Some((id, fetched)) = self.fetched.recv(), if self.handling.is_none() => {
                    self.take_in(id, fetched)?;
                }
                outcome = self.from_handler.recv() => {
                    match self.settle(outcome) {
                        Err(HandlerError::Closed) => return Ok(Ended::OutputClosed),
                        Err(error) => {
                            return Err(PagiError::new(ErrorCode::Internal, error.to_string()));
                        }
                        Ok(()) => {}
                    }
                }
                () = tokio::time::sleep_until(commit_at), if self.committing.is_none() => {
                    self.commit(false);
                }
                outcome = ended(&mut self.committing) => self.committed(outcome)?,
            }
        }
    }

    fn is_at_its_end(&mut self) -> Option<Ended> {
        if self.config.events_max.is_some_and(|max| self.done >= max) {
            return Some(Ended::EventsMax);
        }
        if self.config.exit_at_end && self.handling.is_none() {
            let ledger = &self.ledger;
            self.ends.retain(|id, end| end.is_none() || ledger.watermark(id) < *end);
            if self.all_at_start && self.ends.is_empty() {
                return Some(Ended::AtEnd);
            }
        }
        None
    }

    /// Starts reading the partitions that were found.
    fn add(&mut self, found: Found) -> Result<(), PagiError> {
        let partitions = match found {
            Found::Partitions(partitions) => partitions,
            Found::AllAtStart => {
                self.all_at_start = true;
                return Ok(());
            }
            Found::Failed(error) => return Err(error),
        };
        let share = FETCH_QUEUE_BYTES_MAX / i32::try_from(partitions.len()).unwrap_or(i32::MAX);
        for (id, start) in partitions {
            tracing::info!(partition = %id, ?start, group = self.config.group_id, "reading");
            if self.config.exit_at_end && !self.all_at_start {
                self.ends.insert(id.clone(), None);
            }
            let fetcher = Fetcher {
                id,
                cluster: Arc::clone(&self.cluster),
                start,
                out_of_range: self.config.out_of_range,
                bytes_max: share.clamp(FETCH_BYTES_MIN, FETCH_BYTES_MAX),
                out: self.fetched_sender.clone(),
            };
            self.tasks.spawn(fetcher.run());
        }
        Ok(())
    }

    fn take_in(&mut self, id: TopicPartition, fetched: Fetched) -> Result<(), PagiError> {
        match fetched {
            Fetched::Started { start, end, from } => {
                let committed = matches!(from, Start::Committed(_)).then_some(start);
                self.ledger.add(id.clone(), start, committed);
                if let Some(known) = self.ends.get_mut(&id) {
                    *known = Some(end);
                }
            }
            Fetched::Events(events) => self.hand_out(id, events),
            Fetched::SkippedTo(next) => {
                if let Some(progress) = self.ledger.progress(&id) {
                    progress.skip_to(next);
                }
            }
            Fetched::Restarted(start) => self.ledger.restart(&id, start),
            Fetched::Failed(error) => return Err(error),
        }
        Ok(())
    }

    /// Gives events to the handler, which is idle, up to the number that is wanted at most.
    fn hand_out(&mut self, id: TopicPartition, mut events: Vec<Event>) {
        let Some(progress) = self.ledger.progress(&id) else { return };
        let wanted = self.config.events_max.map_or(u64::MAX, |max| max - self.handed_out);
        events.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        events.retain(|event| progress.hand_out(event.offset));
        if events.is_empty() {
            return;
        }
        self.handed_out += events.len() as u64;
        // There is room, since the handler is idle; and should it be gone, its outcome says so.
        if self.to_handler.try_send(events).is_ok() {
            self.handling = Some(id);
        }
    }

    /// Notes what the handler has done.
    fn settle(&mut self, outcome: Option<Outcome>) -> Result<(), HandlerError> {
        let id = self.handling.take();
        let Some((events, outcome)) = outcome else {
            return Err(HandlerError::Failed("the handler ended early".to_owned()));
        };
        outcome?;
        if let Some(progress) = id.and_then(|id| self.ledger.progress(&id)) {
            events.iter().for_each(|event| progress.complete(event.offset));
        }
        self.done += events.len() as u64;
        Ok(())
    }

    /// Starts a commit if there is something to commit.
    fn commit(&mut self, forced: bool) {
        if let Some(offsets) = self.ledger.take(Instant::now(), forced) {
            let group = Arc::clone(&self.group);
            self.committing =
                Some(tokio::spawn(async move { group.lock().await.commit(&offsets).await }));
        }
    }

    fn committed(&mut self, outcome: Result<(), PagiError>) -> Result<(), PagiError> {
        self.committing = None;
        self.ledger.settle(outcome.is_ok());
        match outcome {
            Err(error) if error.code() == ErrorCode::BrokerUnavailable => {
                tracing::warn!(%error, "cannot commit, trying again");
                Ok(())
            }
            other => other,
        }
    }

    /// Waits for what the handler has, and commits what is done; both for a bounded time.
    async fn stop(&mut self) -> Result<(), PagiError> {
        self.tasks.shutdown().await;
        let deadline = tokio::time::Instant::now() + CONSUMER_STOP_TIMEOUT;
        if self.handling.is_some() {
            match tokio::time::timeout_at(deadline, self.from_handler.recv()).await {
                Ok(outcome) => {
                    // What is not done is not committed, and comes again.
                    let _ = self.settle(outcome);
                }
                Err(_) => tracing::warn!("the handler did not finish; its events will come again"),
            }
        }
        let result = tokio::time::timeout_at(deadline, self.commit_all()).await;
        result.unwrap_or_else(|_| {
            let detail = "the last events are handled, but not committed: they will come again";
            Err(PagiError::new(ErrorCode::BrokerUnavailable, detail))
        })
    }

    async fn commit_all(&mut self) -> Result<(), PagiError> {
        loop {
            if self.committing.is_some() {
                let outcome = ended(&mut self.committing).await;
                let failed = outcome.is_err();
                self.committed(outcome)?;
                if failed {
                    tokio::time::sleep(RETRY_FIRST).await;
                }
            } else if self.ledger.is_settled() {
                return Ok(());
            } else {
                self.commit(true);
            }
        }
    }
}

/// Waits until the commit has ended; for ever if there is none.
async fn ended(
    committing: &mut Option<JoinHandle<Result<(), PagiError>>>,
) -> Result<(), PagiError> {
    match committing {
        None => std::future::pending().await,
        Some(task) => task.await.unwrap_or_else(|error| {
            Err(PagiError::new(ErrorCode::Internal, format!("a commit ended early: {error}")))
        }),
    }
}

/// The task that owns the handler, so that a slow one holds up neither commits nor stopping.
async fn handle(
    mut handler: impl Handler,
    mut batches: mpsc::Receiver<Vec<Event>>,
    outcomes: mpsc::Sender<Outcome>,
) {
    while let Some(events) = batches.recv().await {
        let outcome = handler.handle(&events).await;
        let failed = outcome.is_err();
        if outcomes.send((events, outcome)).await.is_err() || failed {
            return;
        }
    }
}
