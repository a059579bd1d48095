//! Every message, in every version that both codecs have: also in those that the table of APIs does
//! not offer yet, but without versions 0 to 2 of `Produce`, which the other one has not.
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::Encodable;

use super::{agreement, hostile};
use crate::kafka::cursor::Cursor;
use crate::kafka::messages::alter_configs::{AlterConfigsRequest, AlterConfigsResponse};
use crate::kafka::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::kafka::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse,
};
use crate::kafka::messages::create_topics::{CreateTopicsRequest, CreateTopicsResponse};
use crate::kafka::messages::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
use crate::kafka::messages::delete_records::{DeleteRecordsRequest, DeleteRecordsResponse};
use crate::kafka::messages::delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
use crate::kafka::messages::describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
use crate::kafka::messages::describe_configs::{DescribeConfigsRequest, DescribeConfigsResponse};
use crate::kafka::messages::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};
use crate::kafka::messages::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use crate::kafka::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse,
};
use crate::kafka::messages::fetch::{FetchRequest, FetchResponse};
use crate::kafka::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use crate::kafka::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use crate::kafka::messages::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use crate::kafka::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::kafka::messages::join_group::{JoinGroupRequest, JoinGroupResponse};
use crate::kafka::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use crate::kafka::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};
use crate::kafka::messages::list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
use crate::kafka::messages::metadata::{MetadataRequest, MetadataResponse};
use crate::kafka::messages::offset_commit::{OffsetCommitRequest, OffsetCommitResponse};
use crate::kafka::messages::offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse};
use crate::kafka::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchResponse};
use crate::kafka::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};
use crate::kafka::messages::produce::{ProduceRequest, ProduceResponse};
use crate::kafka::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use crate::kafka::wire::{Version, Wire};

/// Gives a message of theirs a tagged field, if it can have one.
macro_rules! tagged {
    () => {
        |theirs, tag, bytes| {
            theirs.unknown_tagged_fields.insert(tag, bytes);
        }
    };
    (never) => {
        |_, _, _| {}
    };
}

macro_rules! messages {
    ($($name:ident: $request:ident, $response:ident, $versions:expr $(, $never:ident flexible)?;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn requests_agree() {
                agreement::body::<$request, theirs::$request>($versions, tagged!($($never)?));
                agreement::request_frame::<$request>();
            }

            #[test]
            fn responses_agree() {
                agreement::body::<$response, theirs::$response>($versions, tagged!($($never)?));
                agreement::response_frame::<$response>();
            }

            #[test]
            fn hostile_bytes_are_refused() {
                hostile::body::<$request>($versions);
                hostile::body::<$response>($versions);
            }
        }
    )*};
}

messages! {
    produce: ProduceRequest, ProduceResponse, 3..=11;
    fetch: FetchRequest, FetchResponse, 4..=18;
    list_offsets: ListOffsetsRequest, ListOffsetsResponse, 1..=10;
    metadata: MetadataRequest, MetadataResponse, 0..=12;
    offset_commit: OffsetCommitRequest, OffsetCommitResponse, 2..=9;
    offset_fetch: OffsetFetchRequest, OffsetFetchResponse, 1..=9;
    find_coordinator: FindCoordinatorRequest, FindCoordinatorResponse, 0..=6;
    join_group: JoinGroupRequest, JoinGroupResponse, 0..=9;
    heartbeat: HeartbeatRequest, HeartbeatResponse, 0..=4;
    leave_group: LeaveGroupRequest, LeaveGroupResponse, 0..=5;
    sync_group: SyncGroupRequest, SyncGroupResponse, 0..=5;
    describe_groups: DescribeGroupsRequest, DescribeGroupsResponse, 0..=6;
    list_groups: ListGroupsRequest, ListGroupsResponse, 0..=5;
    api_versions: ApiVersionsRequest, ApiVersionsResponse, 0..=4;
    create_topics: CreateTopicsRequest, CreateTopicsResponse, 2..=7;
    delete_topics: DeleteTopicsRequest, DeleteTopicsResponse, 1..=6;
    delete_records: DeleteRecordsRequest, DeleteRecordsResponse, 0..=2;
    init_producer_id: InitProducerIdRequest, InitProducerIdResponse, 0..=5;
    offset_for_leader_epoch: OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, 2..=4;
    describe_configs: DescribeConfigsRequest, DescribeConfigsResponse, 1..=4;
    alter_configs: AlterConfigsRequest, AlterConfigsResponse, 0..=2;
    describe_log_dirs: DescribeLogDirsRequest, DescribeLogDirsResponse, 1..=4;
    create_partitions: CreatePartitionsRequest, CreatePartitionsResponse, 0..=3;
    delete_groups: DeleteGroupsRequest, DeleteGroupsResponse, 0..=2;
    incremental_alter_configs: IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, 0..=1;
    offset_delete: OffsetDeleteRequest, OffsetDeleteResponse, 0..=0, never flexible;
    describe_cluster: DescribeClusterRequest, DescribeClusterResponse, 0..=2;
    describe_producers: DescribeProducersRequest, DescribeProducersResponse, 0..=0;
}

/// Reads ours from the bytes of theirs, to the end.
fn reread<Ours: Wire>(theirs: &impl Encodable, number: i16) -> Ours {
    let mut bytes = BytesMut::new();
    theirs.encode(&mut bytes, number).unwrap();
    let mut cursor = Cursor::new(bytes.freeze());
    let ours = Ours::decode(&mut cursor, Version { number, flexible: true }).unwrap();
    assert_eq!(cursor.left(), 0);
    ours
}

#[test]
fn tagged_fields_that_kafka_sends_are_passed_over() {
    let feature = theirs::api_versions_response::SupportedFeatureKey::default();
    let response = theirs::ApiVersionsResponse::default()
        .with_supported_features(vec![
            feature.with_name("group.version".to_owned().into()).with_max_version(1),
        ])
        .with_finalized_features_epoch(7)
        .with_throttle_time_ms(5);
    assert_eq!(reread::<ApiVersionsResponse>(&response, 4).throttle_time_ms, 5);

    let request = theirs::FetchRequest::default()
        .with_cluster_id(Some("cluster".to_owned().into()))
        .with_rack_id("rack".to_owned().into());
    assert_eq!(reread::<FetchRequest>(&request, 12).rack_id, "rack");

    let leader = theirs::fetch_response::LeaderIdAndEpoch::default().with_leader_id(3.into());
    let partition = theirs::fetch_response::PartitionData::default()
        .with_current_leader(leader)
        .with_records(Some(Bytes::from_static(b"records")));
    let topic = theirs::fetch_response::FetchableTopicResponse::default();
    let endpoint = theirs::fetch_response::NodeEndpoint::default().with_port(9092);
    let response = theirs::FetchResponse::default()
        .with_responses(vec![topic.with_partitions(vec![partition])])
        .with_node_endpoints(vec![endpoint]);
    let ours = reread::<FetchResponse>(&response, 16);
    assert_eq!(ours.responses[0].partitions[0].records.0, [Bytes::from_static(b"records")]);

    let leader = theirs::produce_response::LeaderIdAndEpoch::default().with_leader_epoch(4);
    let partition = theirs::produce_response::PartitionProduceResponse::default()
        .with_current_leader(leader)
        .with_base_offset(8);
    let topic = theirs::produce_response::TopicProduceResponse::default();
    let response = theirs::ProduceResponse::default()
        .with_responses(vec![topic.with_partition_responses(vec![partition])]);
    let ours = reread::<ProduceResponse>(&response, 11);
    assert_eq!(ours.responses[0].partition_responses[0].base_offset, 8);
}
