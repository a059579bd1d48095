//! The example does what it says, on a broker in this process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mood_alerts::{ALERTS, Alert, MoodAlerts};
use pagi_appliance::broker::{self, PagiEmbeddedBroker};
use pagi_appliance::router::handler::{Answer, Handler, HandlerError};
use pagi_appliance::router::{
    Config, ConsumerConfig, Event, OutgoingRecord, PagiEventRouter, Summary, consumer,
};
use pagi_appliance::shutdown;
use pagi_protocol::TopicName;
use prometheus_client::registry::Registry;

const SAID: [(&str, &str); 5] = [
    ("twin-1", r#"{"mood":"calm"}"#),
    ("twin-2", r#"{"mood":"furious"}"#),
    ("twin-3", "who knows"),
    ("twin-1", r#"{"mood":"furious","because":"no coffee"}"#),
    ("twin-2", r#"{"mood":"calm"}"#),
];

/// Keeps what it gets.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Event>>>);

impl Handler for Kept {
    async fn handle(&mut self, events: &[Event]) -> Result<Vec<Answer>, HandlerError> {
        self.0.lock().unwrap().extend_from_slice(events);
        Ok(vec![Answer::Done; events.len()])
    }
}

/// Reads a topic to its end.
async fn read(brokers: &[String], topic: &str, handler: impl Handler) -> Summary {
    let topics = vec![TopicName::parse(topic).unwrap()];
    let config = ConsumerConfig {
        exit_at_end: true,
        ..ConsumerConfig::new(brokers.to_vec(), format!("reads-{topic}"), topics)
    };
    let (_trigger, shutdown) = shutdown::channel();
    consumer::run(config, handler, shutdown).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn furious_twins_cause_alerts_and_what_is_no_mood_is_a_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = Registry::default();
    let broker = PagiEmbeddedBroker::start(
        broker::Config { data_dir: folder.path().to_owned(), ..broker::Config::default() },
        TcpListener::bind("127.0.0.1:0").unwrap(),
        &mut registry,
    )
    .unwrap();
    let brokers = vec![broker.local_addr().to_string()];
    let config = Config { brokers: brokers.clone(), ..Config::default() };
    let router = PagiEventRouter::new(config, &mut registry);
    let topic = TopicName::parse("twin.events").unwrap();
    for (twin, said) in SAID {
        let record = OutgoingRecord {
            key: Some(Bytes::from_static(twin.as_bytes())),
            value: Some(Bytes::from_static(said.as_bytes())),
            headers: Vec::new(),
            timestamp_ms: 1_800_000_000_000,
        };
        router.publish(&topic, record).await.unwrap();
    }

    let summary = read(&brokers, "twin.events", MoodAlerts::new(router)).await;
    assert_eq!((summary.events, summary.dead_letters), (5, 1));

    let kept = Kept::default();
    read(&brokers, ALERTS, kept.clone()).await;
    let alerts: Vec<Alert> = kept.0.lock().unwrap().iter().map(parsed).collect();
    let alert =
        |offset, twin: &str| Alert { id: format!("twin.events:0:{offset}"), twin: twin.to_owned() };
    assert_eq!(alerts, [alert(1, "twin-2"), alert(3, "twin-1")]);
    broker.shutdown().await;
}

fn parsed(event: &Event) -> Alert {
    serde_json::from_slice(event.value.as_deref().unwrap()).unwrap()
}
