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
use super::fetcher::{Fetched, Fetcher};
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
            Fetched::Started { start, committed, end } => {
                self.ledger.add(id.clone(), start, committed.then_some(start));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pagi_protocol::TopicName;
    use pagi_protocol::kafka::error_code::KafkaCode;

    use super::super::consumer_config::{OutOfRange, StartFrom};
    use super::super::fake_broker::FakeBroker;
    use super::*;
    use crate::shutdown;

    /// Keeps what it handles; fails at one payload.
    #[derive(Clone, Default)]
    struct Keep {
        payloads: Arc<std::sync::Mutex<Vec<String>>>,
        fails_at: Option<(&'static str, Option<HandlerError>)>,
    }

    impl Keep {
        fn failing(at: &'static str, with: Option<HandlerError>) -> Self {
            Self { fails_at: Some((at, with)), ..Self::default() }
        }

        fn payloads(&self) -> Vec<String> {
            self.payloads.lock().unwrap().clone()
        }
    }

    impl Handler for Keep {
        async fn handle(&mut self, events: &[Event]) -> Result<(), HandlerError> {
            for event in events {
                let payload = String::from_utf8(event.value.clone().unwrap().to_vec()).unwrap();
                match &self.fails_at {
                    Some((at, Some(error))) if payload == *at => return Err(error.clone()),
                    Some((at, None)) if payload == *at => panic!("as the test wants it"),
                    _ => self.payloads.lock().unwrap().push(payload),
                }
            }
            Ok(())
        }
    }

    fn config(broker: &FakeBroker) -> ConsumerConfig {
        let topics = vec![TopicName::parse("t").unwrap()];
        ConsumerConfig {
            exit_at_end: true,
            commit_interval: Duration::from_millis(10),
            ..ConsumerConfig::new(vec![broker.address()], "g".to_owned(), topics)
        }
    }

    async fn run_to_the_end(config: ConsumerConfig, handler: &Keep) -> Result<Summary, PagiError> {
        let (_trigger, shutdown) = shutdown::channel();
        let running = run(config, handler.clone(), shutdown);
        tokio::time::timeout(Duration::from_secs(30), running).await.expect("it ends")
    }

    #[tokio::test]
    async fn it_goes_on_where_the_group_got_to_and_commits_what_it_did() {
        let broker = FakeBroker::start(&["t"]).await;
        broker.store(&["a", "b", "c"]);
        broker.set_committed(1);
        let handler = Keep::default();
        let summary = run_to_the_end(config(&broker), &handler).await.unwrap();
        assert_eq!(summary, Summary { events: 2, ended: Ended::AtEnd });
        assert_eq!(handler.payloads(), ["b", "c"]);
        assert_eq!(broker.committed(), Some(3));
    }

    #[tokio::test]
    async fn without_a_commit_the_policy_decides_and_the_start_is_committed() {
        for (from, payloads) in [(StartFrom::Earliest, vec!["a", "b"]), (StartFrom::Latest, vec![])]
        {
            let broker = FakeBroker::start(&["t"]).await;
            broker.store(&["a", "b"]);
            let handler = Keep::default();
            run_to_the_end(ConsumerConfig { from, ..config(&broker) }, &handler).await.unwrap();
            assert_eq!(handler.payloads(), payloads, "{from:?}");
            assert_eq!(broker.committed(), Some(2), "{from:?}");
        }
    }

    #[tokio::test]
    async fn an_offset_that_is_gone_is_never_passed_over_in_silence() {
        for (committed, out_of_range, payloads) in [
            (3, OutOfRange::Earliest, Some(vec!["x", "y"])),
            (99, OutOfRange::Earliest, Some(vec!["x", "y"])),
            (3, OutOfRange::Latest, Some(vec![])),
            (3, OutOfRange::Fail, None),
        ] {
            let broker = FakeBroker::start(&["t"]).await;
            broker.truncate(10);
            broker.store(&["x", "y"]);
            broker.set_committed(committed);
            let handler = Keep::default();
            let config = ConsumerConfig { out_of_range, ..config(&broker) };
            let result = run_to_the_end(config, &handler).await;
            if let Some(payloads) = payloads {
                result.unwrap();
                assert_eq!(handler.payloads(), payloads);
                assert_eq!(broker.committed(), Some(12), "also when that is less than before");
            } else {
                assert_eq!(result.unwrap_err().code(), ErrorCode::Rejected);
                assert_eq!(broker.committed(), Some(committed));
            }
        }
    }

    #[tokio::test]
    async fn a_commit_that_is_refused_for_the_moment_is_repeated() {
        let broker = FakeBroker::start(&["t"]).await;
        broker.store(&["a"]);
        broker.decide_commits([
            KafkaCode::NotCoordinator,
            KafkaCode::CoordinatorLoadInProgress,
            KafkaCode::CoordinatorNotAvailable,
        ]);
        run_to_the_end(config(&broker), &Keep::default()).await.unwrap();
        assert_eq!(broker.committed(), Some(1));
    }

    #[tokio::test]
    async fn a_group_with_members_is_left_alone() {
        let broker = FakeBroker::start(&["t"]).await;
        broker.store(&["a"]);
        broker.decide_commits([KafkaCode::UnknownMemberId]);
        let error = run_to_the_end(config(&broker), &Keep::default()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Rejected);
        assert!(error.detail().contains("use another group"), "{}", error.detail());
    }

    #[tokio::test]
    async fn no_more_events_than_wanted_are_handled() {
        let broker = FakeBroker::start(&["t"]).await;
        broker.store(&["a", "b", "c"]);
        let handler = Keep::default();
        let config = ConsumerConfig { events_max: Some(2), ..config(&broker) };
        let summary = run_to_the_end(config, &handler).await.unwrap();
        assert_eq!(summary, Summary { events: 2, ended: Ended::EventsMax });
        assert_eq!(handler.payloads(), ["a", "b"]);
        assert_eq!(broker.committed(), Some(2));
    }

    #[tokio::test]
    async fn what_a_handler_failed_at_is_not_committed() {
        let failed = || HandlerError::Failed("no".to_owned());
        for (with, code) in [
            (Some(failed()), Some(ErrorCode::Internal)),
            (None, Some(ErrorCode::Internal)),
            (Some(HandlerError::Closed), None),
        ] {
            let broker = FakeBroker::start(&["t"]).await;
            broker.set_committed(0);
            broker.store(&["a", "bad", "c"]);
            let result = run_to_the_end(config(&broker), &Keep::failing("bad", with)).await;
            assert_eq!(result.err().map(|error| error.code()), code);
            assert_eq!(broker.committed(), Some(0));
        }
    }

    #[tokio::test]
    async fn a_broken_connection_costs_no_event() {
        let broker = FakeBroker::start(&["t"]).await;
        broker.store(&["a"]);
        let handler = Keep::default();
        let config = ConsumerConfig { exit_at_end: false, events_max: Some(2), ..config(&broker) };
        let running = tokio::spawn({
            let handler = handler.clone();
            async move { run_to_the_end(config, &handler).await }
        });
        while broker.committed() != Some(1) {
            tokio::task::yield_now().await;
        }
        broker.hang_up();
        broker.store(&["b"]);
        running.await.unwrap().unwrap();
        assert_eq!(handler.payloads(), ["a", "b"]);
        assert_eq!(broker.committed(), Some(2));
    }
}
