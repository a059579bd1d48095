//! `InitProducerId`: an id that was never given before, for an idempotent producer.
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::init_producer_id::{
    InitProducerIdRequest, InitProducerIdResponse,
};

use crate::broker::context::Context;

/// Answers; a transactional producer gets an error that it takes as final.
pub async fn respond(context: &Context, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    let id = match request.transactional_id {
        Some(_) => Err(KafkaCode::TransactionalIdAuthorizationFailed),
        None => context.next_producer_id().await,
    };
    match id {
        Ok(producer_id) => InitProducerIdResponse { producer_id, ..Default::default() },
        Err(code) => InitProducerIdResponse {
            error_code: code.number(),
            producer_epoch: -1,
            ..InitProducerIdResponse::default()
        },
    }
}
