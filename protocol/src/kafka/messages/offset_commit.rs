//! `OffsetCommit`: a group's progress. Flexible from 8.
use crate::kafka::wire::message;

message! {
    /// Offsets to keep.
    OffsetCommitRequest {
        /// The group.
        group_id: String, 0;
        /// The member's generation; -1 without membership.
        generation_id_or_member_epoch: i32, 1, or -1;
        /// The member; empty without membership.
        member_id: String, 1;
        /// The static member's name.
        group_instance_id: Option<String>, 7;
        /// How long to keep them, in milliseconds; -1 for the broker's default.
        retention_time_ms: i64, 2..=4, or -1;
        /// The offsets.
        topics: Vec<OffsetCommitTopic>, 0;
    }
}

message! {
    /// Offsets of one topic.
    OffsetCommitTopic {
        /// The topic.
        name: String, 0;
        /// The offsets.
        partitions: Vec<OffsetCommitPartition>, 0;
    }
}

message! {
    /// The offset of one partition.
    OffsetCommitPartition {
        /// The partition.
        partition_index: i32, 0;
        /// The next offset to consume.
        committed_offset: i64, 0;
        /// The leader epoch of the last consumed record, or -1.
        committed_leader_epoch: i32, 6, or -1;
        /// The client's own words.
        committed_metadata: Option<String>, 0;
    }
}

message! {
    /// What became of the offsets.
    OffsetCommitResponse {
        /// Always 0.
        throttle_time_ms: i32, 3;
        /// By topic.
        topics: Vec<OffsetCommitTopicResponse>, 0;
    }
}

message! {
    /// What became of a topic's offsets.
    OffsetCommitTopicResponse {
        /// The topic.
        name: String, 0;
        /// By partition.
        partitions: Vec<OffsetCommitPartitionResponse>, 0;
    }
}

message! {
    /// What became of a partition's offset.
    OffsetCommitPartitionResponse {
        /// The partition.
        partition_index: i32, 0;
        /// What is wrong, or 0.
        error_code: i16, 0;
    }
}
