//! Bytes that are not messages are refused: nothing panics, and nothing that was cut off is made up.
use std::fmt::Debug;
use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::cases::{each, encoded};
use crate::kafka::cursor::{Cursor, DecodeError};
use crate::kafka::exchange::{Message, decode_header, decode_request};
use crate::kafka::sample::{Choices, Sample};
use crate::kafka::wire::Version;

/// Counts and lengths that no frame can hold: plain, and as the varints of flexible versions.
const HUGE: [&[u8]; 6] = [
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\x00\x0f\xff\xff",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff",
    b"\xff\xff\x7f",
];

/// The places of a message that are tried.
const PLACES_MAX: usize = 100;

pub(super) fn body<M>(versions: RangeInclusive<i16>)
where
    M: Message + Sample + Debug + PartialEq,
{
    let coded = M::API.api();
    let versions =
        coded.min_version.min(*versions.start())..=coded.max_version.max(*versions.end());
    each::<M>(versions, |message, version, choices| {
        let bytes = encoded(message, version);
        // Not at every place of a long one: the time would grow with its square.
        let step = 1 + bytes.len() / PLACES_MAX;
        for len in (0..bytes.len()).step_by(step) {
            let cut = decode::<M>(bytes.slice(..len), version);
            prop_assert!(cut.is_err(), "{len} of {} bytes are {cut:?}", bytes.len());
        }
        for at in (0..bytes.len()).step_by(step) {
            for huge in HUGE {
                let _ = decode::<M>(overwritten(&bytes, at, huge), version);
            }
        }
        let mut choices = Choices(choices);
        let mut bytes = BytesMut::from(bytes);
        while !choices.0.is_empty() && !bytes.is_empty() {
            let at = choices.below(255) * bytes.len() / 255;
            bytes[at] ^= choices.byte() | 1;
            stays_what_it_is::<M>(bytes.clone().freeze(), version)?;
        }
        Ok(())
    });
}

/// Whatever can be read can be written and read again.
fn stays_what_it_is<M>(bytes: Bytes, version: Version) -> Result<(), TestCaseError>
where
    M: Message + Debug + PartialEq,
{
    if let Ok(message) = decode::<M>(bytes, version) {
        let again = decode::<M>(encoded(&message, version), version);
        prop_assert_eq!(again, Ok(message), "version {}", version.number);
    }
    Ok(())
}

fn decode<M: Message>(bytes: Bytes, version: Version) -> Result<M, DecodeError> {
    M::decode(&mut Cursor::new(bytes), version)
}

fn overwritten(bytes: &Bytes, at: usize, with: &[u8]) -> Bytes {
    let mut bytes = BytesMut::from(bytes.as_ref());
    let end = bytes.len().min(at + with.len());
    bytes[at..end].copy_from_slice(&with[..end - at]);
    bytes.freeze()
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_request(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut cursor = Cursor::new(bytes.into());
        if let Ok(header) = decode_header(&mut cursor) {
            let _ = decode_request(&header, &mut cursor);
        }
    }
}
