//! `DeleteGroups`. Flexible from 2.
use crate::kafka::wire::message;

message! {
    /// Groups that are to go, with their offsets.
    DeleteGroupsRequest {
        /// The groups.
        groups_names: Vec<String>, 0;
    }
}

message! {
    /// What became of the groups.
    DeleteGroupsResponse {
        /// Always 0.
        throttle_time_ms: i32, 0;
        /// One for each group.
        results: Vec<DeletableGroupResult>, 0;
    }
}

message! {
    /// What became of a group.
    DeletableGroupResult {
        /// The group.
        group_id: String, 0;
        /// What is wrong, or 0.
        error_code: i16, 0;
    }
}
