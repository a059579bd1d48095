//! `Heartbeat`: a member of a group is alive. Flexible from 4.
//!
//! **References.** KIP-345 (static members, version 3).
use crate::kafka::wire::message;

message! {
    /// A sign of life.
    HeartbeatRequest {
        /// The group.
        group_id: String, 0;
        /// The generation that the member is in.
        generation_id: i32, 0;
        /// The member.
        member_id: String, 0;
        /// The static member's name.
        group_instance_id: Option<String>, 3;
    }
}

message! {
    /// Whether the member may go on.
    HeartbeatResponse {
        /// Always 0.
        throttle_time_ms: i32, 1;
        /// What is wrong, or 0.
        error_code: i16, 0;
    }
}
