//! `OffsetDelete`: offsets of a group that are to be forgotten. Never flexible.
use crate::kafka::wire::message;

message! {
    /// Offsets to forget.
    OffsetDeleteRequest {
        /// The group.
        group_id: String, 0;
        /// By topic.
        topics: Vec<OffsetDeleteRequestTopic>, 0;
    }
}

message! {
    /// Offsets of one topic.
    OffsetDeleteRequestTopic {
        /// The topic.
        name: String, 0;
        /// By partition.
        partitions: Vec<OffsetDeleteRequestPartition>, 0;
    }
}

message! {
    /// The offset of one partition.
    OffsetDeleteRequestPartition {
        /// The partition.
        partition_index: i32, 0;
    }
}

message! {
    /// What became of the offsets.
    OffsetDeleteResponse {
        /// What is wrong with the whole request, or 0.
        error_code: i16, 0;
        /// Always 0.
        throttle_time_ms: i32, 0;
        /// By topic.
        topics: Vec<OffsetDeleteResponseTopic>, 0;
    }
}

message! {
    /// What became of the offsets of one topic.
    OffsetDeleteResponseTopic {
        /// The topic.
        name: String, 0;
        /// By partition.
        partitions: Vec<OffsetDeleteResponsePartition>, 0;
    }
}

message! {
    /// What became of the offset of one partition.
    OffsetDeleteResponsePartition {
        /// The partition.
        partition_index: i32, 0;
        /// What is wrong, or 0.
        error_code: i16, 0;
    }
}
