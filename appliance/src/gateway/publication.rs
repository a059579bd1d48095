//! The forms in which an event may be published, and what they mean. Pure.
//!
//! | content type | query | the event |
//! | --- | --- | --- |
//! | `application/json` | | the envelope says everything |
//! | `application/json` | `?topic=&key=` | the body is the payload |
//! | `application/cloudevents+json` | `?topic=&key=` | the body is the event |
//! | any, with `ce-*` headers | `?topic=&key=` | headers are attributes, the body is the payload |
//!
//! **Invariants.** The payload's bytes are those of the request. What can be refused without the
//! body is refused before it is read.
//!
//! **References.** CloudEvents 1.0.2 HTTP protocol binding, section 3.
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use pagi_protocol::cloudevents::http::ATTRIBUTE_PREFIX;
use pagi_protocol::event::{EventTime, media_type_is_json, new_id};
use pagi_protocol::http::PublishEnvelope;
use pagi_protocol::{ErrorCode, PagiBaseEvent, PagiError, TopicName};
use serde_json::value::RawValue;

use crate::core::json_depth::is_deeper_than;
use crate::core::query;
use crate::limits::{PAYLOAD_DEPTH_MAX, PUBLISH_KEY_BYTES_MAX};

/// The type of an event that does not say.
const DEFAULT_TYPE: &str = "pagi.event";
/// The source of an event that does not say.
const DEFAULT_SOURCE: &str = "/pagi/gateway";
const JSON: &str = "application/json";

/// An event, and where it goes.
#[derive(Debug)]
pub(super) struct Publication {
    pub(super) topic: TopicName,
    pub(super) key: Option<Bytes>,
    pub(super) event: PagiBaseEvent,
}

/// What the head of a request says about its body.
#[derive(Debug)]
pub(super) enum Plan {
    Envelope,
    Payload { topic: TopicName, key: Option<Bytes> },
    Structured { topic: TopicName, key: Option<Bytes> },
    Binary { topic: TopicName, key: Option<Bytes>, content_type: Option<String> },
}

impl Plan {
    /// Reads the head.
    pub(super) fn new(headers: &HeaderMap, query: Option<&str>) -> Result<Self, PagiError> {
        let [topic, key] = query::parameters(query, ["topic", "key"]).map_err(parameter)?;
        let topic = topic.map(|topic| TopicName::parse(&String::from_utf8_lossy(&topic)));
        let topic = topic.transpose()?;
        let key = key.map(Bytes::from);
        if key.as_ref().is_some_and(|key| key.len() > PUBLISH_KEY_BYTES_MAX) {
            return Err(parameter(format!("the key has more than {PUBLISH_KEY_BYTES_MAX} bytes")));
        }
        let content_type = content_type(headers)?;
        let essence = content_type.map(essence).unwrap_or_default();
        let need_topic = |topic: Option<TopicName>| {
            topic.ok_or_else(|| parameter("say where to store the event: add ?topic=".to_owned()))
        };
        if essence == "application/cloudevents+json" {
            Ok(Self::Structured { topic: need_topic(topic)?, key })
        } else if essence.starts_with("application/cloudevents") {
            Err(unsupported("of CloudEvents, only single events in JSON are supported"))
        } else if headers.keys().any(|name| name.as_str().starts_with(ATTRIBUTE_PREFIX)) {
            let content_type = content_type.map(str::to_owned);
            Ok(Self::Binary { topic: need_topic(topic)?, key, content_type })
        } else if essence != JSON || !is_utf8_charset(content_type.unwrap_or_default()) {
            Err(unsupported(
                "send Content-Type: application/json (in UTF-8), application/cloudevents+json, \
                 or any type with the event's attributes in ce-* headers",
            ))
        } else if let Some(topic) = topic {
            Ok(Self::Payload { topic, key })
        } else if key.is_some() {
            Err(parameter("?key= goes with ?topic=; an envelope has its own key".to_owned()))
        } else {
            Ok(Self::Envelope)
        }
    }

    /// Reads the body.
    pub(super) fn read(self, headers: &HeaderMap, body: Bytes) -> Result<Publication, PagiError> {
        match self {
            Self::Envelope => from_envelope(&body),
            Self::Payload { topic, key } => {
                check_json(&body)?;
                let event = PagiBaseEvent::new(new_id(), DEFAULT_SOURCE, DEFAULT_TYPE)?
                    .with_time(EventTime::now())
                    .with_data_content_type(JSON)?
                    .with_data(body);
                Ok(Publication { topic, key, event })
            }
            Self::Structured { topic, key } => {
                not_empty(&body)?;
                // Of an event's members, only the payload can be nested.
                check_depth(PAYLOAD_DEPTH_MAX + 1, &body)?;
                let event = PagiBaseEvent::from_json(&body)?;
                // It may be JSON that came as base64.
                if let (Some(media), Some(data)) = (event.data_content_type(), event.data())
                    && media_type_is_json(media)
                {
                    check_depth(PAYLOAD_DEPTH_MAX, data)?;
                }
                Ok(Publication { topic, key: key.or_else(|| partition_key(&event)), event })
            }
            Self::Binary { topic, key, content_type } => {
                let data = (content_type.is_some() || !body.is_empty()).then_some(body);
                if let (Some(media), Some(data)) = (&content_type, &data)
                    && media_type_is_json(media)
                {
                    check_json(data)?;
                }
                let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
                let event =
                    PagiBaseEvent::from_http_binary(headers, content_type.as_deref(), data)?;
                Ok(Publication { topic, key: key.or_else(|| partition_key(&event)), event })
            }
        }
    }
}

fn from_envelope(body: &Bytes) -> Result<Publication, PagiError> {
    not_empty(body)?;
    let envelope = PublishEnvelope::from_json(utf8(body)?)?;
    check_depth(PAYLOAD_DEPTH_MAX, envelope.data.get().as_bytes())?;
    let topic = TopicName::parse(&envelope.topic)?;
    let id = envelope.id.map_or_else(new_id, String::from);
    let source = envelope.source.as_deref().unwrap_or(DEFAULT_SOURCE);
    let event_type = envelope.event_type.as_deref().unwrap_or(DEFAULT_TYPE);
    let time = envelope.time.map_or_else(|| Ok(EventTime::now()), EventTime::parse)?;
    let mut event = PagiBaseEvent::new(id, source, event_type)?
        .with_time(time)
        .with_data_content_type(JSON)?
        .with_data(body.slice_ref(envelope.data.get().as_bytes()));
    if let Some(subject) = envelope.subject {
        event = event.with_subject(subject)?;
    }
    let key = envelope.key.map(|key| Bytes::copy_from_slice(key.as_bytes()));
    Ok(Publication { topic, key, event })
}

fn partition_key(event: &PagiBaseEvent) -> Option<Bytes> {
    event.partition_key().map(Bytes::from)
}

fn check_json(body: &[u8]) -> Result<(), PagiError> {
    not_empty(body)?;
    serde_json::from_str::<&RawValue>(utf8(body)?)
        .map_err(|error| invalid(format!("the body is not JSON: {error}")))?;
    check_depth(PAYLOAD_DEPTH_MAX, body)
}

fn check_depth(max: usize, json: &[u8]) -> Result<(), PagiError> {
    if is_deeper_than(max, json) {
        return Err(invalid(format!("the payload is nested deeper than {PAYLOAD_DEPTH_MAX}")));
    }
    Ok(())
}

fn not_empty(body: &[u8]) -> Result<(), PagiError> {
    if body.is_empty() { Err(invalid("the body is empty".to_owned())) } else { Ok(()) }
}

fn utf8(body: &[u8]) -> Result<&str, PagiError> {
    std::str::from_utf8(body).map_err(|error| invalid(format!("the body is not UTF-8: {error}")))
}

/// The one media type, as it was sent.
fn content_type(headers: &HeaderMap) -> Result<Option<&str>, PagiError> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(unsupported("more than one Content-Type"));
    }
    let text = value.to_str().map_err(|_| unsupported("Content-Type is not valid"))?;
    Ok(Some(text.trim()))
}

fn essence(media: &str) -> String {
    media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether the media type's `charset` says UTF-8, or nothing.
fn is_utf8_charset(media: &str) -> bool {
    media.split(';').skip(1).filter_map(|parameter| parameter.split_once('=')).all(
        |(name, value)| {
            !name.trim().eq_ignore_ascii_case("charset")
                || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        },
    )
}

fn parameter(detail: String) -> PagiError {
    PagiError::new(ErrorCode::InvalidParameter, detail)
}

fn unsupported(detail: &str) -> PagiError {
    PagiError::new(ErrorCode::UnsupportedMediaType, detail)
}

fn invalid(detail: String) -> PagiError {
    PagiError::new(ErrorCode::InvalidEvent, detail)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn publication(
        query: Option<&str>,
        fields: &[(&'static str, &str)],
        body: &'static [u8],
    ) -> Result<Publication, PagiError> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let value = HeaderValue::from_str(value).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        Plan::new(&headers, query)?.read(&headers, Bytes::from_static(body))
    }

    const AS_JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn an_envelope_says_everything() {
        let body = br#"{"topic":"t","key":"k","id":"1","type":"a","source":"/b","subject":"c",
            "time":"2024-01-01T00:00:00Z","data":{ "n": 1.00 }}"#;
        let publication = publication(None, &[AS_JSON], body).unwrap();
        assert_eq!(publication.topic.as_str(), "t");
        assert_eq!(publication.key.as_deref(), Some(b"k".as_slice()));
        let event = publication.event;
        assert_eq!((event.id(), event.event_type(), event.source()), ("1", "a", "/b"));
        assert_eq!(event.subject(), Some("c"));
        assert_eq!(event.time().unwrap().as_str(), "2024-01-01T00:00:00Z");
        assert_eq!(event.data_content_type(), Some("application/json"));
        assert_eq!(event.data().unwrap(), &Bytes::from_static(b"{ \"n\": 1.00 }"));
    }

    #[test]
    fn an_envelope_needs_no_more_than_topic_and_data() {
        let publication = publication(None, &[AS_JSON], br#"{"topic":"t","data":null}"#).unwrap();
        assert_eq!(publication.key, None);
        assert!(!publication.event.id().is_empty());
        assert!(publication.event.time().is_some());
        assert_eq!(publication.event.data().unwrap(), &Bytes::from_static(b"null"));
    }

    #[test]
    fn with_a_topic_in_the_query_the_body_is_the_payload() {
        let body = b" {\"topic\": \"not this one\"}\n";
        let publication = publication(Some("topic=t&key=a%2Fb"), &[AS_JSON], body).unwrap();
        assert_eq!(publication.topic.as_str(), "t");
        assert_eq!(publication.key.as_deref(), Some(b"a/b".as_slice()));
        assert_eq!(publication.event.data().unwrap(), &Bytes::from_static(body));
    }

    #[test]
    fn a_structured_event_is_keyed_by_the_query_or_its_partition_key() {
        let body = br#"{"specversion":"1.0","id":"1","source":"/s","type":"t","partitionkey":"p"}"#;
        let media = [("content-type", "application/cloudevents+json; charset=UTF-8")];
        let by_event = publication(Some("topic=t"), &media, body).unwrap();
        assert_eq!(by_event.key.as_deref(), Some(b"p".as_slice()));
        assert_eq!(by_event.event.data(), None);
        let by_query = publication(Some("topic=t&key=q"), &media, body).unwrap();
        assert_eq!(by_query.key.as_deref(), Some(b"q".as_slice()));
    }

    const BINARY: [(&str, &str); 4] =
        [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];

    #[test]
    fn a_binary_event_may_carry_anything() {
        let mut fields = BINARY.to_vec();
        fields.push(("content-type", "application/octet-stream"));
        let event = publication(Some("topic=t"), &fields, b"\xff\0").unwrap().event;
        assert_eq!(event.data().unwrap(), &Bytes::from_static(b"\xff\0"));
        assert_eq!(event.data_content_type(), Some("application/octet-stream"));
        assert_eq!(publication(Some("topic=t"), &BINARY, b"").unwrap().event.data(), None);
    }

    #[test]
    fn what_cannot_be_understood_is_refused_with_a_reason() {
        let structured = ("content-type", "application/cloudevents+json");
        let (topic, none) = (Some("topic=t"), None);
        for (query, fields, body, code, why) in [
            (none, &[AS_JSON][..], b"".as_slice(), ErrorCode::InvalidEvent, "empty"),
            (none, &[AS_JSON], b"{", ErrorCode::InvalidEvent, "EOF"),
            (none, &[AS_JSON], b"\"\xff\"", ErrorCode::InvalidEvent, "UTF-8"),
            (none, &[AS_JSON], b"{\"topic\":\"a b\",\"data\":1}", ErrorCode::InvalidTopic, "' '"),
            (none, &[AS_JSON], b"{\"topic\":1,\"data\":1}", ErrorCode::InvalidEvent, "integer"),
            (topic, &[AS_JSON], b"{nope}", ErrorCode::InvalidEvent, "not JSON"),
            (topic, &[AS_JSON], b"{} {}", ErrorCode::InvalidEvent, "trailing"),
            (topic, &[AS_JSON], b"", ErrorCode::InvalidEvent, "empty"),
            (Some("topic=a/b"), &[AS_JSON], b"{}", ErrorCode::InvalidTopic, "'/'"),
            (Some("topik=a"), &[AS_JSON], b"{}", ErrorCode::InvalidParameter, "topik"),
            (Some("key=a"), &[AS_JSON], b"{}", ErrorCode::InvalidParameter, "?topic="),
            (none, &[structured], b"{}", ErrorCode::InvalidParameter, "?topic="),
            (topic, &[structured], b"{}", ErrorCode::InvalidEvent, "specversion"),
            (topic, &[], b"{}", ErrorCode::UnsupportedMediaType, "application/json"),
            (
                topic,
                &[("content-type", "application/json; charset=latin1")],
                b"{}",
                ErrorCode::UnsupportedMediaType,
                "UTF-8",
            ),
            (
                topic,
                &[("content-type", "application/cloudevents-batch+json")],
                b"[]",
                ErrorCode::UnsupportedMediaType,
                "single",
            ),
            (topic, &[("ce-id", "1")], b"", ErrorCode::InvalidEvent, "specversion"),
        ] {
            let error = publication(query, fields, body).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(error.detail().contains(why), "{error}");
        }
    }

    #[test]
    fn a_binary_event_that_says_json_must_be_json() {
        let mut fields = BINARY.to_vec();
        fields.push(AS_JSON);
        assert!(publication(Some("topic=t"), &fields, b"{").is_err());
        assert!(publication(Some("topic=t"), &fields, b"{}").is_ok());
    }
}
