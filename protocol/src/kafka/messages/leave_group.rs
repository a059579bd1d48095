//! `LeaveGroup`: members go. Flexible from 4; several members from 3.
//!
//! **References.** KIP-345 (several members, version 3), KIP-800 (reasons, version 5).
use crate::kafka::wire::message;

message! {
    /// Members that go.
    LeaveGroupRequest {
        /// The group.
        group_id: String, 0;
        /// The member.
        member_id: String, 0..=2;
        /// The members.
        members: Vec<MemberIdentity>, 3;
    }
}

message! {
    /// A member that goes.
    MemberIdentity {
        /// Its id; empty when a static member is removed by its name.
        member_id: String, 3;
        /// The static member's name.
        group_instance_id: Option<String>, 3;
        /// Why it goes, in words.
        reason: Option<String>, 5;
    }
}

message! {
    /// What became of the members.
    LeaveGroupResponse {
        /// Always 0.
        throttle_time_ms: i32, 1;
        /// What is wrong with the whole request, or 0.
        error_code: i16, 0;
        /// One for each member of the request.
        members: Vec<MemberResponse>, 3;
    }
}

message! {
    /// What became of a member.
    MemberResponse {
        /// Its id.
        member_id: String, 3;
        /// The static member's name.
        group_instance_id: Option<String>, 3;
        /// What is wrong, or 0.
        error_code: i16, 3;
    }
}
