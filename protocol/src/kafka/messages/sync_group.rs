//! `SyncGroup`: the leader hands in the assignment, and each member gets its own. Flexible from 4.
//!
//! **References.** KIP-345 (static members, version 3), KIP-559 (protocol type and name,
//! version 5).
use bytes::Bytes;

use crate::kafka::wire::message;

message! {
    /// Asks for the member's assignment; the leader brings everybody's.
    SyncGroupRequest {
        /// The group.
        group_id: String, 0;
        /// The generation that the member is in.
        generation_id: i32, 0;
        /// The member.
        member_id: String, 0;
        /// The static member's name.
        group_instance_id: Option<String>, 3;
        /// What the group is for.
        protocol_type: Option<String>, 5;
        /// The way of assigning.
        protocol_name: Option<String>, 5;
        /// The assignment; empty from all but the leader.
        assignments: Vec<SyncGroupRequestAssignment>, 0;
    }
}

message! {
    /// What one member is assigned.
    SyncGroupRequestAssignment {
        /// The member.
        member_id: String, 0;
        /// What it is assigned. Shares the request's memory.
        assignment: Bytes, 0;
    }
}

message! {
    /// The member's assignment.
    SyncGroupResponse {
        /// Always 0.
        throttle_time_ms: i32, 1;
        /// What is wrong, or 0.
        error_code: i16, 0;
        /// What the group is for.
        protocol_type: Option<String>, 5;
        /// The way of assigning.
        protocol_name: Option<String>, 5;
        /// What the member is assigned.
        assignment: Bytes, 0;
    }
}
