//! What others write and brokers answer must not stop a consumer, nor make it skip an event.
use std::io::Write as _;
use std::time::{Duration, Instant};

use pagi_protocol::kafka::record_batch::BatchHeader;
use pagi_protocol::{ErrorCode, PagiError, TopicName};

use super::keep::Keep;
use super::mute::mute;
use crate::limits::BROKER_CALL_TIMEOUT;
use crate::router::consumer;
use crate::router::consumer_config::{Assignment, ConsumerConfig};
use crate::router::fake_batch::{
    APPEND_TIME, BODY, CONTROL, LAST_OFFSET_DELTA, MAX_TIMESTAMP, PRODUCER_ID, RECORDS,
    TRANSACTIONAL, batch, with_body, with_epoch,
};
use crate::router::fake_broker::FakeBroker;
use crate::shutdown;

fn config(broker: &FakeBroker) -> ConsumerConfig {
    let topics = vec![TopicName::parse("t").unwrap()];
    ConsumerConfig {
        assignment: Assignment::All,
        exit_at_end: true,
        commit_interval: Duration::from_millis(10),
        ..ConsumerConfig::new(vec![broker.address()], "g".to_owned(), topics)
    }
}

async fn run(config: ConsumerConfig, handler: &Keep) -> Result<(), PagiError> {
    let (_trigger, shutdown) = shutdown::channel();
    let running = consumer::run(config, handler.clone(), shutdown);
    tokio::time::timeout(Duration::from_secs(60), running).await.expect("it ends").map(drop)
}

/// What a consumer makes of these batches, in a partition that ends at `end`.
async fn read(batches: Vec<Vec<u8>>, end: i64) -> (Result<(), PagiError>, Keep, FakeBroker) {
    let broker = FakeBroker::start(&["t"]).await;
    broker.forge(batches, end);
    let handler = Keep::default();
    let result = run(config(&broker), &handler).await;
    (result, handler, broker)
}

/// Waits until the handler got so many events.
async fn got(handler: &Keep, count: usize) {
    while handler.events().len() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn edge_3_transaction_markers_are_stepped_over() {
    let marker = |at| batch(at, &["marker"], &[CONTROL]);
    let batches =
        vec![marker(0), batch(1, &["a"], &[]), marker(2), batch(3, &["b"], &[]), marker(4)];
    let (result, handler, broker) = read(batches, 5).await;
    result.unwrap();
    assert_eq!(handler.payloads(), ["a", "b"]);
    assert_eq!(broker.committed(), Some(5));
}

#[tokio::test]
async fn edge_4_null_and_repeated_headers_reach_the_handler() {
    let (result, handler, _) = read(vec![batch(0, &["a"], &[])], 1).await;
    result.unwrap();
    let null = ("h".to_owned(), None);
    assert_eq!(handler.events()[0].headers, [null.clone(), null]);
}

#[tokio::test]
async fn edge_5_what_compaction_removed_is_stepped_over_at_once() {
    let delta = 9_i32.to_be_bytes();
    // Of the offsets 0 to 29, 0, 1 and 20 are left; 10 to 19 have not even a batch.
    let batches = vec![
        batch(0, &["a", "b"], &[(LAST_OFFSET_DELTA, &delta)]),
        batch(20, &["c"], &[(LAST_OFFSET_DELTA, &delta)]),
    ];
    let (result, handler, broker) = read(batches, 30).await;
    result.unwrap();
    assert_eq!(handler.payloads(), ["a", "b", "c"]);
    assert_eq!(broker.committed(), Some(30));
    assert!(broker.fetch_count() < 10, "{}", broker.fetch_count());
}

#[tokio::test]
async fn edge_6_a_batch_that_ends_early_stops_the_consumer_before_it() {
    let two = 2_i32.to_be_bytes();
    let ends_early =
        batch(1, &["b"], &[(LAST_OFFSET_DELTA, &1_i32.to_be_bytes()), (RECORDS, &two)]);
    let batches = vec![batch(0, &["a"], &[]), ends_early, batch(3, &["d"], &[])];
    let (result, handler, broker) = read(batches, 4).await;
    let error = result.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Rejected);
    assert!(error.detail().starts_with("t/0: cannot read on at offset 1: "), "{}", error.detail());
    assert_eq!(handler.payloads(), ["a"]);
    assert_eq!(broker.committed(), Some(1));
}

#[tokio::test]
async fn edge_7_a_broker_that_takes_connections_and_says_nothing_ends_a_consumer_in_time() {
    let mut config = config(&FakeBroker::start(&[]).await);
    config.brokers = vec![mute().await];
    config.connect_timeout = Some(Duration::from_millis(100));
    let started = Instant::now();
    let error = run(config, &Keep::default()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::BrokerUnavailable);
    assert!(started.elapsed() < 3 * BROKER_CALL_TIMEOUT, "{:?}", started.elapsed());
}

#[tokio::test]
async fn edge_8_a_consumer_follows_the_leader() {
    let (first, second) = (FakeBroker::start(&["t"]).await, FakeBroker::start(&["t"]).await);
    first.store(&["a"]);
    second.store(&["a", "b"]);
    let handler = Keep::default();
    let config = ConsumerConfig { exit_at_end: false, events_max: Some(2), ..config(&first) };
    let running = tokio::spawn({
        let handler = handler.clone();
        async move { run(config, &handler).await }
    });
    got(&handler, 1).await;
    first.follow(&second);
    running.await.unwrap().unwrap();
    assert_eq!(handler.payloads(), ["a", "b"]);
}

#[tokio::test]
async fn edge_9_a_leader_that_falls_silent_is_given_up() {
    let (first, second) = (FakeBroker::start(&["t"]).await, FakeBroker::start(&["t"]).await);
    second.store(&["a"]);
    first.hold_fetches();
    let handler = Keep::default();
    let mut config = ConsumerConfig { exit_at_end: false, events_max: Some(1), ..config(&first) };
    config.brokers.push(second.address());
    let running = tokio::spawn({
        let handler = handler.clone();
        async move { run(config, &handler).await }
    });
    while first.fetch_count() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    first.follow(&second);
    running.await.unwrap().unwrap();
    assert_eq!(handler.payloads(), ["a"]);
}

#[tokio::test]
async fn edge_10_aborted_transactions_are_left_out_and_open_ones_are_waited_for() {
    let producer = 7_i64.to_be_bytes();
    let of = |flag| [flag, (PRODUCER_ID, &producer[..])];
    let batches = vec![
        batch(0, &["aborted"], &of(TRANSACTIONAL)),
        batch(1, &["marker"], &of(CONTROL)),
        batch(2, &["committed"], &of(TRANSACTIONAL)),
        batch(3, &["marker"], &of(CONTROL)),
    ];
    let broker = FakeBroker::start(&["t"]).await;
    broker.forge(batches, 4);
    broker.abort(7, 0, 1);
    broker.open_transaction(Some(2));
    let handler = Keep::default();
    let config = ConsumerConfig { exit_at_end: false, events_max: Some(1), ..config(&broker) };
    let running = tokio::spawn({
        let handler = handler.clone();
        async move { run(config, &handler).await }
    });
    while broker.fetch_count() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(handler.payloads().is_empty());
    broker.open_transaction(None);
    running.await.unwrap().unwrap();
    assert_eq!(handler.payloads(), ["committed"]);
}

#[tokio::test]
async fn edge_10_the_time_that_the_broker_set_is_the_time_of_the_event() {
    let time = 77_i64.to_be_bytes();
    let batches = vec![batch(0, &["a"], &[APPEND_TIME, (MAX_TIMESTAMP, &time)])];
    let (result, handler, _) = read(batches, 1).await;
    result.unwrap();
    assert_eq!(handler.events()[0].timestamp_ms, 77);
}

#[tokio::test]
async fn edge_12_a_length_beyond_all_measure_is_an_error_and_no_memory() {
    let broker = FakeBroker::start(&["t"]).await;
    broker.store(&["a"]);
    broker.answer_fetches_with_length(100 << 20);
    let started = Instant::now();
    let error = run(config(&broker), &Keep::default()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Rejected);
    let told = "t/0: cannot read on at offset 0: a frame of 104857600 bytes is not acceptable";
    assert!(error.detail().starts_with(told), "{}", error.detail());
    assert!(started.elapsed() < 4 * BROKER_CALL_TIMEOUT);
}

#[tokio::test]
async fn all_codecs_are_read() {
    let plain = batch(0, &["a", "b"], &[]);
    let body = &plain[BODY..];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(body).unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(body).unwrap();
    let level = ruzstd::encoding::CompressionLevel::Uncompressed;
    let codecs = [
        (1, gzip.finish().unwrap()),
        (2, snap::raw::Encoder::new().compress_vec(body).unwrap()),
        (3, lz4.finish().unwrap()),
        (4, ruzstd::encoding::compress_to_vec(body, level)),
    ];
    for (codec, compressed) in codecs {
        let batch = batch(0, &["a", "b"], &[(21, &[0, codec])]);
        let (result, handler, _) = read(vec![with_body(&batch, &compressed)], 2).await;
        result.unwrap();
        assert_eq!(handler.payloads(), ["a", "b"], "codec {codec}");
    }
}

#[tokio::test]
async fn commits_carry_the_leader_epoch_of_what_was_read() {
    let batches = vec![with_epoch(batch(0, &["a"], &[]), 3), with_epoch(batch(1, &["b"], &[]), 4)];
    assert_eq!(BatchHeader::parse(&batches[1]).unwrap().leader_epoch, 4);
    let (result, _, broker) = read(batches, 2).await;
    result.unwrap();
    assert_eq!((broker.committed(), broker.committed_epoch()), (Some(2), 4));
}
