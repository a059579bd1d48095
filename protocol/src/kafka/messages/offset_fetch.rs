//! `OffsetFetch`: what a group committed. Flexible from 6; several groups from 8.
use crate::kafka::wire::message;

message! {
    /// Asks for offsets.
    OffsetFetchRequest {
        /// The group.
        group_id: String, 0..=7;
        /// The partitions; `None` for all that have an offset.
        topics: Option<Vec<OffsetFetchTopic>>, 0..=7;
        /// The groups.
        groups: Vec<OffsetFetchGroup>, 8;
        /// Refuse while a transaction is about to change them.
        require_stable: bool, 7;
    }
}

message! {
    /// What is asked of one group.
    OffsetFetchGroup {
        /// The group.
        group_id: String, 8;
        /// The member.
        member_id: Option<String>, 9;
        /// The member's epoch, or -1.
        member_epoch: i32, 9, or -1;
        /// The partitions; `None` for all that have an offset.
        topics: Option<Vec<OffsetFetchTopic>>, 8;
    }
}

message! {
    /// Partitions of one topic.
    OffsetFetchTopic {
        /// The topic.
        name: String, 0;
        /// The partitions.
        partition_indexes: Vec<i32>, 0;
    }
}

message! {
    /// Offsets.
    OffsetFetchResponse {
        /// Always 0.
        throttle_time_ms: i32, 3;
        /// By topic.
        topics: Vec<OffsetFetchTopicResponse>, 0..=7;
        /// What is wrong with the whole request, or 0.
        error_code: i16, 2..=7;
        /// By group.
        groups: Vec<OffsetFetchGroupResponse>, 8;
    }
}

message! {
    /// Offsets of one group.
    OffsetFetchGroupResponse {
        /// The group.
        group_id: String, 8;
        /// By topic.
        topics: Vec<OffsetFetchTopicResponse>, 8;
        /// What is wrong with the group, or 0.
        error_code: i16, 8;
    }
}

message! {
    /// Offsets of one topic.
    OffsetFetchTopicResponse {
        /// The topic.
        name: String, 0;
        /// By partition.
        partitions: Vec<OffsetFetchPartitionResponse>, 0;
    }
}

message! {
    /// The offset of one partition.
    OffsetFetchPartitionResponse {
        /// The partition.
        partition_index: i32, 0;
        /// The next offset to consume, or -1 when none was committed.
        committed_offset: i64, 0, or -1;
        /// The leader epoch that was committed, or -1.
        committed_leader_epoch: i32, 5, or -1;
        /// The client's own words.
        metadata: Option<String>, 0;
        /// What is wrong, or 0.
        error_code: i16, 0;
    }
}
