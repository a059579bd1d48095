//! `FindCoordinator`: this broker keeps every group.
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};

use crate::broker::config::Endpoint;
use crate::broker::context::NODE_ID;

const GROUPS: i8 = 0;

/// Answers with this broker; for a transaction, with an error that its client takes as final.
#[must_use]
pub fn respond(endpoint: &Endpoint, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let code = match request.key_type {
        GROUPS => KafkaCode::None,
        _ => KafkaCode::TransactionalIdAuthorizationFailed,
    };
    let words = (code != KafkaCode::None).then(|| "transactions are not supported".to_owned());
    let coordinator = |key| Coordinator {
        key,
        node_id: NODE_ID,
        host: endpoint.host.clone(),
        port: endpoint.port.into(),
        error_code: code.number(),
        error_message: words.clone(),
    };
    FindCoordinatorResponse {
        throttle_time_ms: 0,
        error_code: code.number(),
        error_message: words.clone(),
        node_id: NODE_ID,
        host: endpoint.host.clone(),
        port: endpoint.port.into(),
        coordinators: request.coordinator_keys.into_iter().map(coordinator).collect(),
    }
}
