//! The wire forms of [`PagiBaseEvent`](crate::PagiBaseEvent): JSON, Kafka record, HTTP request.
//!
//! **References.** CloudEvents 1.0.2: JSON event format, Kafka protocol binding, HTTP protocol
//! binding.
mod draft;
pub mod http;
mod json;
pub mod kafka;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use crate::event::{EventTime, ExtensionValue, PagiBaseEvent};

    fn text() -> impl Strategy<Value = String> {
        proptest::collection::vec(any::<char>(), 1..20)
            .prop_map(|chars| chars.into_iter().filter(|c| !c.is_control()).collect::<String>())
            .prop_filter("says something", |text| !text.is_empty())
    }

    fn payload() -> impl Strategy<Value = Bytes> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from),
            text().prop_map(Bytes::from),
            prop_oneof![
                Just("{\"a\": 1.0e5 }"),
                Just("null"),
                Just("\"quoted \\u00e9\""),
                Just(" {} \n"),
                Just("[1,2,\t3]"),
                Just("123456789012345678901234567890.50"),
            ]
            .prop_map(Bytes::from),
        ]
    }

    fn extension() -> impl Strategy<Value = ExtensionValue> {
        prop_oneof![
            any::<bool>().prop_map(ExtensionValue::Bool),
            any::<i32>().prop_map(ExtensionValue::Integer),
            text().prop_map(ExtensionValue::Text),
        ]
    }

    prop_compose! {
        fn event()(
            id in text(), source in text(), event_type in text(),
            subject in proptest::option::of(text()),
            media in proptest::option::of(prop_oneof![
                Just("application/json".to_owned()), Just("text/plain".to_owned()),
                Just("application/vnd.x+json; charset=utf-8".to_owned()),
                Just("application/octet-stream".to_owned()),
            ]),
            schema in proptest::option::of(text()),
            timed in any::<bool>(),
            extensions in proptest::collection::btree_map("x[a-z0-9]{0,10}", extension(), 0..5),
            data in proptest::option::of(payload()),
        ) -> PagiBaseEvent {
            let mut event = PagiBaseEvent::new(id, source, event_type).unwrap();
            if let Some(subject) = subject { event = event.with_subject(subject).unwrap(); }
            if let Some(media) = media { event = event.with_data_content_type(media).unwrap(); }
            if let Some(schema) = schema { event = event.with_data_schema(schema).unwrap(); }
            if timed { event = event.with_time(EventTime::parse("1985-04-12T23:20:50.52Z").unwrap()); }
            for (name, value) in extensions { event = event.with_extension(name, value).unwrap(); }
            if let Some(data) = data { event = event.with_data(data); }
            event
        }
    }

    /// What a form that knows only text makes of an event.
    fn with_extensions_as_text(event: &PagiBaseEvent) -> PagiBaseEvent {
        let mut event = event.clone();
        for (name, value) in event.extensions().clone() {
            event = event.with_extension(name, value.to_string()).unwrap();
        }
        event
    }

    fn from_kafka(message: &super::kafka::KafkaMessage) -> PagiBaseEvent {
        let headers = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_ref()));
        PagiBaseEvent::from_kafka(headers, message.value.clone()).unwrap()
    }

    proptest! {
        #[test]
        fn json_gives_back_the_event_byte_for_byte(event in event()) {
            let json = event.to_json().unwrap();
            prop_assert_eq!(PagiBaseEvent::from_json(&json).unwrap(), event.clone());
            let text = String::from_utf8(json).unwrap();
            prop_assert_eq!(serde_json::from_str::<PagiBaseEvent>(&text).unwrap(), event);
        }

        #[test]
        fn a_kafka_record_gives_back_the_event_byte_for_byte(event in event()) {
            prop_assert_eq!(from_kafka(&event.to_kafka()), with_extensions_as_text(&event));
        }

        #[test]
        fn a_structured_kafka_record_gives_back_the_event(event in event()) {
            let headers = [("content-type", b"Application/CloudEvents+json".as_slice())];
            let json = Bytes::from(event.to_json().unwrap());
            prop_assert_eq!(PagiBaseEvent::from_kafka(headers, Some(json)).unwrap(), event);
        }

        #[test]
        fn http_headers_give_back_the_event_byte_for_byte(event in event()) {
            let headers = event.to_http_headers();
            for (_, value) in &headers {
                prop_assert!(value.bytes().all(|byte| byte.is_ascii_graphic()), "{}", value);
            }
            let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            let (media, data) = (event.data_content_type(), event.data().cloned());
            let read = PagiBaseEvent::from_http_binary(headers, media, data).unwrap();
            prop_assert_eq!(read, with_extensions_as_text(&event));
        }

        #[test]
        fn no_bytes_make_the_readers_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), name in "ce[-_][a-z]{0,5}",
        ) {
            let _ = PagiBaseEvent::from_json(&bytes);
            let _ = PagiBaseEvent::from_kafka([(name.as_str(), bytes.as_slice())], None);
            let _ = PagiBaseEvent::from_http_binary([(name.as_str(), bytes.as_slice())], None, None);
        }
    }

    #[test]
    fn the_kafka_form_is_binary_mode_with_the_partition_key_as_record_key() {
        let event = PagiBaseEvent::new("1", "/s", "t")
            .unwrap()
            .with_subject("sub")
            .unwrap()
            .with_data_content_type("application/json")
            .unwrap()
            .with_extension("partitionkey", "k")
            .unwrap()
            .with_data(Bytes::from_static(b"{}"));
        let message = event.to_kafka();
        let headers: Vec<(&str, &[u8])> =
            message.headers.iter().map(|(name, value)| (name.as_str(), value.as_ref())).collect();
        assert_eq!(
            headers,
            [
                ("ce_specversion", b"1.0".as_slice()),
                ("ce_id", b"1"),
                ("ce_source", b"/s"),
                ("ce_type", b"t"),
                ("ce_subject", b"sub"),
                ("ce_partitionkey", b"k"),
                ("content-type", b"application/json"),
            ]
        );
        assert_eq!(message.key.as_deref(), Some(b"k".as_slice()));
        assert_eq!(message.value.as_deref(), Some(b"{}".as_slice()));
    }

    #[test]
    fn the_json_form_shows_json_as_json_text_as_a_string_and_the_rest_as_base64() {
        let event = |media: &str, data: &'static [u8]| {
            let event = PagiBaseEvent::new("1", "/s", "t").unwrap();
            let event = event.with_data_content_type(media).unwrap();
            let json = event.with_data(Bytes::from_static(data)).to_json().unwrap();
            let json = String::from_utf8(json).unwrap();
            json[json.find("\"data").unwrap()..]
                .replace(&format!("\"datacontenttype\":\"{media}\","), "")
        };
        assert_eq!(event("application/json", b"{\"a\": 1}"), "\"data\":{\"a\": 1}}");
        assert_eq!(event("text/plain", b"a\"b"), "\"data\":\"a\\\"b\"}");
        assert_eq!(event("image/png", b"\xff\xfe"), "\"data_base64\":\"//4=\"}");
        assert_eq!(event("application/json", b"not json"), "\"data_base64\":\"bm90IGpzb24=\"}");
    }

    #[test]
    fn json_events_that_are_not_valid_say_why() {
        for (json, why) in [
            (r#"{"id":"1","source":"/s","type":"t"}"#, "specversion is missing"),
            (r#"{"specversion":"0.3","id":"1","source":"/s","type":"t"}"#, "\"0.3\""),
            (r#"{"specversion":"1.0","source":"/s","type":"t"}"#, "id is missing"),
            (r#"{"specversion":"1.0","id":7,"source":"/s","type":"t"}"#, "id is 7"),
            (r#"{"specversion":"1.0","id":"1","id":"2","source":"/s","type":"t"}"#, "id is given"),
            (
                r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","x":{}}"#,
                "invalid type: map",
            ),
            (
                r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":1,"data":2}"#,
                "data",
            ),
            (r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","x":4294967296}"#, "32-bit"),
            (
                r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"?"}"#,
                "base64",
            ),
            (r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"x"}"#, "RFC 3339"),
            ("[]", "a CloudEvents JSON object"),
        ] {
            let error = PagiBaseEvent::from_json(json.as_bytes()).unwrap_err();
            assert!(error.detail().contains(why), "{json}: {error}");
        }
        assert!(PagiBaseEvent::from_json(b"\"\xff\"").unwrap_err().detail().contains("UTF-8"));
    }

    #[test]
    fn null_attributes_are_as_if_they_were_not_there() {
        let json = br#"{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":null}"#;
        let event = PagiBaseEvent::from_json(json).unwrap();
        assert_eq!((event.subject(), event.data()), (None, None));
    }

    #[test]
    fn http_headers_are_percent_decoded() {
        let headers = [
            ("ce-specversion", b"1.0".as_slice()),
            ("ce-id", b"1"),
            ("ce-source", b"/s"),
            ("ce-type", b"t"),
            ("ce-subject", b"Euro%20%E2%82%ac %zz 100%"),
            ("x-other", b"ignored"),
        ];
        let data = Some(Bytes::from_static(b"x"));
        let event = PagiBaseEvent::from_http_binary(headers, Some("text/plain"), data).unwrap();
        assert_eq!(event.subject(), Some("Euro \u{20ac} %zz 100%"));
        assert_eq!(event.data_content_type(), Some("text/plain"));
    }

    #[test]
    fn http_headers_given_twice_are_refused() {
        let headers = [("ce-id", b"1".as_slice()), ("ce-id", b"2")];
        let error = PagiBaseEvent::from_http_binary(headers, None, None).unwrap_err();
        assert_eq!(error.detail(), "id is given more than once");
    }
}
