//! Kafka clients that send nonsense harm nobody but themselves.
use bytes::{Bytes, BytesMut};
use pagi_protocol::kafka::batch_builder::{BatchBuilder, Producer};
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::exchange::encode_request;
use pagi_protocol::kafka::messages::metadata::MetadataRequest;
use pagi_protocol::kafka::messages::produce::{
    ProducePartition, ProducePartitionResponse, ProduceRequest, ProduceResponse, ProduceTopic,
};
use pagi_protocol::kafka::record::Record;

use crate::support::appliance::Appliance;
use crate::support::kafka::Kafka;
use crate::support::publish;
use crate::support::{arrived, consumer, events};

const PRODUCE_VERSION: i16 = 7;

/// Frames that end a connection, each with what is wrong with it.
fn nonsense() -> Vec<(&'static str, Vec<u8>)> {
    let metadata = encode_request(&MetadataRequest::default(), 1, 1, "it").unwrap().concat();
    let cut_short = metadata[..metadata.len() - 1].to_vec();
    let mut header_only = 8_i32.to_be_bytes().to_vec();
    header_only.extend(b"\0\x03\0\x01\0\0\0\x01");
    let mut count_max = 16_i32.to_be_bytes().to_vec();
    count_max.extend(b"\0\x03\0\x01\0\0\0\x01\xff\xff\x7f\xff\xff\xff\0\0");
    vec![
        ("HTTP on the wrong port", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("a negative length", (-1_i32).to_be_bytes().to_vec()),
        ("a length of 2 GiB", i32::MAX.to_be_bytes().to_vec()),
        ("an empty frame", vec![0; 4]),
        ("a frame that is cut short", cut_short),
        ("a header that is cut short", header_only),
        ("a count of 2 billion in 2 bytes", count_max),
        ("an unknown API", [&10_i32.to_be_bytes()[..], b"\x7f\xff\0\0\0\0\0\x01\xff\xff"].concat()),
        (
            "random bytes",
            (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
        ),
    ]
}

#[test]
fn a_connection_that_sends_nonsense_is_closed_and_all_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path()).ready();
    let topic = publish::new_topic("hostile");
    let mut http = appliance.http();
    let mut acknowledged = Vec::new();
    for (event, (what, bytes)) in events::all().iter().zip(nonsense()) {
        let mut bystander = Kafka::connect(&appliance.brokers);
        bystander.create_topic("bystander");
        let mut hostile = Kafka::connect(&appliance.brokers);
        let _ = hostile.send(&bytes);
        hostile.finish_sending();
        assert!(hostile.rest().len() < 1024, "{what}: answered at length");
        produce(&mut bystander, "bystander", &batch())
            .unwrap_or_else(|code| panic!("{what}: {code}"));
        acknowledged.push(publish::one(&mut http, &topic, event).unwrap());
    }
    arrived::assert_all(&acknowledged, &consumer::read(&appliance.brokers, &topic));
    appliance.process.terminate();
    assert!(appliance.process.wait().success(), "{}", appliance.process.errors());
}

#[test]
fn a_damaged_batch_is_refused_and_the_connection_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path()).ready();
    let mut kafka = Kafka::connect(&appliance.brokers);
    let topic = publish::new_topic("damaged");
    kafka.create_topic(&topic);
    for at in [17, 21, 57, 70] {
        let mut damaged = BytesMut::from(&batch()[..]);
        damaged[at] ^= 1;
        let refused = produce(&mut kafka, &topic, &damaged.freeze());
        assert_eq!(refused, Err(KafkaCode::CorruptMessage.number()), "byte {at}");
    }
    assert_eq!(produce(&mut kafka, &topic, &batch()), Ok(0));
    assert_eq!(produce(&mut kafka, &topic, &batch()), Ok(1));
}

fn batch() -> Bytes {
    let mut batch = BatchBuilder::new(1024);
    let value = Some(Bytes::from_static(b"whole"));
    batch.push(&Record { timestamp_ms: 1, value, ..Record::default() }).unwrap();
    batch.finish(Producer::NONE).unwrap()
}

/// Gives the offset, or Kafka's error code.
fn produce(kafka: &mut Kafka, topic: &str, batch: &Bytes) -> Result<i64, i16> {
    let partition = ProducePartition { index: 0, records: Some(batch.clone()) };
    let topic = ProduceTopic { name: topic.to_owned(), partition_data: vec![partition] };
    let request = ProduceRequest {
        transactional_id: None,
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![topic],
    };
    let answer: ProduceResponse = kafka.call(&request, PRODUCE_VERSION);
    let ProducePartitionResponse { error_code, base_offset, .. } =
        answer.responses[0].partition_responses[0];
    if error_code == 0 { Ok(base_offset) } else { Err(error_code) }
}
