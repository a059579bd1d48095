//! An event as a request to a webhook.
//!
//! **Invariants.** The same event gives the same CloudEvent whenever it is sent again, so that a
//! receiver can tell repeats by `id` and `source`. In binary mode the body is the record's value,
//! byte for byte.
//!
//! **References.** CloudEvents 1.0.2: HTTP protocol binding sections 3.1 and 3.2, Kafka protocol
//! binding section 3.
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request};
use http_body_util::Full;
use pagi_protocol::cloudevents::http::percent_encoded;
use pagi_protocol::cloudevents::kafka;
use pagi_protocol::event::{EventTime, PARTITION_KEY};
use pagi_protocol::{PagiBaseEvent, PagiError};

use super::signature::Secret;
use super::url::WebhookUrl;
use crate::router::event::Event;

/// How an event is written into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Mode {
    /// The payload is the body, the attributes are ce-* headers.
    #[default]
    Binary,
    /// The body is a JSON object with everything.
    Structured,
}

const USER_AGENT_VALUE: &str = concat!("pagi-appliance/", env!("CARGO_PKG_VERSION"));

/// The request that delivers `event`.
///
/// # Errors
/// When no request can carry it.
pub(super) fn of(
    event: &Event,
    url: &WebhookUrl,
    mode: Mode,
    secret: Option<&Secret>,
    now_ms: i64,
) -> Result<Request<Full<Bytes>>, PagiError> {
    let cloud = cloud_event(event)?;
    let mut headers = HeaderMap::with_capacity(24);
    let body = match mode {
        Mode::Binary => {
            for (name, value) in cloud.to_http_headers() {
                insert(&mut headers, &name, &value);
            }
            if let Some(media) = cloud.data_content_type() {
                insert(&mut headers, CONTENT_TYPE.as_str(), media);
            }
            cloud.data().cloned().unwrap_or_default()
        }
        Mode::Structured => {
            insert(&mut headers, CONTENT_TYPE.as_str(), "application/cloudevents+json");
            Bytes::from(cloud.to_json()?)
        }
    };
    insert(&mut headers, "pagi-topic", event.topic.as_str());
    insert(&mut headers, "pagi-partition", &event.partition.to_string());
    insert(&mut headers, "pagi-offset", &event.offset.to_string());
    if let Some(secret) = secret {
        let (id, timestamp) = (percent_encoded(cloud.id()), (now_ms / 1_000).to_string());
        insert(&mut headers, "webhook-signature", &secret.sign(&id, &timestamp, &body));
        insert(&mut headers, "webhook-id", &id);
        insert(&mut headers, "webhook-timestamp", &timestamp);
    }
    headers.insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_VALUE));
    headers.insert(HOST, url.authority.clone());
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.target.clone();
    *request.headers_mut() = headers;
    Ok(request)
}

/// Adds a header. What no header can carry is left out: attributes are percent-encoded, so it can
/// only be a media type that is none.
fn insert(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
        headers.insert(name, value);
    }
}

/// The event that a record carries; a record that carries none becomes one, named by its place.
fn cloud_event(event: &Event) -> Result<PagiBaseEvent, PagiError> {
    let headers = event.headers.iter();
    let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)));
    let cloud = match PagiBaseEvent::from_kafka(headers, event.value.clone()) {
        Ok(cloud) => cloud,
        Err(_) => of_plain_record(event)?,
    };
    match event.key.as_deref().map(std::str::from_utf8) {
        Some(Ok(key)) if cloud.partition_key().is_none() && !key.is_empty() => {
            // A key that no attribute can hold stays with the record.
            Ok(cloud.clone().with_extension(PARTITION_KEY, key).unwrap_or(cloud))
        }
        _ => Ok(cloud),
    }
}

fn of_plain_record(event: &Event) -> Result<PagiBaseEvent, PagiError> {
    let Event { topic, partition, offset, .. } = event;
    let id = format!("{topic}/{partition}/{offset}");
    let mut cloud = PagiBaseEvent::new(id, format!("/kafka/{topic}"), "pagi.kafka.record")?;
    if let Some(at) = DateTime::from_timestamp_millis(event.timestamp_ms) {
        let text = at.to_rfc3339_opts(SecondsFormat::Millis, true);
        cloud = cloud.with_time(EventTime::parse(text)?);
    }
    let Some(value) = &event.value else { return Ok(cloud) };
    let told =
        event.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(kafka::CONTENT_TYPE));
    let told = told.and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok());
    let guessed = match serde_json::from_slice::<serde::de::IgnoredAny>(value) {
        Ok(_) => "application/json",
        Err(_) => "application/octet-stream",
    };
    let media = told.filter(|media| !media.is_empty()).unwrap_or(guessed);
    cloud = cloud.clone().with_data_content_type(media).unwrap_or(cloud);
    Ok(cloud.with_data(value.clone()))
}

#[cfg(test)]
mod tests {
    use pagi_protocol::TopicName;

    use super::*;

    fn plain(value: &'static [u8]) -> Event {
        Event {
            topic: TopicName::parse("twin.events").unwrap(),
            partition: 3,
            offset: 42,
            timestamp_ms: 1_700_000_000_123,
            key: Some(Bytes::from_static(b"twin 1")),
            headers: vec![("nothing".to_owned(), None)],
            value: Some(Bytes::from_static(value)),
        }
    }

    fn event() -> Event {
        let header = |name: &str, value: &'static str| {
            (name.to_owned(), Some(Bytes::from_static(value.as_bytes())))
        };
        let headers = vec![
            header("ce_specversion", "1.0"),
            header("ce_id", "e 1"),
            header("ce_source", "/s"),
            header("ce_type", "twin.mood"),
            header("content-type", "application/json; charset=utf-8"),
        ];
        Event { headers, ..plain(b"{\"a\": 1}") }
    }

    fn request(event: &Event, mode: Mode, secret: Option<&Secret>) -> Request<Full<Bytes>> {
        of(event, &"http://h:1/p?q=1".parse().unwrap(), mode, secret, 1_614_265_330_999).unwrap()
    }

    fn header<'a>(request: &'a Request<Full<Bytes>>, name: &str) -> Option<&'a str> {
        request.headers().get(name).map(|value| value.to_str().unwrap())
    }

    async fn body(request: Request<Full<Bytes>>) -> Bytes {
        use http_body_util::BodyExt as _;
        request.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn in_binary_mode_the_payload_is_the_body() {
        let request = request(&event(), Mode::Binary, None);
        assert_eq!(
            (request.method().as_str(), request.uri().to_string()),
            ("POST", "/p?q=1".into())
        );
        for (name, value) in [
            ("host", "h:1"),
            ("content-type", "application/json; charset=utf-8"),
            ("ce-specversion", "1.0"),
            ("ce-id", "e%201"),
            ("ce-source", "/s"),
            ("ce-type", "twin.mood"),
            ("ce-partitionkey", "twin%201"),
            ("pagi-topic", "twin.events"),
            ("pagi-partition", "3"),
            ("pagi-offset", "42"),
        ] {
            assert_eq!(header(&request, name), Some(value), "{name}");
        }
        assert_eq!(header(&request, "webhook-signature"), None);
        assert_eq!(body(request).await, "{\"a\": 1}");
    }

    #[tokio::test]
    async fn in_structured_mode_the_body_is_the_whole_event() {
        let request = request(&event(), Mode::Structured, None);
        assert_eq!(header(&request, "content-type"), Some("application/cloudevents+json"));
        assert_eq!(
            (header(&request, "ce-id"), header(&request, "pagi-offset")),
            (None, Some("42"))
        );
        let cloud = PagiBaseEvent::from_json(&body(request).await).unwrap();
        assert_eq!((cloud.id(), cloud.event_type()), ("e 1", "twin.mood"));
        assert_eq!(cloud.partition_key().as_deref(), Some("twin 1"));
        assert_eq!(cloud.data().unwrap(), "{\"a\": 1}");
    }

    #[tokio::test]
    async fn a_record_without_an_event_becomes_one_that_is_named_by_its_place() {
        for (value, media) in
            [(&b"[1]"[..], "application/json"), (b"\xff", "application/octet-stream")]
        {
            let request = request(&plain(value), Mode::Binary, None);
            assert_eq!(header(&request, "ce-id"), Some("twin.events/3/42"));
            assert_eq!(header(&request, "ce-source"), Some("/kafka/twin.events"));
            assert_eq!(header(&request, "ce-type"), Some("pagi.kafka.record"));
            assert_eq!(header(&request, "ce-time"), Some("2023-11-14T22:13:20.123Z"));
            assert_eq!(header(&request, "content-type"), Some(media));
            assert_eq!(body(request).await, value);
        }
        let tombstone = request(&Event { value: None, ..plain(b"") }, Mode::Binary, None);
        assert_eq!(header(&tombstone, "content-type"), None);
        assert_eq!(body(tombstone).await, "");
    }

    #[tokio::test]
    async fn the_signature_is_over_id_time_and_body_as_they_are_sent() {
        let secret = Secret::parse(b"s").unwrap();
        for mode in [Mode::Binary, Mode::Structured] {
            let request = request(&event(), mode, Some(&secret));
            let (id, time) = ("e%201", "1614265330");
            assert_eq!(header(&request, "webhook-id"), Some(id));
            assert_eq!(header(&request, "webhook-timestamp"), Some(time));
            let signature = header(&request, "webhook-signature").unwrap().to_owned();
            assert_eq!(signature, secret.sign(id, time, &body(request).await));
        }
    }
}
