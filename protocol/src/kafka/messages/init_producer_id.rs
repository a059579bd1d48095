//! `InitProducerId`: an id for an idempotent producer. Flexible from 2.
use crate::kafka::wire::message;

message! {
    /// Asks for an id.
    InitProducerIdRequest {
        /// The transactional id, if there is one.
        transactional_id: Option<String>, 0;
        /// How long a transaction may take, in milliseconds.
        transaction_timeout_ms: i32, 0;
        /// The id that the producer has, or -1.
        producer_id: i64, 3, or -1;
        /// Its epoch, or -1.
        producer_epoch: i16, 3, or -1;
    }
}

message! {
    /// An id.
    InitProducerIdResponse {
        /// Always 0.
        throttle_time_ms: i32, 0;
        /// What is wrong, or 0.
        error_code: i16, 0;
        /// The id, or -1.
        producer_id: i64, 0, or -1;
        /// Its epoch.
        producer_epoch: i16, 0;
    }
}
