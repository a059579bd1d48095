//! `DescribeLogDirs`: what partitions take on disk. Flexible from 2.
//!
//! **References.** KIP-827 (the size of the disk, version 4).
use crate::kafka::wire::message;

message! {
    /// Asks for sizes.
    DescribeLogDirsRequest {
        /// The partitions; `None` for all.
        topics: Option<Vec<DescribableLogDirTopic>>, 1;
    }
}

message! {
    /// Partitions of one topic.
    DescribableLogDirTopic {
        /// The topic.
        topic: String, 1;
        /// The partitions.
        partitions: Vec<i32>, 1;
    }
}

message! {
    /// Sizes.
    DescribeLogDirsResponse {
        /// Always 0.
        throttle_time_ms: i32, 1;
        /// What is wrong with the whole request, or 0.
        error_code: i16, 3;
        /// By log directory.
        results: Vec<DescribeLogDirsResult>, 1;
    }
}

message! {
    /// What is in one log directory.
    DescribeLogDirsResult {
        /// What is wrong, or 0.
        error_code: i16, 1;
        /// The directory's absolute path.
        log_dir: String, 1;
        /// By topic.
        topics: Vec<DescribeLogDirsTopic>, 1;
        /// The size of the disk in bytes, or -1.
        total_bytes: i64, 4, or -1;
        /// What is free of it in bytes, or -1.
        usable_bytes: i64, 4, or -1;
    }
}

message! {
    /// Partitions of one topic.
    DescribeLogDirsTopic {
        /// The topic.
        name: String, 1;
        /// By partition.
        partitions: Vec<DescribeLogDirsPartition>, 1;
    }
}

message! {
    /// One partition.
    DescribeLogDirsPartition {
        /// The partition.
        partition_index: i32, 1;
        /// What it takes, in bytes.
        partition_size: i64, 1;
        /// How many records it is behind.
        offset_lag: i64, 1;
        /// Whether it is to take the place of another copy.
        is_future_key: bool, 1;
    }
}
