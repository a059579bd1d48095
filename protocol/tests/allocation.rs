//! What hostile bytes can make the codec allocate: never more than the bytes are worth.
//!
//! There is one test, since the allocator counts for the whole process.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::alloc::System;

use bytes::{BufMut as _, Bytes, BytesMut};
use pagi_protocol::kafka::api::{APIS, Api};
use pagi_protocol::kafka::cursor::{
    Cursor, ELEMENT_BYTES_FREE, ELEMENT_BYTES_MAX, ELEMENT_BYTES_PER_BYTE,
};
use pagi_protocol::kafka::exchange::{decode_header, decode_request};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Beside what the elements take: the test's own handful of allocations.
const SLACK_BYTES: usize = 4096;

#[test]
fn a_request_allocates_no_more_than_its_bytes_are_worth() {
    counts_without_elements();
    frames_full_of_elements();
    arbitrary_requests();
}

/// A count that nothing stands behind, wherever one may be.
fn counts_without_elements() {
    const COUNTS: [&[u8]; 4] =
        [b"\x7f\xff\xff\xff", b"\x00\x00\xff\xff", b"\xff\xff\xff\xff\x0f", b"\xff\xff\x03"];
    const FIELDS: [&[u8]; 4] = [b"\x00", b"\x01", b"\x02", b"\x00\x00\x00\x01"];
    for (api, version) in every_version() {
        for (fields, count) in FIELDS.iter().flat_map(|fields| COUNTS.map(|count| (fields, count)))
        {
            for len in 0..40 {
                let body = [&fields.repeat(len), count].concat();
                let frame = request(api, version, &body);
                let allocated = allocated_by(&frame, 512);
                let key = api.key;
                assert!(allocated <= 512, "{key:?} v{version}: {allocated} bytes for {body:?}");
            }
        }
    }
}

/// As many elements as the bytes can hold, and the smallest there are.
fn frames_full_of_elements() {
    for (api, version) in every_version() {
        let flexible = version >= api.flexible_from;
        for (len, bytes_each) in
            [1000, 300_000].into_iter().flat_map(|len| [1, 2, 5, 40].map(|each| (len, each)))
        {
            for before in 0..12 {
                let mut body = BytesMut::new();
                body.put_bytes(u8::from(flexible), before);
                put_count(&mut body, len / bytes_each, flexible);
                // Empty texts and lists, and small numbers.
                body.put_bytes(u8::from(flexible), len);
                check(&request(api, version, &body));
            }
        }
    }
}

fn put_count(body: &mut BytesMut, count: usize, flexible: bool) {
    let mut count = u32::try_from(count).unwrap();
    if !flexible {
        return body.put_u32(count);
    }
    count += 1;
    while count >= 0x80 {
        body.put_u8(u8::try_from(count & 0x7f).unwrap() | 0x80);
        count >>= 7;
    }
    body.put_u8(u8::try_from(count).unwrap());
}

fn arbitrary_requests() {
    let piece = prop_oneof![
        Just(b"\x00".to_vec()),
        Just(b"\x01".to_vec()),
        Just(b"\x02".to_vec()),
        Just(b"\x00\x00\x00\x01".to_vec()),
        Just(b"\x00\x00\x00\x03".to_vec()),
        Just(b"\x00\x04name".to_vec()),
        Just(b"\x05name".to_vec()),
        Just(b"\xff\xff\xff\xff".to_vec()),
        Just(b"\x7f\xff\xff\xff".to_vec()),
        Just(b"\xff\xff\x03".to_vec()),
        vec(any::<u8>(), 1..4),
    ];
    let bodies = vec(piece, 0..60).prop_map(|pieces| pieces.concat());
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&bodies, |body| {
        for (api, version) in every_version() {
            check(&request(api, version, &body));
        }
        Ok(())
    });
    run.unwrap();
}

fn check(frame: &Bytes) {
    let elements = frame.len() * ELEMENT_BYTES_PER_BYTE + ELEMENT_BYTES_FREE;
    // A list that grows is moved: altogether it takes twice its size. Texts are copied.
    let worth = 2 * elements.min(ELEMENT_BYTES_MAX) + frame.len() + SLACK_BYTES;
    let allocated = allocated_by(frame, worth);
    assert!(allocated <= worth, "{allocated} bytes for a frame of {}, worth {worth}", frame.len());
}

/// The test harness has a thread of its own, which allocates now and then: what is more than
/// `expected` is measured again.
fn allocated_by(frame: &Bytes, expected: usize) -> usize {
    let first = measure(frame);
    if first <= expected { first } else { measure(frame) }
}

fn measure(frame: &Bytes) -> usize {
    let region = Region::new(ALLOCATOR);
    let mut cursor = Cursor::new(frame.clone());
    let header = decode_header(&mut cursor).unwrap();
    let request = decode_request(&header, &mut cursor);
    let allocated = region.change().bytes_allocated;
    drop(request);
    allocated
}

fn every_version() -> impl Iterator<Item = (&'static Api, i16)> {
    APIS.iter().flat_map(|api| (api.min_version..=api.max_version).map(move |at| (api, at)))
}

fn request(api: &Api, version: i16, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i16(api.number);
    frame.put_i16(version);
    frame.put_i32(7);
    frame.put_i16(-1);
    if version >= api.flexible_from {
        frame.put_u8(0);
    }
    frame.put_slice(body);
    frame.freeze()
}
