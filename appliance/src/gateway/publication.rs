//! What a publish request holds: how its events are framed, their form, and where they go. Pure.
//!
//! | content type | query | each event |
//! | --- | --- | --- |
//! | `application/json` | | the envelope says everything |
//! | `application/json` | `?topic=&key=` | the JSON value is the payload |
//! | `application/x-ndjson` | as above | the same, one a line |
//! | `application/cloudevents+json` | `?topic=&key=` | the JSON object is the event |
//! | `application/cloudevents-batch+json` | `?topic=&key=` | the same, in a JSON array |
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

use crate::core::json_array::{self, ArrayError};
use crate::core::json_depth::is_deeper_than;
use crate::core::json_pointer::JsonPointer;
use crate::core::query;
use crate::limits::{PAYLOAD_DEPTH_MAX, PUBLISH_BATCH_EVENTS_MAX, PUBLISH_KEY_BYTES_MAX};

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

/// What holds where a request does not say.
#[derive(Debug, Clone, Default)]
pub(super) struct Defaults {
    pub(super) topic: Option<TopicName>,
    /// Where in a JSON payload its key is.
    pub(super) key: Option<JsonPointer>,
}

/// What the head of a request says about its body.
#[derive(Debug)]
pub(super) struct Plan {
    framing: Framing,
    form: Form,
    topic: Option<TopicName>,
    key: Option<Bytes>,
    key_pointer: Option<JsonPointer>,
}

/// How many events there are, and how they are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// The body is one.
    One,
    /// The body is a JSON array of them.
    Batch,
    /// Each line is one.
    Lines,
}

/// What an event looks like.
#[derive(Debug)]
enum Form {
    Envelope,
    Payload,
    Structured,
    Binary { content_type: Option<String> },
}

impl Plan {
    /// Reads the head.
    pub(super) fn new(
        headers: &HeaderMap,
        query: Option<&str>,
        defaults: &Defaults,
    ) -> Result<Self, PagiError> {
        let [topic, key] = query::parameters(query, ["topic", "key"]).map_err(parameter)?;
        let topic = topic.map(|topic| TopicName::parse(&String::from_utf8_lossy(&topic)));
        let topic = topic.transpose()?;
        let key = key.map(|key| bounded(Bytes::from(key)).map_err(parameter)).transpose()?;
        let (framing, form) = form(headers, topic.is_some() || key.is_some())?;
        let topic = topic.or_else(|| defaults.topic.clone());
        if topic.is_none() && !matches!(form, Form::Envelope) {
            return Err(parameter("say where to store the event: add ?topic=".to_owned()));
        }
        Ok(Self { framing, form, topic, key, key_pointer: defaults.key.clone() })
    }

    pub(super) const fn framing(&self) -> Framing {
        self.framing
    }

    /// The events of a batch, each to be read by itself.
    pub(super) fn split(&self, body: &Bytes) -> Result<Vec<Bytes>, PagiError> {
        not_empty(body)?;
        let events = json_array::elements(utf8(body)?, PUBLISH_BATCH_EVENTS_MAX);
        let events = events.map_err(|error| match error {
            ArrayError::NotAnArray(_) => invalid(format!("the batch is {error}")),
            ArrayError::TooMany(_) => {
                PagiError::new(ErrorCode::PayloadTooLarge, format!("the batch has {error}"))
            }
        })?;
        Ok(events.into_iter().map(|event| body.slice_ref(event.as_bytes())).collect())
    }

    /// Reads one event.
    pub(super) fn read(&self, headers: &HeaderMap, body: Bytes) -> Result<Publication, PagiError> {
        let Publication { topic, key, event } = match &self.form {
            Form::Envelope => self.envelope(&body)?,
            Form::Payload => self.payload(body)?,
            Form::Structured => self.structured(&body)?,
            Form::Binary { content_type } => self.binary(headers, content_type.as_deref(), body)?,
        };
        let key = match key {
            None => self.key_in(&event)?,
            key => key,
        };
        Ok(Publication { topic, key, event })
    }

    fn envelope(&self, body: &Bytes) -> Result<Publication, PagiError> {
        not_empty(body)?;
        let envelope = PublishEnvelope::from_json(utf8(body)?)?;
        check_depth(PAYLOAD_DEPTH_MAX, envelope.data.get().as_bytes())?;
        let topic = envelope.topic.map(|topic| TopicName::parse(&topic)).transpose()?;
        let topic = topic.or_else(|| self.topic.clone());
        let topic = topic.ok_or_else(|| invalid("the envelope has no topic".to_owned()))?;
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

    fn payload(&self, body: Bytes) -> Result<Publication, PagiError> {
        check_json(&body)?;
        let event = PagiBaseEvent::new(new_id(), DEFAULT_SOURCE, DEFAULT_TYPE)?
            .with_time(EventTime::now())
            .with_data_content_type(JSON)?
            .with_data(body);
        self.to_topic(event)
    }

    fn structured(&self, body: &[u8]) -> Result<Publication, PagiError> {
        not_empty(body)?;
        // Of an event's members, only the payload can be nested.
        check_depth(PAYLOAD_DEPTH_MAX + 1, body)?;
        let event = PagiBaseEvent::from_json(body)?;
        // It may be JSON that came as base64.
        if let (Some(media), Some(data)) = (event.data_content_type(), event.data())
            && media_type_is_json(media)
        {
            check_depth(PAYLOAD_DEPTH_MAX, data)?;
        }
        self.to_topic(event)
    }

    fn binary(
        &self,
        headers: &HeaderMap,
        content_type: Option<&str>,
        body: Bytes,
    ) -> Result<Publication, PagiError> {
        let data = (content_type.is_some() || !body.is_empty()).then_some(body);
        if let (Some(media), Some(data)) = (content_type, &data)
            && media_type_is_json(media)
        {
            check_json(data)?;
        }
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        self.to_topic(PagiBaseEvent::from_http_binary(headers, content_type, data)?)
    }

    /// To the topic of the request, keyed by its query or else by the event.
    fn to_topic(&self, event: PagiBaseEvent) -> Result<Publication, PagiError> {
        let topic = self.topic.clone();
        let topic = topic.ok_or_else(|| parameter("the request names no topic".to_owned()))?;
        let key = self.key.clone().or_else(|| event.partition_key().map(Bytes::from));
        Ok(Publication { topic, key, event })
    }

    /// The key that a JSON payload holds where it is told to be.
    fn key_in(&self, event: &PagiBaseEvent) -> Result<Option<Bytes>, PagiError> {
        let (Some(pointer), Some(data)) = (&self.key_pointer, event.data()) else {
            return Ok(None);
        };
        let not_a_key = |why| invalid(format!("the payload has no clear key: {why}"));
        // Without a media type the payload may be anything.
        let Some(json) = std::str::from_utf8(data).ok().filter(|_| event.data_is_json()) else {
            return Ok(None);
        };
        if event.data_content_type().is_none() && check_json(data).is_err() {
            return Ok(None);
        }
        let key = pointer.scalar(json).map_err(not_a_key)?;
        let key = key.map(|key| bounded(Bytes::copy_from_slice(key.as_bytes())));
        key.transpose().map_err(not_a_key)
    }
}

/// The form that the media type names. `placed` tells whether the query says where events go.
fn form(headers: &HeaderMap, placed: bool) -> Result<(Framing, Form), PagiError> {
    let content_type = content_type(headers)?;
    let essence = content_type.map(essence).unwrap_or_default();
    let plain = if placed { Form::Payload } else { Form::Envelope };
    if essence == "application/cloudevents+json" {
        Ok((Framing::One, Form::Structured))
    } else if essence == "application/cloudevents-batch+json" {
        Ok((Framing::Batch, Form::Structured))
    } else if essence.starts_with("application/cloudevents") {
        Err(unsupported("of CloudEvents, only those in JSON are supported"))
    } else if headers.keys().any(|name| name.as_str().starts_with(ATTRIBUTE_PREFIX)) {
        Ok((Framing::One, Form::Binary { content_type: content_type.map(str::to_owned) }))
    } else if essence == "application/x-ndjson" {
        Ok((Framing::Lines, plain))
    } else if essence != JSON || !is_utf8_charset(content_type.unwrap_or_default()) {
        Err(unsupported(
            "send Content-Type: application/json (in UTF-8), application/cloudevents+json, \
             application/cloudevents-batch+json, application/x-ndjson, or any type with the event's attributes in ce-* headers",
        ))
    } else {
        Ok((Framing::One, plain))
    }
}

fn bounded(key: Bytes) -> Result<Bytes, String> {
    if key.len() > PUBLISH_KEY_BYTES_MAX {
        return Err(format!("the key has more than {PUBLISH_KEY_BYTES_MAX} bytes"));
    }
    Ok(key)
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
        publication_with(&Defaults::default(), query, fields, body)
    }

    fn publication_with(
        defaults: &Defaults,
        query: Option<&str>,
        fields: &[(&'static str, &str)],
        body: &'static [u8],
    ) -> Result<Publication, PagiError> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let value = HeaderValue::from_str(value).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        Plan::new(&headers, query, defaults)?.read(&headers, Bytes::from_static(body))
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
            (none, &[AS_JSON], b"{\"data\":1}", ErrorCode::InvalidEvent, "no topic"),
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
                &[("content-type", "application/cloudevents+avro")],
                b"[]",
                ErrorCode::UnsupportedMediaType,
                "JSON",
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

    #[test]
    fn where_a_request_names_no_topic_the_default_is_taken() {
        let defaults = Defaults { topic: Some(TopicName::parse("d").unwrap()), key: None };
        let event = br#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
        let structured = ("content-type", "application/cloudevents+json");
        for (query, fields, body, topic) in [
            (None, &[AS_JSON][..], br#"{"data":1}"#.as_slice(), "d"),
            (None, &[AS_JSON], br#"{"topic":"t","data":1}"#, "t"),
            (Some("key=k"), &[AS_JSON], b"1", "d"),
            (Some("topic=t"), &[AS_JSON], b"1", "t"),
            (None, &[structured], event, "d"),
            (None, &BINARY, b"", "d"),
        ] {
            let publication = publication_with(&defaults, query, fields, body).unwrap();
            assert_eq!(publication.topic.as_str(), topic, "{query:?} {}", body.escape_ascii());
        }
    }

    #[test]
    fn a_key_in_the_payload_is_taken_where_nothing_else_names_one() {
        let defaults = Defaults { topic: None, key: Some("/twin/id".parse().unwrap()) };
        let payload = br#"{"twin":{"id":7}}"#;
        let mut keyed = BINARY.to_vec();
        keyed.extend([AS_JSON, ("ce-partitionkey", "p")]);
        for (query, fields, body, key) in [
            (Some("topic=t"), &[AS_JSON][..], payload.as_slice(), Some("7")),
            (Some("topic=t&key=q"), &[AS_JSON], payload, Some("q")),
            (Some("topic=t"), &[AS_JSON], b"{}", None),
            (None, &[AS_JSON], br#"{"topic":"t","data":{"twin":{"id":"a"}}}"#, Some("a")),
            (None, &[AS_JSON], br#"{"topic":"t","key":"e","data":{"twin":{"id":1}}}"#, Some("e")),
            (Some("topic=t"), &keyed, payload, Some("p")),
            (Some("topic=t"), &keyed[..5], payload, Some("7")),
            (Some("topic=t"), &keyed[..4], b"\xff", None),
            (Some("topic=t"), &keyed[..4], b"{{", None),
        ] {
            let publication = publication_with(&defaults, query, fields, body).unwrap();
            let found = publication.key.map(|key| String::from_utf8(key.to_vec()).unwrap());
            assert_eq!(found.as_deref(), key, "{query:?} {}", body.escape_ascii());
        }
        let long = format!(r#"{{"twin":{{"id":"{}"}}}}"#, "x".repeat(PUBLISH_KEY_BYTES_MAX + 1));
        for body in [r#"{"twin":{"id":{}}}"#.to_owned(), long] {
            let body: &'static [u8] = body.leak().as_bytes();
            let error = publication_with(&defaults, Some("topic=t"), &[AS_JSON], body).unwrap_err();
            assert!(error.detail().contains("no clear key"), "{error}");
        }
    }
}
