//! Topics: what is set for them, their partitions, and the records that are let go.
use pagi_protocol::kafka::batch_builder::Producer;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
};
use pagi_protocol::kafka::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicResult,
    CreateTopicsRequest, CreateTopicsResponse,
};
use pagi_protocol::kafka::messages::describe_cluster::{
    DescribeClusterRequest, DescribeClusterResponse,
};
use pagi_protocol::kafka::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse, DescribeConfigsResult,
};
use pagi_protocol::kafka::messages::describe_log_dirs::{
    DescribeLogDirsRequest, DescribeLogDirsResponse,
};
use pagi_protocol::kafka::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use pagi_protocol::kafka::messages::produce::ProduceResponse;
use pagi_protocol::kafka::messages::{alter_configs, metadata};
use pagi_protocol::kafka::record_batch::BatchHeader;

use crate::support::appliance::Appliance;
use crate::support::kafka::Kafka;
use crate::support::partition::{TOPIC, batch, fetch, offset_at, produce, request};
use crate::support::wait::until;

const EARLIEST: i64 = -2;
const TOPIC_RESOURCE: i8 = 2;
const BROKER_RESOURCE: i8 = 4;
const SET: i8 = 0;
const DELETE: i8 = 1;
/// Where a value comes from.
const FROM_TOPIC: i8 = 1;
const FROM_DEFAULT: i8 = 5;

fn code(number: i16) -> KafkaCode {
    KafkaCode::from_number(number).unwrap()
}

fn topic(settings: &[(&str, &str)]) -> CreatableTopic {
    let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
        name: (*name).to_owned(),
        value: Some((*value).to_owned()),
    };
    let configs = settings.iter().map(config).collect();
    let name = TOPIC.to_owned();
    CreatableTopic {
        name,
        num_partitions: 1,
        replication_factor: -1,
        configs,
        ..CreatableTopic::default()
    }
}

fn create(kafka: &mut Kafka, topic: CreatableTopic, validate_only: bool) -> CreatableTopicResult {
    let request = CreateTopicsRequest {
        topics: vec![topic],
        validate_only,
        ..CreateTopicsRequest::default()
    };
    let mut answer: CreateTopicsResponse = kafka.call(&request, 7);
    answer.topics.remove(0)
}

fn made_with(kafka: &mut Kafka, settings: &[(&str, &str)]) {
    let made = create(kafka, topic(settings), false);
    assert_eq!(made.error_code, 0, "{made:?}");
}

/// Changes one setting; gives what is wrong, in a code and in words.
fn change(
    kafka: &mut Kafka,
    resource: (i8, &str),
    (operation, name, value): (i8, &str, Option<&str>),
) -> (KafkaCode, String) {
    let (name, value) = (name.to_owned(), value.map(str::to_owned));
    let configs = vec![AlterableConfig { name, config_operation: operation, value }];
    let (resource_type, resource_name) = (resource.0, resource.1.to_owned());
    let resources = vec![AlterConfigsResource { resource_type, resource_name, configs }];
    let request = IncrementalAlterConfigsRequest { resources, validate_only: false };
    let mut answer: IncrementalAlterConfigsResponse = kafka.call(&request, 1);
    let answer = answer.responses.remove(0);
    (code(answer.error_code), answer.error_message.unwrap_or_default())
}

fn describe(kafka: &mut Kafka, resource: (i8, &str), keys: &[&str]) -> DescribeConfigsResult {
    let resource = DescribeConfigsResource {
        resource_type: resource.0,
        resource_name: resource.1.to_owned(),
        configuration_keys: Some(keys.iter().map(|key| (*key).to_owned()).collect()),
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        include_synonyms: true,
        include_documentation: true,
    };
    let mut answer: DescribeConfigsResponse = kafka.call(&request, 4);
    answer.results.remove(0)
}

/// A setting's value, and where it comes from.
fn setting(kafka: &mut Kafka, name: &str) -> (String, i8) {
    let config = describe(kafka, (TOPIC_RESOURCE, TOPIC), &[name]).configs.remove(0);
    (config.value.unwrap(), config.config_source)
}

#[test]
fn settings_count_and_survive_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    let own = (TOPIC_RESOURCE, TOPIC);
    made_with(&mut kafka, &[("retention.ms", "86400000"), ("segment.ms", "1000")]);
    let fine = (KafkaCode::None, String::new());
    assert_eq!(change(&mut kafka, own, (SET, "max.message.bytes", Some("200"))), fine);
    assert_eq!(change(&mut kafka, own, (DELETE, "segment.ms", None)), fine);
    for restarted in [false, true] {
        if restarted {
            appliance.process.kill_9();
            appliance = Appliance::start(folder.path());
            kafka = Kafka::connect(&appliance.brokers);
        }
        assert_eq!(setting(&mut kafka, "retention.ms"), ("86400000".to_owned(), FROM_TOPIC));
        assert_eq!(setting(&mut kafka, "segment.ms"), ("604800000".to_owned(), FROM_DEFAULT));
        let many: Vec<i64> = (0..100).collect();
        let large = produce(&mut kafka, batch(&many, Producer::NONE));
        assert_eq!(large, Err(KafkaCode::MessageTooLarge), "restarted: {restarted}");
        produce(&mut kafka, batch(&[1], Producer::NONE)).unwrap();
    }
}

#[test]
fn all_settings_are_replaced_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    made_with(&mut kafka, &[("retention.ms", "86400000")]);
    let (name, value) = ("retention.bytes".to_owned(), Some("5000".to_owned()));
    let resource = alter_configs::AlterConfigsResource {
        resource_type: TOPIC_RESOURCE,
        resource_name: TOPIC.to_owned(),
        configs: vec![alter_configs::AlterableConfig { name, value }],
    };
    let mut request =
        alter_configs::AlterConfigsRequest { resources: vec![resource], validate_only: true };
    for (validate_only, bytes) in [(true, "-1"), (false, "5000")] {
        request.validate_only = validate_only;
        let answer: alter_configs::AlterConfigsResponse = kafka.call(&request, 2);
        assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
        assert_eq!(setting(&mut kafka, "retention.bytes").0, bytes);
    }
    assert_eq!(setting(&mut kafka, "retention.ms"), ("604800000".to_owned(), FROM_DEFAULT));
}

#[test]
fn what_cannot_be_set_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    let wrong = [
        ("retention.hours", "1", "Unknown topic config name: retention.hours"),
        ("retention.ms", "soon", "Not a number of type LONG"),
        ("cleanup.policy", "compact", "topics cannot be compacted yet"),
        ("min.insync.replicas", "2", "no more than 1"),
    ];
    for (name, value, words) in wrong {
        let refused = create(&mut kafka, topic(&[(name, value)]), false);
        assert_eq!(code(refused.error_code), KafkaCode::InvalidConfig);
        assert!(refused.error_message.as_ref().unwrap().contains(words), "{refused:?}");
    }
    kafka.create_topic(TOPIC);
    for (name, value, words) in wrong {
        let wanted = (SET, name, Some(value));
        let (code, said) = change(&mut kafka, (TOPIC_RESOURCE, TOPIC), wanted);
        assert_eq!(code, KafkaCode::InvalidConfig);
        assert!(said.contains(words), "{said}");
    }
    let retention = (SET, "retention.ms", Some("1"));
    let (unknown, _) = change(&mut kafka, (TOPIC_RESOURCE, "not-there"), retention);
    assert_eq!(unknown, KafkaCode::UnknownTopicOrPartition);
    let (broker, _) = change(&mut kafka, (BROKER_RESOURCE, "1"), retention);
    assert_eq!(broker, KafkaCode::InvalidRequest);
}

#[test]
fn a_topic_tells_what_it_was_made_with() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    let placed = |partition_index| CreatableReplicaAssignment {
        partition_index,
        broker_ids: vec![partition_index.max(1)],
    };
    let wanted = |assignments| CreatableTopic {
        num_partitions: -1,
        assignments,
        ..topic(&[("retention.ms", "-1")])
    };
    let elsewhere = create(&mut kafka, wanted(vec![placed(0), placed(2)]), false);
    assert_eq!(code(elsewhere.error_code), KafkaCode::InvalidReplicaAssignment);
    for validate_only in [true, false] {
        let made = create(&mut kafka, wanted(vec![placed(1), placed(0)]), validate_only);
        assert_eq!((made.error_code, made.num_partitions, made.replication_factor), (0, 2, 1));
        let configs = made.configs.unwrap();
        let retention = configs.iter().find(|config| config.name == "retention.ms").unwrap();
        assert_eq!(retention.value.as_deref(), Some("-1"));
        assert_eq!((retention.config_source, configs.len()), (FROM_TOPIC, 9));
    }
    let again = create(&mut kafka, topic(&[]), false);
    assert_eq!(code(again.error_code), KafkaCode::TopicAlreadyExists);
}

#[test]
fn partitions_are_added_and_usable_also_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    kafka.create_topic(TOPIC);
    let add = |kafka: &mut Kafka, count, validate_only| {
        let name = TOPIC.to_owned();
        let topics = vec![CreatePartitionsTopic { name, count, assignments: None }];
        let request = CreatePartitionsRequest { topics, timeout_ms: 1000, validate_only };
        let answer: CreatePartitionsResponse = kafka.call(&request, 3);
        code(answer.results[0].error_code)
    };
    assert_eq!(add(&mut kafka, 1, false), KafkaCode::InvalidPartitions);
    assert_eq!(add(&mut kafka, 3, true), KafkaCode::None);
    assert_eq!(partitions(&mut kafka), 1);
    assert_eq!(add(&mut kafka, 3, false), KafkaCode::None);
    assert_eq!(add(&mut kafka, 2, false), KafkaCode::InvalidPartitions);
    for offset in 0..2 {
        assert_eq!(partitions(&mut kafka), 3);
        let mut to_last = request(batch(&[1], Producer::NONE), -1);
        to_last.topic_data[0].partition_data[0].index = 2;
        let answer: ProduceResponse = kafka.call(&to_last, 7);
        let answer = &answer.responses[0].partition_responses[0];
        assert_eq!((answer.error_code, answer.base_offset), (0, offset));
        appliance.process.kill_9();
        appliance = Appliance::start(folder.path());
        kafka = Kafka::connect(&appliance.brokers);
    }
}

fn partitions(kafka: &mut Kafka) -> usize {
    let name = Some(TOPIC.to_owned());
    let wanted = metadata::MetadataRequestTopic { name, ..Default::default() };
    let request = metadata::MetadataRequest {
        topics: Some(vec![wanted]),
        ..metadata::MetadataRequest::default()
    };
    let answer: metadata::MetadataResponse = kafka.call(&request, 9);
    answer.topics[0].partitions.len()
}

#[test]
fn records_that_are_too_old_or_too_many_go() {
    let folder = tempfile::tempdir().unwrap();
    let often = ["--retention-check-interval", "50ms"];
    let appliance = Appliance::start_with(folder.path(), &often);
    let mut kafka = Kafka::connect(&appliance.brokers);
    // Ten seconds lie between the two, so that each has a segment to itself.
    made_with(&mut kafka, &[("segment.ms", "1000"), ("retention.ms", "-1")]);
    produce(&mut kafka, batch(&[1_000], Producer::NONE)).unwrap();
    produce(&mut kafka, batch(&[11_000], Producer::NONE)).unwrap();
    let own = (TOPIC_RESOURCE, TOPIC);
    let fine = (KafkaCode::None, String::new());
    assert_eq!(change(&mut kafka, own, (SET, "retention.bytes", Some("1"))), fine);
    until("the first segment is one too many", || {
        (offset_at(&mut kafka, EARLIEST).0 == 1).then_some(())
    });
    assert_eq!(fetch(&mut kafka, 0, 0).error_code, KafkaCode::OffsetOutOfRange.number());
    assert_eq!(change(&mut kafka, own, (SET, "retention.ms", Some("60000"))), fine);
    until("the second is too old", || (offset_at(&mut kafka, EARLIEST).0 == 2).then_some(()));
    assert_eq!(produce(&mut kafka, batch(&[12_000], Producer::NONE)), Ok(2));
}

#[test]
fn records_get_the_time_of_the_log_where_the_topic_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    made_with(&mut kafka, &[("message.timestamp.type", "LogAppendTime")]);
    let answer: ProduceResponse =
        kafka.call(&request(batch(&[1_000, 2_000], Producer::NONE), -1), 7);
    let answer = &answer.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, 0);
    assert!(answer.log_append_time_ms > 1_700_000_000_000, "{answer:?}");
    let fetched = fetch(&mut kafka, 0, 0).records.0.concat();
    let header = BatchHeader::parse(&fetched).unwrap();
    header.validate(&fetched).unwrap();
    assert!(header.has_append_time());
    assert_eq!(header.max_timestamp, answer.log_append_time_ms);
    assert_eq!(offset_at(&mut kafka, 3_000), (0, answer.log_append_time_ms));
}

#[test]
fn the_broker_describes_itself() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(folder.path());
    let mut kafka = Kafka::connect(&appliance.brokers);
    kafka.create_topic(TOPIC);
    produce(&mut kafka, batch(&[1], Producer::NONE)).unwrap();
    let node = describe(&mut kafka, (BROKER_RESOURCE, "1"), &["node.id", "log.dirs"]);
    assert_eq!(node.configs.len(), 2, "{node:?}");
    assert!(node.configs.iter().all(|config| config.read_only), "{node:?}");
    let other = describe(&mut kafka, (BROKER_RESOURCE, "2"), &[]);
    assert_eq!(code(other.error_code), KafkaCode::InvalidRequest);
    let request = DescribeClusterRequest { endpoint_type: 1, ..Default::default() };
    let cluster: DescribeClusterResponse = kafka.call(&request, 1);
    assert_eq!((cluster.error_code, cluster.controller_id, cluster.brokers.len()), (0, 1, 1));
    let request = DescribeLogDirsRequest { topics: None };
    let folders: DescribeLogDirsResponse = kafka.call(&request, 4);
    let [data] = &folders.results[..] else { panic!("{folders:?}") };
    assert!(data.total_bytes >= data.usable_bytes && data.usable_bytes > 0, "{data:?}");
    let own = data.topics.iter().find(|topic| topic.name == TOPIC).unwrap();
    assert!(own.partitions[0].partition_size > 0, "{own:?}");
}
