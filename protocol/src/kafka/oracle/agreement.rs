//! Two codecs read each other's bytes, and see the same values in them.
use std::fmt::Debug;
use std::ops::RangeInclusive;

use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey as TheirKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable};
use proptest::prelude::*;

use super::cases::{each, encoded};
use super::shown::Shown;
use crate::kafka::cursor::Cursor;
use crate::kafka::exchange::{
    Message, decode_any_response, decode_header, decode_request, decode_response,
    encode_any_request, encode_request, encode_response,
};
use crate::kafka::sample::Sample;
use crate::kafka::wire::Version;

/// With `tag`, their message gets a field that neither codec knows.
pub(super) fn body<Ours, Theirs>(versions: RangeInclusive<i16>, tag: fn(&mut Theirs, i32, Bytes))
where
    Ours: Message + Sample + Debug,
    Theirs: Decodable + Encodable + Debug,
{
    each::<Ours>(versions, |ours, version, _| {
        let bytes = encoded(ours, version);
        let mut rest = bytes.clone();
        let mut theirs = Theirs::decode(&mut rest, version.number).unwrap();
        prop_assert!(rest.is_empty(), "{} bytes left in {theirs:?}", rest.len());
        prop_assert_eq!(Shown::of(ours).difference(&Shown::of(&theirs)), None);

        let their_bytes = their_bytes(&theirs, version);
        prop_assert_eq!(&their_bytes, &bytes, "{:?}", theirs);
        prop_assert_eq!(decoded::<Ours>(their_bytes, version), Shown::of(ours));

        if version.flexible {
            tag(&mut theirs, 7000, Bytes::from_static(b"unknown"));
            tag(&mut theirs, 7001, Bytes::new());
            let tagged = self::their_bytes(&theirs, version);
            prop_assert_eq!(decoded::<Ours>(tagged, version), Shown::of(ours));
        }
        Ok(())
    });
}

pub(super) fn request_frame<Ours: Message + Sample + Debug>() {
    let api = Ours::API.api();
    each::<Ours>(api.min_version..=api.max_version, |ours, version, _| {
        let chunks = encode_request(ours, version.number, -77, "a client").unwrap();
        let frame = without_length(&chunks)?;
        let body = encoded(ours, version);

        let mut rest = frame.clone();
        let header_version =
            TheirKey::try_from(api.number).unwrap().request_header_version(version.number);
        let theirs = RequestHeader::decode(&mut rest, header_version).unwrap();
        prop_assert_eq!(theirs.request_api_key, api.number);
        prop_assert_eq!(theirs.request_api_version, version.number);
        prop_assert_eq!(theirs.correlation_id, -77);
        prop_assert_eq!(theirs.client_id.as_deref(), Some("a client"));
        prop_assert_eq!(&rest, &body);

        let mut theirs = BytesMut::new();
        RequestHeader::default()
            .with_request_api_key(api.number)
            .with_request_api_version(version.number)
            .with_correlation_id(9)
            .encode(&mut theirs, header_version)
            .unwrap();
        // A client may send fields that are newer than the version it speaks.
        theirs.extend_from_slice(&body);
        let frame_before = theirs.clone().freeze();
        theirs.extend_from_slice(b"more");
        let mut cursor = Cursor::new(theirs.freeze());
        let header = decode_header(&mut cursor).unwrap();
        prop_assert_eq!((header.correlation_id, &header.client_id), (9, &Some(String::new())));
        let (request, read_version) = decode_request(&header, &mut cursor).unwrap();
        prop_assert_eq!(read_version, version);
        prop_assert_eq!(Shown::of(ours).difference(&Shown::of(&request)), None);
        prop_assert_eq!(cursor.left(), 4);
        prop_assert_eq!(cursor.passed_over(), 0);
        let again = without_length(&encode_any_request(&header, &request).unwrap())?;
        prop_assert_eq!(&again, &frame_before);
        Ok(())
    });
}

pub(super) fn response_frame<Ours: Message + Sample + Debug>() {
    let api = Ours::API.api();
    each::<Ours>(api.min_version..=api.max_version, |ours, version, _| {
        let frame = without_length(&encode_response(ours, version, -77))?;

        let mut rest = frame.clone();
        let header_version =
            TheirKey::try_from(api.number).unwrap().response_header_version(version.number);
        let theirs = ResponseHeader::decode(&mut rest, header_version).unwrap();
        prop_assert_eq!(theirs.correlation_id, -77);
        prop_assert_eq!(rest, encoded(ours, version));

        let mut cursor = Cursor::new(frame.clone());
        let any = decode_any_response(Ours::API, version.number, &mut cursor).unwrap();
        prop_assert_eq!((any.0, cursor.left()), (-77, 0));
        prop_assert_eq!(Shown::of(&any.1), Shown::of(ours));

        let (correlation_id, read) = decode_response::<Ours>(frame, version.number).unwrap();
        prop_assert_eq!(correlation_id, -77);
        prop_assert_eq!(Shown::of(&read), Shown::of(ours));
        Ok(())
    });
}

fn their_bytes(theirs: &impl Encodable, version: Version) -> Bytes {
    let mut bytes = BytesMut::new();
    theirs.encode(&mut bytes, version.number).unwrap();
    bytes.freeze()
}

fn decoded<Ours: Message + Debug>(bytes: Bytes, version: Version) -> Shown {
    let mut cursor = Cursor::new(bytes);
    let message = Ours::decode(&mut cursor, version).unwrap();
    assert_eq!(cursor.left(), 0);
    Shown::of(&message)
}

fn without_length(chunks: &[Bytes]) -> Result<Bytes, TestCaseError> {
    let mut frame = Bytes::from(chunks.concat());
    let length = frame.get_i32();
    prop_assert_eq!(usize::try_from(length), Ok(frame.len()));
    Ok(frame)
}
