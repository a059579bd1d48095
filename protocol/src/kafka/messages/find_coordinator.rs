//! `FindCoordinator`: which broker keeps a group. Flexible from 3; several keys from 4.
use crate::kafka::wire::message;

message! {
    /// Asks for coordinators.
    FindCoordinatorRequest {
        /// The group.
        key: String, 0..=3;
        /// 0: groups; 1: transactions.
        key_type: i8, 1;
        /// The groups.
        coordinator_keys: Vec<String>, 4;
    }
}

message! {
    /// The coordinators.
    FindCoordinatorResponse {
        /// Always 0.
        throttle_time_ms: i32, 1;
        /// What is wrong, or 0.
        error_code: i16, 0..=3;
        /// The same in words.
        error_message: Option<String>, 1..=3;
        /// The coordinator's node id.
        node_id: i32, 0..=3;
        /// Its host name or address.
        host: String, 0..=3;
        /// Its port.
        port: i32, 0..=3;
        /// One for each key.
        coordinators: Vec<Coordinator>, 4;
    }
}

message! {
    /// The coordinator of one key.
    Coordinator {
        /// The key.
        key: String, 4;
        /// Its node id.
        node_id: i32, 4;
        /// Its host name or address.
        host: String, 4;
        /// Its port.
        port: i32, 4;
        /// What is wrong, or 0.
        error_code: i16, 4;
        /// The same in words.
        error_message: Option<String>, 4;
    }
}
