//! `ListGroups`: all groups. Flexible from 3.
//!
//! **References.** KIP-518 (states, version 4), KIP-848 (types, version 5).
use crate::kafka::wire::message;

message! {
    /// Asks for groups.
    ListGroupsRequest {
        /// Only groups in one of these states; empty for all.
        states_filter: Vec<String>, 4;
        /// Only groups of one of these types; empty for all.
        types_filter: Vec<String>, 5;
    }
}

message! {
    /// The groups.
    ListGroupsResponse {
        /// Always 0.
        throttle_time_ms: i32, 1;
        /// What is wrong, or 0.
        error_code: i16, 0;
        /// The groups.
        groups: Vec<ListedGroup>, 0;
    }
}

message! {
    /// A group.
    ListedGroup {
        /// Its id.
        group_id: String, 0;
        /// What it is for, such as `consumer`.
        protocol_type: String, 0;
        /// Its state as Kafka writes it, such as `Stable`.
        group_state: String, 4;
        /// Its type as Kafka writes it, such as `classic`.
        group_type: String, 5;
    }
}
