//! `DescribeGroups`: the state and the members of groups. Flexible from 5.
//!
//! **References.** KIP-345 (static members, version 4), KIP-1043 (groups that do not exist get an
//! error, version 6).
use bytes::Bytes;

use crate::kafka::wire::message;

message! {
    /// Asks about groups.
    DescribeGroupsRequest {
        /// The groups.
        groups: Vec<String>, 0;
        /// Whether to say what the client may do.
        include_authorized_operations: bool, 3;
    }
}

message! {
    /// The groups.
    DescribeGroupsResponse {
        /// Always 0.
        throttle_time_ms: i32, 1;
        /// One for each group of the request.
        groups: Vec<DescribedGroup>, 0;
    }
}

message! {
    /// A group.
    DescribedGroup {
        /// What is wrong, or 0.
        error_code: i16, 0;
        /// The same in words.
        error_message: Option<String>, 6;
        /// The group.
        group_id: String, 0;
        /// Its state as Kafka writes it, such as `Stable`.
        group_state: String, 0;
        /// What it is for, such as `consumer`.
        protocol_type: String, 0;
        /// The way of assigning; empty while there is none.
        protocol_data: String, 0;
        /// Its members.
        members: Vec<DescribedGroupMember>, 0;
        /// Not known.
        authorized_operations: i32, 3, or i32::MIN;
    }
}

message! {
    /// A member of a group.
    DescribedGroupMember {
        /// Its id.
        member_id: String, 0;
        /// The static member's name.
        group_instance_id: Option<String>, 4;
        /// What its client calls itself.
        client_id: String, 0;
        /// Where it comes from: `/` and its address.
        client_host: String, 0;
        /// What it said of the chosen way of assigning.
        member_metadata: Bytes, 0;
        /// What it is assigned.
        member_assignment: Bytes, 0;
    }
}
