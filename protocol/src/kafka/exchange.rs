//! Whole frames: a request or a response with its header, for either side of a connection.
//!
//! **Invariants.** Bytes behind a request's last field are passed over, as Kafka does: a client
//! may know a field that is newer than the version it speaks.
//!
//! **References.** KIP-482 (headers with tagged fields), KIP-511 (`ApiVersions` headers).
use bytes::Bytes;

use super::api::ApiKey;
use super::cursor::{Cursor, DecodeError};
use super::encoder::Encoder;
use super::messages::alter_configs::{AlterConfigsRequest, AlterConfigsResponse};
use super::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use super::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse};
use super::messages::create_topics::{CreateTopicsRequest, CreateTopicsResponse};
use super::messages::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
use super::messages::delete_records::{DeleteRecordsRequest, DeleteRecordsResponse};
use super::messages::delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
use super::messages::describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
use super::messages::describe_configs::{DescribeConfigsRequest, DescribeConfigsResponse};
use super::messages::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};
use super::messages::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use super::messages::describe_producers::{DescribeProducersRequest, DescribeProducersResponse};
use super::messages::fetch::{FetchRequest, FetchResponse};
use super::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use super::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use super::messages::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use super::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use super::messages::join_group::{JoinGroupRequest, JoinGroupResponse};
use super::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use super::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};
use super::messages::list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
use super::messages::metadata::{MetadataRequest, MetadataResponse};
use super::messages::offset_commit::{OffsetCommitRequest, OffsetCommitResponse};
use super::messages::offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse};
use super::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchResponse};
use super::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};
use super::messages::produce::{ProduceRequest, ProduceResponse};
use super::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};
use super::walk::{Walk, Walker};
use super::wire::{Version, Wire, skip_tagged_fields};

/// What a request begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API's number.
    pub api_key: i16,
    /// The API's version.
    pub api_version: i16,
    /// Comes back with the response.
    pub correlation_id: i32,
    /// The client's name for itself.
    pub client_id: Option<String>,
}

/// A request or a response that belongs to one API.
pub trait Message: Wire {
    /// The API.
    const API: ApiKey;
}

macro_rules! exchanges {
    ($($name:ident: $request:ty, $response:ty;)*) => {
        /// Any request.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Request {
            $(#[doc = concat!("See [`", stringify!($request), "`].")] $name($request),)*
        }

        impl Request {
            fn decode(api: ApiKey, cursor: &mut Cursor, version: Version)
                -> Result<Self, DecodeError> {
                Ok(match api {
                    $(ApiKey::$name => Self::$name(<$request>::decode(cursor, version)?),)*
                })
            }

            fn encode(&self, out: &mut Encoder, version: Version) {
                match self {
                    $(Self::$name(request) => request.encode(out, version),)*
                }
            }

            /// The API that it belongs to.
            #[must_use]
            pub fn api(&self) -> ApiKey {
                match self {
                    $(Self::$name(_) => ApiKey::$name,)*
                }
            }
        }

        impl Walk for Request {
            fn walk(&mut self, walker: &mut dyn Walker) {
                match self {
                    $(Self::$name(request) => request.walk(walker),)*
                }
            }
        }

        /// Any response.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Response {
            $(#[doc = concat!("See [`", stringify!($response), "`].")] $name($response),)*
        }

        impl Response {
            fn decode(api: ApiKey, cursor: &mut Cursor, version: Version)
                -> Result<Self, DecodeError> {
                Ok(match api {
                    $(ApiKey::$name => Self::$name(<$response>::decode(cursor, version)?),)*
                })
            }
        }

        impl Walk for Response {
            fn walk(&mut self, walker: &mut dyn Walker) {
                match self {
                    $(Self::$name(response) => response.walk(walker),)*
                }
            }
        }

        $(impl Message for $request {
            const API: ApiKey = ApiKey::$name;
        }
        impl Message for $response {
            const API: ApiKey = ApiKey::$name;
        })*
    };
}

exchanges! {
    Produce: ProduceRequest, ProduceResponse;
    Fetch: FetchRequest, FetchResponse;
    ListOffsets: ListOffsetsRequest, ListOffsetsResponse;
    Metadata: MetadataRequest, MetadataResponse;
    OffsetCommit: OffsetCommitRequest, OffsetCommitResponse;
    OffsetFetch: OffsetFetchRequest, OffsetFetchResponse;
    FindCoordinator: FindCoordinatorRequest, FindCoordinatorResponse;
    JoinGroup: JoinGroupRequest, JoinGroupResponse;
    Heartbeat: HeartbeatRequest, HeartbeatResponse;
    LeaveGroup: LeaveGroupRequest, LeaveGroupResponse;
    SyncGroup: SyncGroupRequest, SyncGroupResponse;
    DescribeGroups: DescribeGroupsRequest, DescribeGroupsResponse;
    ListGroups: ListGroupsRequest, ListGroupsResponse;
    ApiVersions: ApiVersionsRequest, ApiVersionsResponse;
    CreateTopics: CreateTopicsRequest, CreateTopicsResponse;
    DeleteTopics: DeleteTopicsRequest, DeleteTopicsResponse;
    DeleteRecords: DeleteRecordsRequest, DeleteRecordsResponse;
    InitProducerId: InitProducerIdRequest, InitProducerIdResponse;
    OffsetForLeaderEpoch: OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse;
    DescribeConfigs: DescribeConfigsRequest, DescribeConfigsResponse;
    AlterConfigs: AlterConfigsRequest, AlterConfigsResponse;
    DescribeLogDirs: DescribeLogDirsRequest, DescribeLogDirsResponse;
    CreatePartitions: CreatePartitionsRequest, CreatePartitionsResponse;
    DeleteGroups: DeleteGroupsRequest, DeleteGroupsResponse;
    IncrementalAlterConfigs: IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse;
    OffsetDelete: OffsetDeleteRequest, OffsetDeleteResponse;
    DescribeCluster: DescribeClusterRequest, DescribeClusterResponse;
    DescribeProducers: DescribeProducersRequest, DescribeProducersResponse;
}

/// Reads a request's header. What follows it is left in the cursor.
///
/// # Errors
/// [`DecodeError`] when the bytes are cut short: there is nobody to answer.
pub fn decode_header(cursor: &mut Cursor) -> Result<RequestHeader, DecodeError> {
    const CLASSIC: Version = Version { number: 0, flexible: false };
    Ok(RequestHeader {
        api_key: i16::decode(cursor, CLASSIC)?,
        api_version: i16::decode(cursor, CLASSIC)?,
        correlation_id: i32::decode(cursor, CLASSIC)?,
        client_id: <Option<String>>::decode(cursor, CLASSIC)?,
    })
}

/// Reads the request behind its header.
///
/// # Errors
/// [`DecodeError::UnknownApi`] and [`DecodeError::UnsupportedVersion`], to be answered with an
/// error code where the API has one; any other when the bytes make no sense.
pub fn decode_request(
    header: &RequestHeader,
    cursor: &mut Cursor,
) -> Result<(Request, Version), DecodeError> {
    let (key, version) = (header.api_key, header.api_version);
    let api = ApiKey::from_number(key).ok_or(DecodeError::UnknownApi(key))?;
    let version =
        api.api().version(version).ok_or(DecodeError::UnsupportedVersion(key, version))?;
    if version.flexible {
        skip_tagged_fields(cursor)?;
    }
    Ok((Request::decode(api, cursor, version)?, version))
}

/// Writes a response, with its frame's length.
#[must_use]
pub fn encode_response<M: Message>(
    response: &M,
    version: Version,
    correlation_id: i32,
) -> Vec<Bytes> {
    let mut out = Encoder::framed();
    correlation_id.encode(&mut out, version);
    // A client that does not know the broker yet must be able to read this header.
    if version.flexible && M::API != ApiKey::ApiVersions {
        out.put_uvarint(0);
    }
    response.encode(&mut out, version);
    out.finish()
}

/// Writes a request, with its frame's length. The version must be in the table.
///
/// # Errors
/// [`DecodeError::UnsupportedVersion`] when it is not.
pub fn encode_request<M: Message>(
    request: &M,
    api_version: i16,
    correlation_id: i32,
    client_id: &str,
) -> Result<Vec<Bytes>, DecodeError> {
    let header = RequestHeader {
        api_key: M::API.api().number,
        api_version,
        correlation_id,
        client_id: Some(client_id.to_owned()),
    };
    let (mut out, version) = framed_request(&header, M::API)?;
    request.encode(&mut out, version);
    Ok(out.finish())
}

/// Writes any request behind this header, with its frame's length. The header's API and version
/// must be in the table, and the API the request's own.
///
/// # Errors
/// [`DecodeError::UnknownApi`] or [`DecodeError::UnsupportedVersion`] when they are not.
pub fn encode_any_request(
    header: &RequestHeader,
    request: &Request,
) -> Result<Vec<Bytes>, DecodeError> {
    let api = request.api();
    if header.api_key != api.api().number {
        return Err(DecodeError::UnknownApi(header.api_key));
    }
    let (mut out, version) = framed_request(header, api)?;
    request.encode(&mut out, version);
    Ok(out.finish())
}

/// A frame with a request's header, and the version in which the request must follow.
fn framed_request(header: &RequestHeader, api: ApiKey) -> Result<(Encoder, Version), DecodeError> {
    let unsupported = DecodeError::UnsupportedVersion(header.api_key, header.api_version);
    let version = api.api().version(header.api_version).ok_or(unsupported)?;
    let classic = Version { flexible: false, ..version };
    let mut out = Encoder::framed();
    header.api_key.encode(&mut out, classic);
    header.api_version.encode(&mut out, classic);
    header.correlation_id.encode(&mut out, classic);
    header.client_id.encode(&mut out, classic);
    if version.flexible {
        out.put_uvarint(0);
    }
    Ok((out, version))
}

/// Reads a response, without its frame's length: the correlation id and the message.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_response<M: Message>(
    frame: Bytes,
    api_version: i16,
) -> Result<(i32, M), DecodeError> {
    let mut cursor = Cursor::new(frame);
    let (correlation_id, version) = decode_response_header(M::API, api_version, &mut cursor)?;
    Ok((correlation_id, M::decode(&mut cursor, version)?))
}

/// Reads any response of which it is known what it answers: the correlation id and the message.
/// What follows it is left in the cursor.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_any_response(
    api: ApiKey,
    api_version: i16,
    cursor: &mut Cursor,
) -> Result<(i32, Response), DecodeError> {
    let (correlation_id, version) = decode_response_header(api, api_version, cursor)?;
    Ok((correlation_id, Response::decode(api, cursor, version)?))
}

fn decode_response_header(
    api: ApiKey,
    api_version: i16,
    cursor: &mut Cursor,
) -> Result<(i32, Version), DecodeError> {
    let unsupported = DecodeError::UnsupportedVersion(api.api().number, api_version);
    let version = api.api().version(api_version).ok_or(unsupported)?;
    let correlation_id = i32::decode(cursor, version)?;
    if version.flexible && api != ApiKey::ApiVersions {
        skip_tagged_fields(cursor)?;
    }
    Ok((correlation_id, version))
}
