//! `ListOffsets`: offsets by time. Flexible from 6.
//!
//! **References.** KIP-734 (-3, version 7), KIP-405 (-4, version 8), KIP-1005 (-5, version 9),
//! KIP-1075 (the timeout, version 10).
use crate::kafka::wire::message;

message! {
    /// Asks for offsets.
    ListOffsetsRequest {
        /// -1 for a consumer.
        replica_id: i32, 0, or -1;
        /// 1: committed transactions only.
        isolation_level: i8, 2;
        /// What to look up.
        topics: Vec<ListOffsetsTopic>, 0;
        /// How long the client will wait, in milliseconds.
        timeout_ms: i32, 10;
    }
}

message! {
    /// What to look up of one topic.
    ListOffsetsTopic {
        /// The topic.
        name: String, 0;
        /// The partitions.
        partitions: Vec<ListOffsetsPartition>, 0;
    }
}

message! {
    /// What to look up of one partition.
    ListOffsetsPartition {
        /// The partition.
        partition_index: i32, 0;
        /// The leader epoch that the client knows, or -1.
        current_leader_epoch: i32, 4, or -1;
        /// Milliseconds since 1970; -1 latest, -2 earliest, -3 of the largest timestamp, -4
        /// earliest on this disk, -5 latest in other storage.
        timestamp: i64, 0;
    }
}

message! {
    /// Offsets.
    ListOffsetsResponse {
        /// Always 0.
        throttle_time_ms: i32, 2;
        /// By topic.
        topics: Vec<ListOffsetsTopicResponse>, 0;
    }
}

message! {
    /// Offsets of a topic.
    ListOffsetsTopicResponse {
        /// The topic.
        name: String, 0;
        /// By partition.
        partitions: Vec<ListOffsetsPartitionResponse>, 0;
    }
}

message! {
    /// The offset of a partition.
    ListOffsetsPartitionResponse {
        /// The partition.
        partition_index: i32, 0;
        /// What is wrong, or 0.
        error_code: i16, 0;
        /// The found record's timestamp, or -1.
        timestamp: i64, 1, or -1;
        /// The found offset, or -1.
        offset: i64, 1, or -1;
        /// The leader epoch, or -1.
        leader_epoch: i32, 4, or -1;
    }
}
