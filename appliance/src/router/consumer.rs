//! The consumer: reads topics, hands their events to a handler, and commits what is done.
//!
//! **Invariants.** At-least-once: an offset is committed only after every event before it is
//! settled: done as the handler says, or stored as a dead letter. Events are handed out in the
//! order of their partition. One commit is in flight at a time. At the end nothing more is handed
//! out, what a handler works on is waited for, and what is settled is committed.
//!
//! **References.** Kafka's consumer protocol; or its simple consumer, where partitions are assigned
//! by the client itself, and offsets are committed without a generation.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use pagi_protocol::{ErrorCode, PagiError};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::cluster::Cluster;
use super::consumer_config::{Assignment, ConsumerConfig, Ended, Summary};
use super::dead_letters::DeadLetters;
use super::delivery::{Delivery, Order, Settled};
use super::discovery::{Discovery, Found};
use super::event::Event;
use super::fetcher::Fetched;
use super::group_client::GroupClient;
use super::handler::{Handler, HandlerError};
use super::membership::Membership;
use super::readers::Readers;
use super::topic_partition::TopicPartition;
use crate::core::commit::Ledger;
use crate::limits::{
    COMMIT_RENEWAL, CONSUMER_STOP_TIMEOUT, HANDLER_WINDOW_EVENTS_MAX, RETRY_FIRST,
};
use crate::shutdown::Shutdown;

/// Reads until asked to stop, or until the configured end, and tells what was done. The handler
/// gets the events of each partition in their order, one batch at a time.
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
    deliver(config, vec![handler], Order::Partition, shutdown).await
}

/// As [`run`], with a task for each handler. The events of a key reach one of them, in their order
/// and one after the other; those of other keys do not wait for it, and those without a key have
/// no order. Offsets behind an event that takes long come again after a crash.
///
/// # Errors
/// As [`run`].
pub async fn run_by_key(
    config: ConsumerConfig,
    handlers: Vec<impl Handler>,
    shutdown: Shutdown,
) -> Result<Summary, PagiError> {
    config.validate()?;
    deliver(config, handlers, Order::Key, shutdown).await
}

async fn deliver(
    config: ConsumerConfig,
    handlers: Vec<impl Handler>,
    order: Order,
    shutdown: Shutdown,
) -> Result<Summary, PagiError> {
    let delivery = Delivery::start(handlers, order, config.tries_max, DeadLetters::new(&config));
    let mut consumer = Consumer::start(config, delivery);
    let ended = consumer.read(&shutdown).await;
    let committed = consumer.stop().await;
    let dead_letters = consumer.delivery.dead_letters();
    let summary = Summary { events: consumer.done, dead_letters, ended: ended? };
    committed.map(|()| summary)
}

/// Partitions to give up.
struct Leaving {
    partitions: BTreeSet<TopicPartition>,
    /// Whether others have them already.
    lost: bool,
    /// Whether a commit of their last events was begun; another one comes when it is due.
    asked: bool,
    done: oneshot::Sender<()>,
}

struct Consumer {
    config: ConsumerConfig,
    group: Arc<Mutex<GroupClient>>,
    /// The task that finds out what to read.
    finding: JoinSet<()>,
    found: mpsc::Receiver<Found>,
    readers: Readers,
    /// Partitions that others get.
    leaving: Option<Leaving>,
    delivery: Delivery,
    ledger: Ledger<TopicPartition>,
    committing: Option<JoinHandle<Result<(), PagiError>>>,
    /// Where each partition ended at the start, as long as that is not reached.
    ends: BTreeMap<TopicPartition, Option<i64>>,
    all_at_start: bool,
    handed_out: u64,
    done: u64,
}

impl Consumer {
    fn start(config: ConsumerConfig, delivery: Delivery) -> Self {
        let brokers = config.brokers.clone();
        let cluster = Cluster::new(brokers, &config.client_id, config.message_bytes_max);
        let cluster = Arc::new(cluster);
        let group = GroupClient::new(&config.brokers, &config.client_id, &config.group_id);
        let group = Arc::new(Mutex::new(group));
        let (found_sender, found) = mpsc::channel(1);
        let mut finding = JoinSet::new();
        let (shared_cluster, shared_group) = (Arc::clone(&cluster), Arc::clone(&group));
        match config.assignment {
            Assignment::Group => {
                let config = config.clone();
                let membership =
                    Membership::new(config, shared_cluster, shared_group, found_sender);
                finding.spawn(membership.run());
            }
            Assignment::All | Assignment::Partitions(_) => {
                let discovery = Discovery {
                    config: config.clone(),
                    cluster: shared_cluster,
                    group: shared_group,
                    out: found_sender,
                };
                finding.spawn(discovery.run());
            }
        }
        Self {
            ledger: Ledger::new(config.commit_interval, COMMIT_RENEWAL, Instant::now()),
            readers: Readers::new(cluster, config.out_of_range),
            leaving: None,
            config,
            group,
            finding,
            found,
            delivery,
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
            self.leave();
            let commit_at = self.ledger.due_at().into();
            tokio::select! {
                () = shutdown.requested() => return Ok(Ended::Requested),
                Some(found) = self.found.recv() => self.add(found)?,
                Some((id, fetched)) = self.readers.next(), if self.has_room() => {
                    self.take_in(&id, fetched)?;
                }
                settled = self.delivery.settled() => match settled {
                    Ok(settled) => self.settle(&settled),
                    Err(HandlerError::Closed) => return Ok(Ended::OutputClosed),
                    Err(error) => {
                        return Err(PagiError::new(ErrorCode::Internal, error.to_string()));
                    }
                },
                () = tokio::time::sleep_until(commit_at), if self.committing.is_none() => {
                    self.commit(false);
                }
                outcome = ended(&mut self.committing) => self.committed(outcome)?,
            }
        }
    }

    fn has_room(&self) -> bool {
        self.delivery.has_room() && self.ledger.window() < HANDLER_WINDOW_EVENTS_MAX
    }

    fn is_at_its_end(&mut self) -> Option<Ended> {
        if self.config.events_max.is_some_and(|max| self.done >= max) {
            return Some(Ended::EventsMax);
        }
        if self.config.exit_at_end && self.delivery.is_idle() {
            let ledger = &self.ledger;
            self.ends.retain(|id, end| end.is_none() || ledger.watermark(id) < *end);
            if self.all_at_start && self.ends.is_empty() {
                return Some(Ended::AtEnd);
            }
        }
        None
    }

    /// Starts reading the partitions that were found, or gives up some.
    fn add(&mut self, found: Found) -> Result<(), PagiError> {
        match found {
            Found::Partitions(partitions) => {
                for (id, start) in &partitions {
                    let group = &self.config.group_id;
                    tracing::info!(partition = %id, ?start, group, "reading");
                    if self.config.exit_at_end && !self.all_at_start {
                        self.ends.insert(id.clone(), None);
                    }
                }
                self.readers.start(partitions);
            }
            Found::AllAtStart => self.all_at_start = true,
            Found::Revoked { partitions, drained } => {
                self.begin_to_leave(partitions, false, drained);
            }
            Found::Lost { partitions, dropped } => self.begin_to_leave(partitions, true, dropped),
            Found::Failed(error) => return Err(error),
        }
        Ok(())
    }

    fn begin_to_leave(
        &mut self,
        partitions: BTreeSet<TopicPartition>,
        lost: bool,
        done: oneshot::Sender<()>,
    ) {
        tracing::info!(partitions = %names(&partitions), lost, "others read these now");
        self.readers.stop(&partitions);
        self.delivery.give_up(partitions.clone());
        self.ends.retain(|id, _| !partitions.contains(id));
        if lost {
            partitions.iter().for_each(|id| self.ledger.remove(id));
        }
        self.leaving = Some(Leaving { partitions, lost, asked: false, done });
    }

    /// Goes on giving partitions up, as far as that can be done without waiting.
    fn leave(&mut self) {
        let Some(leaving) = &mut self.leaving else { return };
        let mut partitions = leaving.partitions.iter();
        let is_over = if leaving.lost {
            // A commit that is under way must not come behind those of others.
            self.committing.is_none()
        } else {
            partitions.clone().all(|id| self.ledger.is_drained(id))
        };
        if is_over {
            if let Some(Leaving { partitions, done, .. }) = self.leaving.take() {
                partitions.iter().for_each(|id| self.ledger.remove(id));
                // Nobody waits for it any more if it took too long.
                let _ = done.send(());
            }
        } else if self.committing.is_none()
            && !leaving.asked
            && partitions.all(|id| self.ledger.is_idle(id))
        {
            leaving.asked = true;
            self.commit(true);
        }
    }

    fn take_in(&mut self, id: &TopicPartition, fetched: Fetched) -> Result<(), PagiError> {
        match fetched {
            Fetched::Started { start, committed, end } => {
                self.ledger.add(id.clone(), start, committed.map(|_| start));
                if let (Some(progress), Some(epoch)) = (self.ledger.progress(id), committed) {
                    progress.begin_epoch(i64::MIN, epoch);
                }
                if let Some(known) = self.ends.get_mut(id) {
                    *known = Some(end);
                }
            }
            Fetched::Read { events, next, epochs } => self.hand_out(id, events, next, &epochs),
            Fetched::Restarted(start) => self.ledger.restart(id, start),
            Fetched::Failed(error) => return Err(error),
        }
        Ok(())
    }

    /// Gives events to the handlers, up to the number that is wanted at most.
    fn hand_out(
        &mut self,
        id: &TopicPartition,
        mut events: Vec<Event>,
        next: i64,
        epochs: &[(i64, i32)],
    ) {
        let Some(progress) = self.ledger.progress(id) else { return };
        epochs.iter().for_each(|(from, epoch)| progress.begin_epoch(*from, *epoch));
        let wanted = self.config.events_max.map_or(u64::MAX, |max| max - self.handed_out);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let all = events.len() <= wanted;
        events.truncate(wanted);
        events.retain(|event| progress.hand_out(event.offset));
        if all {
            progress.skip_to(next);
        }
        self.handed_out += events.len() as u64;
        self.delivery.give(events);
    }

    /// Notes what became of events.
    fn settle(&mut self, settled: &Settled) {
        match settled {
            Settled::Done(events) => {
                self.done += events.len() as u64;
                let Some(id) = events.first().map(place) else { return };
                if let Some(progress) = self.ledger.progress(&id) {
                    events.iter().for_each(|event| progress.complete(event.offset));
                }
            }
            Settled::GivenUp(events) => {
                self.handed_out -= events.len() as u64;
                // What was lost may have come back meanwhile, and starts anew then.
                let Some(leaving) = &self.leaving else { return };
                for (id, offset) in events.iter().map(|event| (place(event), event.offset)) {
                    if leaving.partitions.contains(&id)
                        && let Some(progress) = self.ledger.progress(&id)
                    {
                        progress.give_up(offset);
                    }
                }
            }
        }
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
        self.finding.shutdown().await;
        self.readers.shutdown().await;
        let deadline = tokio::time::Instant::now() + CONSUMER_STOP_TIMEOUT;
        if tokio::time::timeout_at(deadline, self.finish()).await.is_err() {
            tracing::warn!("a handler did not finish; its events will come again");
        }
        let result = tokio::time::timeout_at(deadline, self.commit_all()).await;
        self.group.lock().await.leave().await;
        result.unwrap_or_else(|_| {
            let detail = "the last events are handled, but not committed: they will come again";
            Err(PagiError::new(ErrorCode::BrokerUnavailable, detail))
        })
    }

    /// Waits for what the handlers work on. What is not settled is not committed, and comes again.
    async fn finish(&mut self) {
        while let Some(outcome) = self.delivery.finish().await {
            if let Ok(settled) = outcome {
                self.settle(&settled);
            }
        }
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

fn place(event: &Event) -> TopicPartition {
    TopicPartition { topic: event.topic.clone(), partition: event.partition }
}

fn names(partitions: &BTreeSet<TopicPartition>) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pagi_protocol::TopicName;
    use pagi_protocol::kafka::error_code::KafkaCode;

    use super::super::consumer_config::{OutOfRange, StartFrom};
    use super::super::fake_broker::{FakeBroker, Fate};
    use super::super::handler::Answer;
    use super::*;
    use crate::shutdown;

    /// Keeps what it handles; does something else at one payload.
    #[derive(Clone, Default)]
    struct Keep {
        payloads: Arc<std::sync::Mutex<Vec<String>>>,
        fails_at: Option<(&'static str, Failure)>,
    }

    #[derive(Clone)]
    enum Failure {
        Panic,
        Error(HandlerError),
        Answer(Answer),
    }

    impl Keep {
        fn failing(at: &'static str, with: Failure) -> Self {
            Self { fails_at: Some((at, with)), ..Self::default() }
        }

        fn payloads(&self) -> Vec<String> {
            self.payloads.lock().unwrap().clone()
        }
    }

    impl Handler for Keep {
        async fn handle(&mut self, events: &[Event]) -> Result<Vec<Answer>, HandlerError> {
            let mut answers = Vec::new();
            for event in events {
                let payload = String::from_utf8(event.value.clone().unwrap().to_vec()).unwrap();
                match &self.fails_at {
                    Some((at, failure)) if payload == *at => match failure {
                        Failure::Panic => panic!("as the test wants it"),
                        Failure::Error(error) => return Err(error.clone()),
                        Failure::Answer(answer) => answers.push(answer.clone()),
                    },
                    _ => {
                        self.payloads.lock().unwrap().push(payload);
                        answers.push(Answer::Done);
                    }
                }
                if matches!(answers.last(), Some(Answer::Retry { .. })) {
                    break;
                }
            }
            Ok(answers)
        }
    }

    fn config(broker: &FakeBroker) -> ConsumerConfig {
        let topics = vec![TopicName::parse("t").unwrap()];
        ConsumerConfig {
            assignment: Assignment::All,
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
        assert_eq!(summary, Summary { events: 2, dead_letters: 0, ended: Ended::AtEnd });
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
        assert_eq!(summary, Summary { events: 2, dead_letters: 0, ended: Ended::EventsMax });
        assert_eq!(handler.payloads(), ["a", "b"]);
        assert_eq!(broker.committed(), Some(2));
    }

    #[tokio::test]
    async fn what_a_handler_failed_at_is_not_committed() {
        let failed = || HandlerError::Failed("no".to_owned());
        for (with, code) in [
            (Failure::Error(failed()), Some(ErrorCode::Internal)),
            (Failure::Panic, Some(ErrorCode::Internal)),
            (Failure::Error(HandlerError::Closed), None),
        ] {
            let broker = FakeBroker::start(&["t"]).await;
            broker.set_committed(0);
            broker.store(&["a", "bad", "c"]);
            let result = run_to_the_end(config(&broker), &Keep::failing("bad", with)).await;
            assert_eq!(result.err().map(|error| error.code()), code);
            assert_eq!(broker.committed(), Some(0));
        }
    }

    /// The broker has one log for all topics: what is read of it, and what was put into it.
    async fn dead_lettered(with: Answer, fates: &[Fate]) -> (Summary, Keep, FakeBroker) {
        let broker = FakeBroker::start(&["t", "t.dlq"]).await;
        broker.store(&["a", "bad", "c"]);
        broker.decide(fates.iter().copied());
        let handler = Keep::failing("bad", Failure::Answer(with));
        let config = ConsumerConfig { tries_max: 2, events_max: Some(3), ..config(&broker) };
        let summary = run_to_the_end(config, &handler).await.unwrap();
        (summary, handler, broker)
    }

    #[tokio::test]
    async fn an_event_that_is_given_up_is_a_dead_letter_and_those_behind_it_are_handled() {
        let retry = Answer::Retry { why: "busy".to_owned(), after: None };
        for with in [Answer::Reject { reason: "never".to_owned() }, retry] {
            let (summary, handler, broker) = dead_lettered(with, &[]).await;
            let ended = Ended::EventsMax;
            assert_eq!(summary, Summary { events: 3, dead_letters: 1, ended });
            assert_eq!(handler.payloads(), ["a", "c"]);
            assert_eq!(broker.stored(), [vec!["a", "bad", "c"], vec!["bad"]]);
            assert_eq!(broker.committed(), Some(3));
        }
    }

    #[tokio::test]
    async fn a_dead_letter_that_is_not_stored_is_tried_until_it_is() {
        let refused = Fate::Refuse(KafkaCode::InvalidRecord);
        let reject = Answer::Reject { reason: "never".to_owned() };
        let (summary, _, broker) = dead_lettered(reject, &[refused, Fate::Close, refused]).await;
        assert_eq!(summary.dead_letters, 1);
        assert_eq!(broker.stored().last().unwrap(), &["bad"]);
        assert_eq!(broker.committed(), Some(3));
    }

    #[tokio::test]
    async fn keys_are_handled_by_several_and_all_is_committed() {
        let broker = FakeBroker::start(&["t"]).await;
        let payloads: Vec<String> = (0..200).map(|number| number.to_string()).collect();
        broker.store(&payloads.iter().map(String::as_str).collect::<Vec<_>>());
        let handler = Keep::default();
        let (_trigger, shutdown) = shutdown::channel();
        let running = run_by_key(config(&broker), vec![handler.clone(); 4], shutdown);
        let summary = tokio::time::timeout(Duration::from_secs(30), running).await.unwrap();
        assert_eq!(summary.unwrap().events, 200);
        assert_eq!(broker.committed(), Some(200));
        let mut seen = handler.payloads();
        seen.sort_by_key(|payload| payload.parse::<u32>().unwrap());
        assert_eq!(seen, payloads);
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
