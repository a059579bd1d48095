//! From a frame to its answer.
//!
//! **Invariants.** Produce requests are handed to the log while they are read, in their order;
//! everything else is done when its turn to be answered comes. An API or version that is not
//! spoken gets an answer, not a closed connection.
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use pagi_protocol::kafka::api::ApiKey;
use pagi_protocol::kafka::cursor::{Cursor, DecodeError};
use pagi_protocol::kafka::encoder::Encoder;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::exchange::{
    Message, Request, RequestHeader, decode_header, decode_request, encode_response,
};
use pagi_protocol::kafka::wire::Version;

use super::api;
use super::context::Context;
use super::peer::Peer;

/// The chunks of a response; `None` when the client wants none.
pub type Response = Option<Vec<Bytes>>;

/// A response to come.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response, NoAnswer>> + Send>>;

/// There is no answer that is sure to be right: the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAnswer;

/// Reads a frame and begins to answer it.
///
/// # Errors
/// [`DecodeError`] when the frame makes no sense: there is no telling what follows it.
pub async fn dispatch(
    context: &Arc<Context>,
    peer: &Arc<Peer>,
    frame: Bytes,
) -> Result<Answer, DecodeError> {
    let mut cursor = Cursor::new(frame);
    let header = decode_header(&mut cursor)?;
    let (request, version) = match decode_request(&header, &mut cursor) {
        Ok(decoded) => decoded,
        Err(DecodeError::UnknownApi(_) | DecodeError::UnsupportedVersion(..)) => {
            return Ok(Box::pin(std::future::ready(Ok(Some(refuse(&header))))));
        }
        Err(error) => return Err(error),
    };
    if let Some(api) = ApiKey::from_number(header.api_key) {
        context.metrics.count(api);
    }
    let to = To { version, correlation_id: header.correlation_id };
    let context = Arc::clone(context);
    Ok(match request {
        Request::Produce(request) => {
            let submitted = api::produce::submit(&context, request, version.number).await;
            Box::pin(async move {
                let wanted = submitted.is_answered();
                match submitted.respond(&context).await {
                    Some(response) if wanted => Ok(to.encode(&response)),
                    Some(_) => Ok(None),
                    None => Err(NoAnswer),
                }
            })
        }
        request => {
            let client =
                Client { peer: Arc::clone(peer), id: header.client_id.unwrap_or_default() };
            Box::pin(async move { Ok(answer(&context, &client, request, to).await) })
        }
    })
}

/// Who asks.
struct Client {
    peer: Arc<Peer>,
    id: String,
}

/// Whom a response is for.
#[derive(Clone, Copy)]
struct To {
    version: Version,
    correlation_id: i32,
}

impl To {
    fn encode<M: Message>(self, response: &M) -> Response {
        Some(encode_response(response, self.version, self.correlation_id))
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each API, and nothing else")]
async fn answer(context: &Context, client: &Client, request: Request, to: To) -> Response {
    let version = to.version.number;
    let endpoint = &client.peer.endpoint;
    match request {
        Request::Produce(_) => None,
        Request::Fetch(request) => to.encode(&api::fetch::respond(context, request).await),
        Request::ListOffsets(request) => {
            to.encode(&api::list_offsets::respond(context, request).await)
        }
        Request::Metadata(request) => {
            to.encode(&api::metadata::respond(context, endpoint, request, version).await)
        }
        Request::OffsetCommit(request) => {
            to.encode(&api::offset_commit::respond(context, request).await)
        }
        Request::OffsetDelete(request) => {
            to.encode(&api::offset_delete::respond(context, request).await)
        }
        Request::JoinGroup(request) => {
            let from = (client.id.clone(), client.peer.host.clone());
            to.encode(&api::join_group::respond(context, request, version, from).await)
        }
        Request::SyncGroup(request) => to.encode(&api::sync_group::respond(context, request).await),
        Request::Heartbeat(request) => to.encode(&api::heartbeat::respond(context, &request).await),
        Request::LeaveGroup(request) => {
            to.encode(&api::leave_group::respond(context, request, version).await)
        }
        Request::DescribeGroups(request) => {
            to.encode(&api::describe_groups::respond(context, request, version))
        }
        Request::ListGroups(request) => to.encode(&api::list_groups::respond(context, &request)),
        Request::DeleteGroups(request) => {
            to.encode(&api::delete_groups::respond(context, request).await)
        }
        Request::OffsetFetch(request) => {
            to.encode(&api::offset_fetch::respond(context, request, version))
        }
        Request::FindCoordinator(request) => {
            to.encode(&api::find_coordinator::respond(endpoint, request))
        }
        Request::ApiVersions(_) => to.encode(&api::api_versions::respond()),
        Request::CreateTopics(request) => {
            to.encode(&api::create_topics::respond(context, request).await)
        }
        Request::DeleteTopics(request) => {
            to.encode(&api::delete_topics::respond(context, request).await)
        }
        Request::InitProducerId(request) => {
            to.encode(&api::init_producer_id::respond(context, &request).await)
        }
        Request::DeleteRecords(request) => {
            to.encode(&api::delete_records::respond(context, request).await)
        }
        Request::OffsetForLeaderEpoch(request) => {
            to.encode(&api::offset_for_leader_epoch::respond(context, request))
        }
        Request::DescribeProducers(request) => {
            to.encode(&api::describe_producers::respond(context, request).await)
        }
        Request::DescribeConfigs(request) => {
            to.encode(&api::describe_configs::respond(context, request))
        }
        Request::AlterConfigs(request) => {
            to.encode(&api::alter_configs::respond(context, request).await)
        }
        Request::IncrementalAlterConfigs(request) => {
            to.encode(&api::incremental_alter_configs::respond(context, request).await)
        }
        Request::CreatePartitions(request) => {
            to.encode(&api::create_partitions::respond(context, request).await)
        }
        Request::DescribeCluster(request) => {
            to.encode(&api::describe_cluster::respond(context, endpoint, &request))
        }
        Request::DescribeLogDirs(request) => {
            to.encode(&api::describe_log_dirs::respond(context, request).await)
        }
    }
}

/// What can be said when the API or its version is not spoken. `ApiVersions` has a form for it
/// (KIP-511); of the others only the error code can be told, for the layout is not known.
fn refuse(header: &RequestHeader) -> Vec<Bytes> {
    const FIRST: Version = Version { number: 0, flexible: false };
    if ApiKey::from_number(header.api_key) == Some(ApiKey::ApiVersions) {
        return encode_response(&api::api_versions::refuse(), FIRST, header.correlation_id);
    }
    let mut out = Encoder::framed();
    out.put(&header.correlation_id.to_be_bytes());
    out.put(&KafkaCode::UnsupportedVersion.number().to_be_bytes());
    out.finish()
}
