//! What brokers answer to publishers, or do not.
use std::time::{Duration, Instant};

use bytes::Bytes;
use pagi_protocol::{ErrorCode, PagiError, TopicName};
use prometheus_client::registry::Registry;

use super::keep::Keep;
use super::mute::mute;
use crate::limits::BROKER_CALL_TIMEOUT;
use crate::router::config::Config;
use crate::router::consumer;
use crate::router::consumer_config::{Assignment, ConsumerConfig};
use crate::router::event_router::PagiEventRouter;
use crate::router::fake_broker::{FakeBroker, Fate};
use crate::router::nodelay::is_unfiltered;
use crate::router::record::{OutgoingRecord, Receipt};
use crate::shutdown;

fn router(brokers: Vec<String>, delivery_timeout: Duration) -> PagiEventRouter {
    let config = Config { brokers, delivery_timeout, ..Config::default() };
    PagiEventRouter::new(config, &mut Registry::default())
}

fn topic() -> TopicName {
    TopicName::parse("t").unwrap()
}

fn record(payload: impl Into<Bytes>) -> OutgoingRecord {
    OutgoingRecord {
        key: None,
        value: Some(payload.into()),
        headers: vec![("ce_id".to_owned(), Bytes::from_static(b"id-1"))],
        timestamp_ms: 0,
    }
}

async fn publish(router: &PagiEventRouter, payload: &'static str) -> Result<Receipt, PagiError> {
    router.publish(&topic(), record(payload)).await
}

#[tokio::test]
async fn edge_1_what_a_throttling_broker_gets_again_is_the_same_with_its_id() {
    let broker = FakeBroker::start(&["t"]).await;
    let router = router(vec![broker.address()], Duration::from_secs(6));
    broker.decide([Fate::Throttle, Fate::Throttle]);
    let receipt = publish(&router, "a").await.unwrap();
    let taken = broker.taken();
    assert_eq!(receipt.offset, 2, "that of the last");
    assert_eq!(broker.stored(), [["a"], ["a"], ["a"]]);
    assert!(taken.iter().all(|batch| *batch == taken[0]), "headers and all");
}

#[tokio::test]
async fn edge_2_no_request_waits_for_a_delayed_acknowledgement() {
    const STALL: Duration = Duration::from_millis(40);
    let broker = FakeBroker::start(&["t"]).await;
    let router = router(vec![broker.address()], Duration::from_secs(6));
    let mut fastest = Duration::MAX;
    for _ in 0..40 {
        let started = Instant::now();
        router.publish(&topic(), record(vec![b'x'; 20_000])).await.unwrap();
        fastest = fastest.min(started.elapsed());
    }
    // Under a seccomp filter there is no guard: see `nodelay`.
    assert!(fastest < STALL || !is_unfiltered(), "{fastest:?}");
}

#[tokio::test]
async fn edge_7_a_broker_that_takes_connections_and_says_nothing_ends_a_publish_in_time() {
    let router = router(vec![mute().await], Duration::from_millis(500));
    let started = Instant::now();
    let error = publish(&router, "a").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::BrokerUnavailable);
    assert!(started.elapsed() < 2 * BROKER_CALL_TIMEOUT, "{:?}", started.elapsed());
}

#[tokio::test]
async fn edge_8_a_publisher_follows_the_leader() {
    let (first, second) = (FakeBroker::start(&["t"]).await, FakeBroker::start(&["t"]).await);
    let router = router(vec![first.address()], Duration::from_secs(20));
    publish(&router, "a").await.unwrap();
    first.follow(&second);
    publish(&router, "b").await.unwrap();
    assert_eq!((first.stored(), second.stored()), (vec![vec!["a".into()]], vec![vec!["b".into()]]));
}

#[tokio::test]
async fn edge_9_a_connection_without_an_answer_is_not_used_again() {
    let broker = FakeBroker::start(&["t"]).await;
    let router = router(vec![broker.address()], Duration::from_secs(3));
    broker.decide([Fate::Silence]);
    assert_eq!(publish(&router, "a").await.unwrap_err().code(), ErrorCode::DeliveryUnknown);
    publish(&router, "b").await.unwrap();
    assert_eq!(broker.stored(), [["b"]]);
}

#[tokio::test]
async fn edge_9_a_broker_that_is_gone_is_given_up_for_another_of_the_bootstrap_list() {
    let (first, second) = (FakeBroker::start(&["t"]).await, FakeBroker::start(&["t"]).await);
    let brokers = vec![first.address(), second.address()];
    let router = router(brokers, Duration::from_secs(30));
    publish(&router, "a").await.unwrap();
    let was_first = !first.stored().is_empty();
    let (gone, left) = if was_first { (first, second) } else { (second, first) };
    gone.stop();
    // So long the connection would be trusted; its end is noticed when it is tried.
    tokio::time::sleep(crate::limits::CONNECTION_TRUST).await;
    publish(&router, "b").await.unwrap();
    assert_eq!(left.stored(), [["b"]]);
}

#[tokio::test]
async fn edge_11_a_publish_does_not_wait_for_a_fetch_that_is_held() {
    let broker = FakeBroker::start(&["t"]).await;
    let router = router(vec![broker.address()], Duration::from_secs(6));
    broker.hold_fetches();
    let mut config = ConsumerConfig::new(vec![broker.address()], "g".to_owned(), vec![topic()]);
    config.assignment = Assignment::All;
    let (trigger, shutdown) = shutdown::channel();
    let consuming = tokio::spawn(consumer::run(config, Keep::default(), shutdown));
    while broker.fetch_count() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    publish(&router, "a").await.unwrap();
    assert_eq!(broker.fetch_count(), 1, "it is still held");
    trigger.request();
    consuming.await.unwrap().unwrap();
}

#[tokio::test]
async fn edge_12_a_length_beyond_all_measure_leaves_a_doubt_and_no_wait() {
    let broker = FakeBroker::start(&["t"]).await;
    let router = router(vec![broker.address()], Duration::from_secs(20));
    broker.decide([Fate::Length(100 << 20)]);
    let started = Instant::now();
    let error = publish(&router, "a").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::DeliveryUnknown);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    publish(&router, "b").await.unwrap();
    assert_eq!(broker.stored(), [["b"]]);
}

#[tokio::test]
async fn edge_13_two_thousand_events_are_stored_in_their_order_within_the_budget() {
    let broker = FakeBroker::start(&["t"]).await;
    let config = Config {
        brokers: vec![broker.address()],
        batch_records_max: 7,
        queue_bytes_max: 4 << 20,
        ..Config::default()
    };
    let router = PagiEventRouter::new(config, &mut Registry::default());
    let mut submitted = Vec::new();
    for number in 0..2000 {
        submitted.push(
            router.submit(&topic(), record(format!("{number:04}")), Instant::now()).await.unwrap(),
        );
    }
    for submission in submitted {
        submission.outcome().await.unwrap();
    }
    let stored = broker.stored().concat();
    assert_eq!(stored.len(), 2000);
    assert!(stored.is_sorted());
    // Nobody answers any more: what waits is bounded.
    broker.pause();
    let mut waiting = Vec::new();
    let full = loop {
        match router.submit(&topic(), record(vec![b'x'; 100_000]), Instant::now()).await {
            Ok(submission) => waiting.push(submission),
            Err(error) => break error,
        }
    };
    assert_eq!(full.code(), ErrorCode::Overloaded);
    assert!(waiting.len() <= (4 << 20) / 100_000, "{}", waiting.len());
}
