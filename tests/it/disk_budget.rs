//! A data folder that may take only so much of the disk: producers are refused, nothing is dropped,
//! and room that comes back is used.
use bytes::Bytes;
use pagi_protocol::kafka::batch_builder::{BatchBuilder, Producer};
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use pagi_protocol::kafka::record::Record;

use crate::support::appliance::{Appliance, brokers_outside};
use crate::support::http::Http;
use crate::support::kafka::Kafka;
use crate::support::partition::{TOPIC, produce, records_from};
use crate::support::skip;
use crate::support::wait::until;

const BUDGET: &[&str] = &["--disk-budget", "32MiB"];
const BUDGET_BYTES: u64 = 32 << 20;
const RECORD_BYTES: usize = 500_000;

fn large(number: u8) -> Bytes {
    let mut batch = BatchBuilder::new(4 << 20);
    let value = Some(Bytes::from(vec![number; RECORD_BYTES]));
    batch.push(&Record { value, ..Record::default() }).unwrap();
    batch.finish(Producer::NONE).unwrap()
}

/// Gives how many records were taken before one was refused.
fn fill(kafka: &mut Kafka) -> usize {
    for number in 0..=u8::MAX {
        match produce(kafka, large(number)) {
            Ok(_) => {}
            Err(code) => {
                assert_eq!(code, KafkaCode::KafkaStorageError);
                return usize::from(number);
            }
        }
    }
    panic!("more was taken than the budget has");
}

fn folder_bytes(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
        // A file may be replaced in between.
        metadata => metadata.map_or(0, |metadata| metadata.len()),
    });
    bytes.sum()
}

#[test]
fn a_budget_refuses_producers_keeps_everything_and_takes_more_when_there_is_room() {
    if brokers_outside().is_some() {
        return skip::say("only the embedded broker has a budget");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start_with(folder.path(), BUDGET);
    let mut kafka = Kafka::connect(&appliance.brokers);
    kafka.create_topic(TOPIC);
    let taken = fill(&mut kafka);
    assert!(taken * RECORD_BYTES > 8_000_000, "{taken} records fit into 32 MiB");
    assert!(folder_bytes(folder.path()) <= BUDGET_BYTES);
    let free = until("the metrics tell of it", || {
        let metrics = Http::connect(appliance.admin).ok()?.get("/metrics").ok()?;
        let text = String::from_utf8(metrics.body).ok()?;
        let line = text.lines().find_map(|l| l.strip_prefix("pagi_broker_disk_free_bytes "));
        let free: u64 = line?.parse().ok()?;
        (free < 8 << 20).then_some(free)
    });
    assert!(free < BUDGET_BYTES);

    appliance.process.kill_9();
    let appliance = Appliance::start_with(folder.path(), BUDGET);
    kafka = Kafka::connect(&appliance.brokers);
    // What the write-ahead log waited for room with is in segments now, and leaves a little.
    let more = fill(&mut kafka);
    assert!(more * RECORD_BYTES < 4_000_000, "{more} records more on a full disk");
    assert!(folder_bytes(folder.path()) <= BUDGET_BYTES);
    assert_eq!(records_from(&mut kafka, 0).len(), taken + more, "all that was taken is there");

    let partition = DeleteRecordsPartition { partition_index: 0, offset: -1 };
    let topic = DeleteRecordsTopic { name: TOPIC.to_owned(), partitions: vec![partition] };
    let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: 1000 };
    let answer: DeleteRecordsResponse = kafka.call(&request, 2);
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    until("there is room again", || produce(&mut kafka, large(1)).ok());
}
