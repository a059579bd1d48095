//! `DescribeCluster`: this broker is all of it.
//!
//! **References.** KIP-700, KIP-919 (endpoint types).
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};

use crate::broker::config::Endpoint;
use crate::broker::context::{Context, NODE_ID};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Answers.
#[must_use]
pub fn respond(
    context: &Context,
    endpoint: &Endpoint,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    let refused = match request.endpoint_type {
        BROKERS => None,
        CONTROLLERS => {
            Some((KafkaCode::MismatchedEndpointType, "this is a broker, not a controller"))
        }
        _ => Some((KafkaCode::UnsupportedEndpointType, "there is no such type of endpoint")),
    };
    if let Some((code, words)) = refused {
        return DescribeClusterResponse {
            error_code: code.number(),
            error_message: Some(words.to_owned()),
            endpoint_type: BROKERS,
            ..DescribeClusterResponse::default()
        };
    }
    let broker = DescribeClusterBroker {
        broker_id: NODE_ID,
        host: endpoint.host.clone(),
        port: endpoint.port.into(),
        rack: None,
        is_fenced: false,
    };
    DescribeClusterResponse {
        endpoint_type: BROKERS,
        cluster_id: context.store.cluster_id().simple().to_string(),
        controller_id: NODE_ID,
        brokers: vec![broker],
        ..DescribeClusterResponse::default()
    }
}
