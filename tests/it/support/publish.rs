//! Publishing events, and keeping what was promised about each.
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::events::Event;
use super::http::Http;

/// An event, and the place that its 201 named.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) event: Event,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// Publishes `event` and reads its receipt.
///
/// # Errors
/// When the connection ends before the answer is complete: then nothing was promised.
///
/// # Panics
/// When the answer is not a 201 with a receipt for this topic.
pub(crate) fn one(http: &mut Http, topic: &str, event: &Event) -> io::Result<Acknowledged> {
    let response = http.publish(topic, event.key.as_deref(), &event.body)?;
    assert_eq!(response.status, 201, "{}", response.body.escape_ascii());
    let receipt = response.json();
    assert_eq!(receipt["topic"], topic);
    assert!(receipt["id"].as_str().is_some_and(|id| !id.is_empty()), "{receipt}");
    let number =
        |name: &str| receipt[name].as_i64().unwrap_or_else(|| panic!("no {name}: {receipt}"));
    let partition = i32::try_from(number("partition")).expect("a partition");
    Ok(Acknowledged { event: event.clone(), partition, offset: number("offset") })
}

/// Publishes all `events` one after the other.
pub(crate) fn all(http: &mut Http, topic: &str, events: &[Event]) -> Vec<Acknowledged> {
    events.iter().map(|event| one(http, topic, event).expect("the gateway answers")).collect()
}

/// A topic name that no other test and no other run uses.
pub(crate) fn new_topic(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    format!("it.{name}.{}.{}.{count}", std::process::id(), now.as_millis())
}
