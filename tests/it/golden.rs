//! What real clients said to the broker, said again: recordings in `tests/golden/wire`, one for
//! each client of the matrix.
//!
//! Every request (but an `ApiVersions` newer than ours) must be read whole and written again as it was; every answer must be readable to
//! its last byte and have the error codes that were recorded. What the broker makes up (ids of
//! members, topics and producers, generations) is taken from the new answers; record batches keep
//! the producer id that they were recorded with, which a broker takes for a producer it has
//! forgotten.
//!
//! The recordings are made of the clients' own programs in `tests/clients`, each with a broker of
//! its own, so that no other client's topics and groups are there. To make them anew after a
//! client's version or a case has changed, look at what differs, and keep them small:
//!
//! ```sh
//! for client in kcat confluent-kafka kafka-python aiokafka kafkajs rskafka \
//!     java-3.9 java-4.3 franz-go kafka-go sarama; do
//!   cargo xtask clients --engine embedded --only $client --record tests/golden/wire --case \
//!     metadata,offsets,out-of-range,group-resume,groups-admin,configs,create-partitions,cluster
//! done
//! cargo test -p pagi-appliance --test it golden
//! ls -l tests/golden/wire
//! cargo xtask wire show tests/golden/wire/kcat-embedded.wire
//! ```
//!
//! A client that asks on one connection while it changes something on another may have seen the
//! change before it was told of it. Such a recording fails each time, here and now: make it again.
//! kafka-go, which asks for all topics every few milliseconds, is recorded without the cases in
//! which this happens.
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use pagi_protocol::kafka::api::ApiKey;
use pagi_wiretap::conversation::{Conversation, Exchange};
use pagi_wiretap::replay::{Difference, replay};
use pagi_wiretap::{recording, understood};

use crate::support::appliance::{Appliance, brokers_outside};
use crate::support::skip;
use crate::support::wait::PATIENCE;

/// All recordings together: they are downloaded with the source.
const BYTES_MAX: u64 = 1_000_000;

/// Whom there are recordings of.
const CLIENTS: &[&str] = &[
    "aiokafka",
    "confluent-kafka",
    "franz-go",
    "java-3.9",
    "java-4.3",
    "kafka-go",
    "kafka-python",
    "kafkajs",
    "kcat",
    "rskafka",
    "sarama",
];

fn recording_of(client: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/wire");
    folder.join(format!("{client}-embedded.wire"))
}

fn conversation_of(client: &str) -> Conversation {
    let path = recording_of(client);
    let file = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let entries = recording::parse(&file.into()).unwrap();
    let conversation = Conversation::of(entries).unwrap();
    assert!(conversation.exchanges.len() > 10, "{client} said next to nothing");
    conversation
}

#[test]
fn requests_of_every_client_are_read_whole_and_written_as_they_were() {
    for client in CLIENTS {
        for (at, exchange) in conversation_of(client).exchanges.iter().enumerate() {
            let what = || format!("{client}, exchange {at}, {:?}", exchange.header);
            if is_too_new(exchange) {
                continue;
            }
            let read = understood::request(&exchange.request)
                .unwrap_or_else(|error| panic!("{}: {error}", what()));
            if read.is_all {
                let written = understood::frame(&read.header, &read.request);
                assert_eq!(written, Ok(exchange.request.clone()), "{}", what());
            }
        }
    }
}

/// Whether it asks in a version that is not spoken here: clients do, to see what they get.
fn is_too_new(exchange: &Exchange) -> bool {
    let header = &exchange.header;
    ApiKey::from_number(header.api_key) == Some(ApiKey::ApiVersions)
        && ApiKey::ApiVersions.api().version(header.api_version).is_none()
}

#[test]
fn answers_to_every_client_end_with_their_last_field() {
    for client in CLIENTS {
        for (at, exchange) in conversation_of(client).exchanges.iter().enumerate() {
            let Some(answer) = &exchange.answer else { continue };
            let behind = understood::answer(&exchange.header, answer).map(|read| read.behind);
            assert_eq!(behind, Ok(0), "{client}, exchange {at}, {:?}", exchange.header);
        }
    }
}

#[test]
fn every_client_gets_the_error_codes_that_it_got_when_it_was_recorded() {
    if brokers_outside().is_some() {
        return skip::say("the recordings are of the embedded broker");
    }
    std::thread::scope(|scope| {
        for client in CLIENTS {
            scope.spawn(move || says_the_same(client));
        }
    });
}

fn says_the_same(client: &str) {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path());
    let broker: SocketAddr = appliance.brokers.parse().unwrap();
    let conversation = conversation_of(client);
    let differences = replay(&conversation, broker, PATIENCE)
        .unwrap_or_else(|error| panic!("{client}: {error}\n{}", appliance.process.errors()));
    let told: Vec<_> = differences
        .into_iter()
        .filter(|(_, difference)| !matches!(difference, Difference::Shape { .. }))
        .map(|(at, difference)| (at, &conversation.exchanges[at].header, difference))
        .collect();
    assert!(told.is_empty(), "{client}: {told:#?}");
}

#[test]
fn the_recordings_stay_small() {
    let sizes = CLIENTS.iter().map(|client| std::fs::metadata(recording_of(client)).unwrap().len());
    let bytes: u64 = sizes.sum();
    assert!(bytes <= BYTES_MAX, "{bytes} bytes");
}
