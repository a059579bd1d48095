//! `PagiEventRouter`: publishes records and events, and tells the outcome of each.
//!
//! **Invariants.** A publish ends with one of three outcomes: acknowledged (a receipt), surely
//! not written, or unknown ([`ErrorCode::DeliveryUnknown`]). Records with one key go to one
//! partition, in the order of the calls. No more bytes are open than the budget allows. A caller
//! that stops waiting does not take its record back.
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pagi_protocol::{ErrorCode, PagiError, TopicName};
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::sync::{Semaphore, oneshot};

use super::cluster::Cluster;
use super::config::Config;
use super::lookup::{HEALTH_TOPIC, Lookups};
use super::metrics::Metrics;
use super::queue::{Charge, Pending, Refused};
use super::record::{OutgoingRecord, Receipt};
use super::routes::Routes;
use super::sync::now_ms;
use crate::core::batcher::Waiting;
use crate::core::retry::Patience;
use crate::limits::{
    BROKER_CALL_TIMEOUT, BROKER_MESSAGE_BYTES_MAX, CHECK_BAD_FOR, CHECK_GOOD_FOR, CHECK_TIMEOUT,
    TOPICS_REFRESH_INTERVAL,
};

/// Publishes to any Kafka broker. Cheap to clone; clones share connections and limits.
///
/// It connects when first used, and must then be inside a tokio runtime.
///
/// A record is sent once, with one exception that is not ours to prevent: to a cluster that
/// throttles a producer by quota, `rskafka` sends an acknowledged request again. Such duplicates
/// carry the same event id. The embedded broker does not throttle in this way.
#[derive(Clone)]
pub struct PagiEventRouter(Arc<Inner>);

struct Inner {
    config: Config,
    patience: Patience,
    cluster: Arc<Cluster>,
    lookups: Lookups,
    routes: Routes,
    budget: Arc<Semaphore>,
    budget_bytes: u32,
    closing: AtomicBool,
    metrics: Metrics,
    refreshing: OnceLock<()>,
    health: tokio::sync::Mutex<Option<(Instant, Result<(), PagiError>)>>,
}

impl PagiEventRouter {
    /// A router that has not connected yet. Never blocks.
    pub fn new(config: Config, registry: &mut Registry) -> Self {
        let metrics = Metrics::new(registry);
        let cluster = Arc::new(Cluster::new(
            config.brokers.clone(),
            &config.client_id,
            BROKER_MESSAGE_BYTES_MAX,
        ));
        let budget_bytes = u32::try_from(config.queue_bytes_max).unwrap_or(u32::MAX);
        Self(Arc::new(Inner {
            patience: Patience::from_delivery_timeout(config.delivery_timeout),
            lookups: Lookups::new(Arc::clone(&cluster)),
            routes: Routes::new(Arc::clone(&cluster), config.clone(), metrics.clone()),
            budget: Arc::new(Semaphore::new(usize::try_from(budget_bytes).unwrap_or(usize::MAX))),
            budget_bytes,
            closing: AtomicBool::new(false),
            refreshing: OnceLock::new(),
            health: tokio::sync::Mutex::new(None),
            config,
            cluster,
            metrics,
        }))
    }

    /// Publishes a record and waits for the broker's durable acknowledgement.
    ///
    /// # Errors
    /// [`ErrorCode::DeliveryUnknown`] when the record may or may not be stored; with every other
    /// code nothing was written: [`ErrorCode::PayloadTooLarge`], [`ErrorCode::Overloaded`],
    /// [`ErrorCode::ShuttingDown`], [`ErrorCode::BrokerUnavailable`], [`ErrorCode::UnknownTopic`],
    /// [`ErrorCode::InvalidTopic`], [`ErrorCode::StorageFull`], [`ErrorCode::Rejected`],
    /// [`ErrorCode::InvalidEvent`].
    pub async fn publish(
        &self,
        topic: &TopicName,
        record: OutgoingRecord,
    ) -> Result<Receipt, PagiError> {
        self.submit(topic, record, Instant::now()).await?.outcome().await
    }

    /// Hands a record over, and waits only until its place among the others is certain: records
    /// that are submitted one after the other stay in that order. The delivery timeout runs from
    /// `started`.
    ///
    /// # Errors
    /// As [`PagiEventRouter::publish`]; nothing was written.
    pub async fn submit(
        &self,
        topic: &TopicName,
        record: OutgoingRecord,
        started: Instant,
    ) -> Result<Submission, PagiError> {
        match self.0.hand_over(topic, record, started).await {
            Ok((partition, reply)) => {
                let router = Arc::clone(&self.0);
                Ok(Submission { router, topic: topic.clone(), partition, reply, started })
            }
            Err(error) => {
                self.0.metrics.count::<Receipt>(Err(&error));
                Err(error)
            }
        }
    }

    /// Publishes an event as JSON under a key, and waits for the durable acknowledgement.
    ///
    /// # Errors
    /// As [`PagiEventRouter::publish`]; [`ErrorCode::InvalidEvent`] if it does not serialize.
    pub async fn publish_event<T: Serialize + Debug>(
        &self,
        topic: &str,
        key: &str,
        event: &T,
    ) -> Result<(), PagiError> {
        let topic = TopicName::parse(topic)?;
        let value = serde_json::to_vec(event).map_err(|error| {
            tracing::debug!(?event, %error, "an event does not serialize");
            PagiError::new(ErrorCode::InvalidEvent, format!("it does not serialize: {error}"))
        })?;
        let record = OutgoingRecord {
            key: Some(Bytes::copy_from_slice(key.as_bytes())),
            value: Some(Bytes::from(value)),
            headers: vec![("content-type".to_owned(), Bytes::from_static(b"application/json"))],
            timestamp_ms: now_ms(),
        };
        self.publish(&topic, record).await.map(drop)
    }

    /// How many more bytes of records would be accepted now.
    #[must_use]
    pub fn room_bytes(&self) -> usize {
        self.0.budget.available_permits()
    }

    /// Whether events can be published: writes a tiny record to [`HEALTH_TOPIC`]. The answer is
    /// kept for some seconds, so that asking often costs nothing.
    ///
    /// # Errors
    /// As [`PagiEventRouter::publish`]; [`ErrorCode::BrokerUnavailable`] if it takes too long.
    pub async fn check(&self) -> Result<(), PagiError> {
        let mut health = self.0.health.lock().await;
        if let Some((at, result)) = &*health {
            let good_for = if result.is_ok() { CHECK_GOOD_FOR } else { CHECK_BAD_FOR };
            if at.elapsed() < good_for {
                return result.clone();
            }
        }
        let record = OutgoingRecord {
            key: None,
            value: Some(Bytes::from_static(b"check")),
            headers: Vec::new(),
            timestamp_ms: now_ms(),
        };
        let publish = async {
            let topic = TopicName::parse(HEALTH_TOPIC)?;
            let (_, reply) = self.0.hand_over(&topic, record, Instant::now()).await?;
            told(reply).await.map(drop)
        };
        let result = tokio::time::timeout(CHECK_TIMEOUT, publish).await.unwrap_or_else(|_| {
            let detail = format!("no acknowledgement within {} s", CHECK_TIMEOUT.as_secs());
            Err(PagiError::new(ErrorCode::BrokerUnavailable, detail))
        });
        *health = Some((Instant::now(), result.clone()));
        result
    }

    /// Refuses new records from now on, and waits until the outcome of every accepted one is
    /// known, or until `deadline` has passed.
    pub async fn drain(&self, deadline: Duration) {
        self.0.closing.store(true, Ordering::SeqCst);
        let all = self.0.budget.acquire_many(self.0.budget_bytes);
        if tokio::time::timeout(deadline, all).await.is_err() {
            let open_bytes = self.0.metrics.open_bytes.get();
            tracing::warn!(open_bytes, "stopping although some records have no outcome yet");
        }
        self.0.routes.close();
    }
}

/// A record that was handed over. Who drops this does not take the record back, but does not hear
/// its outcome either.
#[must_use = "the record may not be stored"]
pub struct Submission {
    router: Arc<Inner>,
    topic: TopicName,
    partition: i32,
    reply: oneshot::Receiver<Result<i64, PagiError>>,
    started: Instant,
}

impl Submission {
    /// Waits for the broker's durable acknowledgement.
    ///
    /// # Errors
    /// As [`PagiEventRouter::publish`].
    pub async fn outcome(self) -> Result<Receipt, PagiError> {
        let Self { router, topic, partition, reply, started } = self;
        let result = told(reply).await.map(|offset| Receipt { topic, partition, offset });
        router.metrics.count(result.as_ref());
        if result.is_ok() {
            router.metrics.publish_seconds.observe(started.elapsed().as_secs_f64());
        }
        result
    }
}

impl Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Submission");
        debug.field("topic", &self.topic).field("partition", &self.partition);
        debug.finish_non_exhaustive()
    }
}

async fn told(reply: oneshot::Receiver<Result<i64, PagiError>>) -> Result<i64, PagiError> {
    reply.await.unwrap_or_else(|_| {
        let detail = "the delivery was abandoned before its outcome was known";
        Err(PagiError::new(ErrorCode::DeliveryUnknown, detail))
    })
}

impl Debug for PagiEventRouter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PagiEventRouter").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl Inner {
    /// Puts a record into its partition's queue, and gives that partition and where the outcome
    /// will be told.
    async fn hand_over(
        self: &Arc<Self>,
        topic: &TopicName,
        record: OutgoingRecord,
        started: Instant,
    ) -> Result<(i32, oneshot::Receiver<Result<i64, PagiError>>), PagiError> {
        let timestamp = record.timestamp()?;
        let charge = self.admit(record.size_bytes())?;
        self.refresh_in_background();
        let give_up_at = started + self.patience.hand_over;
        let partitions = self.lookups.partitions(topic, give_up_at).await?;
        let bytes = record.size_bytes();
        let key = record.key.clone();
        let (reply, outcome) = oneshot::channel();
        let mut waiting =
            Waiting { item: Pending { record, timestamp, reply, charge }, bytes, give_up_at };
        loop {
            let (partition, queue) = self.routes.queue_for(topic, key.as_ref(), partitions)?;
            match queue.push(waiting) {
                Ok(()) => return Ok((partition, outcome)),
                Err(Refused::Full) => return Err(overloaded("this partition's queue is full")),
                // It closed just now; the next look finds or makes another one.
                Err(Refused::Closed(back)) => waiting = *back,
            }
        }
    }

    /// Takes the record's bytes from the budget.
    fn admit(&self, bytes: usize) -> Result<Charge, PagiError> {
        if bytes > self.config.record_bytes_max {
            let limit = self.config.record_bytes_max;
            let detail = format!("the record has {bytes} bytes, the limit is {limit}");
            return Err(PagiError::new(ErrorCode::PayloadTooLarge, detail));
        }
        self.refuse_when_closing()?;
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let Ok(permit) = Arc::clone(&self.budget).try_acquire_many_owned(permits) else {
            self.refuse_when_closing()?;
            return Err(overloaded("too many bytes wait for their acknowledgement"));
        };
        Ok(Charge::new(permit, &self.metrics.open_bytes))
    }

    fn refuse_when_closing(&self) -> Result<(), PagiError> {
        if self.closing.load(Ordering::SeqCst) {
            let detail = "the service is stopping; nothing was written";
            return Err(PagiError::new(ErrorCode::ShuttingDown, detail));
        }
        Ok(())
    }

    /// Starts, once, the task that keeps the picture of the cluster's topics fresh. It ends with
    /// the router.
    fn refresh_in_background(self: &Arc<Self>) {
        self.refreshing.get_or_init(|| {
            tokio::spawn(refresh(Arc::downgrade(self)));
        });
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.routes.close();
    }
}

async fn refresh(router: Weak<Inner>) {
    loop {
        tokio::time::sleep(TOPICS_REFRESH_INTERVAL).await;
        let Some(router) = router.upgrade() else { return };
        router.routes.prune();
        if let Err(error) = router.cluster.refresh(BROKER_CALL_TIMEOUT).await {
            tracing::debug!(%error, "cannot refresh the list of topics");
        }
    }
}

fn overloaded(why: &str) -> PagiError {
    PagiError::new(ErrorCode::Overloaded, format!("{why}; nothing was written, retry later"))
}

#[cfg(test)]
mod tests {
    use pagi_protocol::kafka::error_code::KafkaCode;
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::super::fake_broker::{FakeBroker, Fate};
    use super::*;

    fn router(address: &str, delivery_timeout: Duration) -> PagiEventRouter {
        let config = Config {
            brokers: vec![address.to_owned()],
            delivery_timeout,
            record_bytes_max: 2_000,
            queue_bytes_max: 10_000,
            ..Config::default()
        };
        PagiEventRouter::new(config, &mut Registry::default())
    }

    /// A broker with the topic `t`, and a router that is connected to it.
    async fn connected() -> (FakeBroker, PagiEventRouter) {
        let broker = FakeBroker::start(&["t"]).await;
        let router = router(&broker.address(), Duration::from_secs(6));
        publish(&router, "first").await.unwrap().unwrap();
        (broker, router)
    }

    fn publish(
        router: &PagiEventRouter,
        payload: &'static str,
    ) -> JoinHandle<Result<Receipt, PagiError>> {
        let router = router.clone();
        tokio::spawn(async move { router.publish(&topic(), record(payload)).await })
    }

    fn topic() -> TopicName {
        TopicName::parse("t").unwrap()
    }

    fn record(payload: &'static str) -> OutgoingRecord {
        OutgoingRecord {
            key: None,
            value: Some(Bytes::from_static(payload.as_bytes())),
            headers: vec![],
            timestamp_ms: 0,
        }
    }

    async fn code(publish: JoinHandle<Result<Receipt, PagiError>>) -> ErrorCode {
        publish.await.unwrap().unwrap_err().code()
    }

    #[tokio::test]
    async fn what_comes_while_a_request_is_in_flight_goes_together_and_in_order() {
        let (broker, router) = connected().await;
        broker.pause();
        let mut publishes = vec![publish(&router, "a")];
        broker.requests(2).await;
        for payload in ["b", "c", "d"] {
            let router = router.clone();
            let topic = topic();
            let mut publishing =
                Box::pin(async move { router.publish(&topic, record(payload)).await });
            // The first poll queues it: so the order is known.
            assert!(futures_poll_once(&mut publishing).await.is_none());
            publishes.push(tokio::spawn(publishing));
        }
        broker.go_on();
        let mut offsets = Vec::new();
        for publish in publishes {
            offsets.push(publish.await.unwrap().unwrap().offset);
        }
        assert_eq!(offsets, [1, 2, 3, 4]);
        assert_eq!(broker.stored(), [vec!["first"], vec!["a"], vec!["b", "c", "d"]]);
    }

    async fn futures_poll_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
                std::task::Poll::Ready(value) => Some(value),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }

    #[tokio::test]
    async fn a_lost_answer_is_unknown_and_the_record_is_not_sent_again() {
        for fate in [Fate::Close, Fate::Refuse(KafkaCode::RequestTimedOut)] {
            let (broker, router) = connected().await;
            broker.decide([fate]);
            assert_eq!(code(publish(&router, "a")).await, ErrorCode::DeliveryUnknown, "{fate:?}");
            publish(&router, "b").await.unwrap().unwrap();
            assert_eq!(broker.stored(), [["first"], ["b"]], "{fate:?}");
            assert_eq!(broker.request_count(), 3, "{fate:?}");
        }
    }

    #[tokio::test]
    async fn no_answer_is_unknown_in_time_and_the_next_record_goes_over_a_new_connection() {
        let broker = FakeBroker::start(&["t"]).await;
        let router = router(&broker.address(), Duration::from_secs(3));
        publish(&router, "first").await.unwrap().unwrap();
        broker.decide([Fate::Silence]);
        assert_eq!(code(publish(&router, "a")).await, ErrorCode::DeliveryUnknown);
        publish(&router, "b").await.unwrap().unwrap();
        assert_eq!(broker.stored(), [["first"], ["b"]]);
    }

    #[tokio::test]
    async fn a_refusal_that_passes_is_waited_out() {
        let (broker, router) = connected().await;
        broker.decide(
            [KafkaCode::NotLeaderOrFollower, KafkaCode::NotEnoughReplicas].map(Fate::Refuse),
        );
        assert_eq!(publish(&router, "a").await.unwrap().unwrap().offset, 1);
        assert_eq!(broker.request_count(), 4);
    }

    #[tokio::test]
    async fn a_connection_that_broke_while_idle_costs_nothing() {
        let (broker, router) = connected().await;
        broker.hang_up();
        // So long a connection is trusted without a try.
        tokio::time::sleep(crate::limits::CONNECTION_TRUST).await;
        assert_eq!(publish(&router, "a").await.unwrap().unwrap().offset, 1);
    }

    #[tokio::test]
    async fn a_record_at_fault_takes_no_other_with_it() {
        let (broker, router) = connected().await;
        broker.refuse_payload(b"bad");
        broker.pause();
        let good = publish(&router, "a");
        broker.requests(2).await;
        let mut publishes = Vec::new();
        for payload in ["b", "c", "bad", "d", "e"] {
            publishes.push((payload, publish(&router, payload)));
        }
        while router.0.metrics.open_bytes.get() < 6 * 128 {
            tokio::task::yield_now().await;
        }
        broker.go_on();
        good.await.unwrap().unwrap();
        for (payload, publish) in publishes {
            let result = publish.await.unwrap().map_err(|error| error.code());
            match payload {
                "bad" => assert_eq!(result.unwrap_err(), ErrorCode::Rejected),
                _ => assert!(result.is_ok(), "{payload}"),
            }
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_told_as_such() {
        let (broker, router) = connected().await;
        broker.decide([Fate::Refuse(KafkaCode::KafkaStorageError)]);
        assert_eq!(code(publish(&router, "a")).await, ErrorCode::StorageFull);
    }

    #[tokio::test]
    async fn a_topic_is_created_by_asking_or_unknown() {
        let broker = FakeBroker::start(&[]).await;
        let router = router(&broker.address(), Duration::from_secs(2));
        assert_eq!(code(publish(&router, "a")).await, ErrorCode::UnknownTopic);
        broker.create_topics();
        publish(&router, "b").await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn limits_refuse_before_anything_is_queued() {
        let (broker, router) = connected().await;
        let sized = |bytes| OutgoingRecord { value: Some(vec![0; bytes].into()), ..record("") };
        let refusal = router.publish(&topic(), sized(1_900)).await.unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::PayloadTooLarge);

        broker.pause();
        let spawn = || {
            let (router, record) = (router.clone(), sized(1_500));
            tokio::spawn(async move { router.publish(&topic(), record).await })
        };
        let in_flight = spawn();
        broker.requests(2).await;
        // One partition's queue takes half of the budget: three of these.
        let queued = [spawn(), spawn(), spawn()];
        while router.0.metrics.open_bytes.get() < 4 * 1_628 {
            tokio::task::yield_now().await;
        }
        assert_eq!(code(spawn()).await, ErrorCode::Overloaded);

        broker.go_on();
        in_flight.await.unwrap().unwrap();
        for publish in queued {
            publish.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn draining_finishes_what_is_accepted_and_refuses_the_rest() {
        let (broker, router) = connected().await;
        broker.pause();
        let accepted = publish(&router, "a");
        broker.requests(2).await;
        let draining = tokio::spawn({
            let router = router.clone();
            async move { router.drain(Duration::from_secs(10)).await }
        });
        while !router.0.closing.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        assert_eq!(code(publish(&router, "b")).await, ErrorCode::ShuttingDown);
        assert!(!draining.is_finished());
        broker.go_on();
        draining.await.unwrap();
        accepted.await.unwrap().unwrap();
    }

    /// Listens, and does this with each connection: nothing, or closing it.
    async fn stand_in(close: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                if !close {
                    held.push(stream);
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn without_a_broker_the_answer_comes_in_time_and_nothing_is_in_doubt() {
        // Nothing listens on port 1.
        for address in ["127.0.0.1:1".to_owned(), stand_in(false).await, stand_in(true).await] {
            let router = router(&address, Duration::from_millis(600));
            let started = Instant::now();
            let code = code(publish(&router, "a")).await;
            assert_eq!(code, ErrorCode::BrokerUnavailable, "{address}");
            assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
            assert!(router.check().await.is_err());
        }
    }

    #[tokio::test]
    async fn an_event_travels_as_json_under_its_key() {
        let (broker, router) = connected().await;
        router.publish_event("t", "k", &serde_json::json!({"n": 1})).await.unwrap();
        assert_eq!(broker.stored()[1], ["{\"n\":1}"]);
        let refused = router.publish_event("a/b", "k", &1).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidTopic);
    }
}
