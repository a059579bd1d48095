//! `JoinGroup`: becoming a member of a consumer group. Flexible from 6.
//!
//! **References.** KIP-345 (static members, version 5), KIP-394 (a member id is required, version
//! 4), KIP-559 (protocol type and name, version 7), KIP-800 (reasons, version 8).
use bytes::Bytes;

use crate::kafka::wire::message;

message! {
    /// Asks to become a member, or to stay one in the next generation.
    JoinGroupRequest {
        /// The group.
        group_id: String, 0;
        /// How long the member may be silent, in milliseconds.
        session_timeout_ms: i32, 0;
        /// How long a member may take to join again, in milliseconds; -1 in version 0, where the
        /// session timeout says it.
        rebalance_timeout_ms: i32, 1, or -1;
        /// The member; empty when it is new.
        member_id: String, 0;
        /// The static member's name.
        group_instance_id: Option<String>, 5;
        /// What the group is for, such as `consumer`.
        protocol_type: String, 0;
        /// The ways of assigning that the member knows, its favourite first.
        protocols: Vec<JoinGroupRequestProtocol>, 0;
        /// Why it joins, in words.
        reason: Option<String>, 8;
    }
}

message! {
    /// A way of assigning.
    JoinGroupRequestProtocol {
        /// Its name.
        name: String, 0;
        /// What the member says to whoever assigns. Shares the request's memory.
        metadata: Bytes, 0;
    }
}

message! {
    /// The member's place in the new generation.
    JoinGroupResponse {
        /// Always 0.
        throttle_time_ms: i32, 2;
        /// What is wrong, or 0.
        error_code: i16, 0;
        /// The generation, or -1.
        generation_id: i32, 0, or -1;
        /// What the group is for.
        protocol_type: Option<String>, 7;
        /// The way of assigning that was chosen; may be `None` from version 7 only.
        protocol_name: Option<String>, 0, or Some(String::new());
        /// The member that assigns.
        leader: String, 0;
        /// Whether the leader is to leave the assignment as it is.
        skip_assignment: bool, 9;
        /// The member that this answers.
        member_id: String, 0;
        /// All members; empty for all but the leader.
        members: Vec<JoinGroupResponseMember>, 0;
    }
}

message! {
    /// A member, as the leader sees it.
    JoinGroupResponseMember {
        /// Its id.
        member_id: String, 0;
        /// The static member's name.
        group_instance_id: Option<String>, 5;
        /// What it said of the chosen way of assigning.
        metadata: Bytes, 0;
    }
}
