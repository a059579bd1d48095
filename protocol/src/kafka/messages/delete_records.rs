//! `DeleteRecords`: records before an offset go. Flexible from 2.
//!
//! **References.** KIP-107.
use crate::kafka::wire::message;

message! {
    /// Records to delete.
    DeleteRecordsRequest {
        /// By topic.
        topics: Vec<DeleteRecordsTopic>, 0;
        /// How long the client will wait, in milliseconds.
        timeout_ms: i32, 0;
    }
}

message! {
    /// Records of one topic.
    DeleteRecordsTopic {
        /// The topic.
        name: String, 0;
        /// By partition.
        partitions: Vec<DeleteRecordsPartition>, 0;
    }
}

message! {
    /// Records of one partition.
    DeleteRecordsPartition {
        /// The partition.
        partition_index: i32, 0;
        /// The first offset that stays; -1 for the high watermark.
        offset: i64, 0;
    }
}

message! {
    /// What became of the records.
    DeleteRecordsResponse {
        /// Always 0.
        throttle_time_ms: i32, 0;
        /// By topic.
        topics: Vec<DeleteRecordsTopicResult>, 0;
    }
}

message! {
    /// What became of the records of one topic.
    DeleteRecordsTopicResult {
        /// The topic.
        name: String, 0;
        /// By partition.
        partitions: Vec<DeleteRecordsPartitionResult>, 0;
    }
}

message! {
    /// What became of the records of one partition.
    DeleteRecordsPartitionResult {
        /// The partition.
        partition_index: i32, 0;
        /// The partition's first offset now, or -1.
        low_watermark: i64, 0;
        /// What is wrong, or 0.
        error_code: i16, 0;
    }
}
