//! `OffsetForLeaderEpoch`: where a leader's epoch ended. Flexible from 4.
//!
//! **References.** KIP-320.
use crate::kafka::wire::message;

message! {
    /// Asks for ends.
    OffsetForLeaderEpochRequest {
        /// -1 for a consumer, -2 for a tool.
        replica_id: i32, 3, or -2;
        /// By topic.
        topics: Vec<OffsetForLeaderTopic>, 2;
    }
}

message! {
    /// What is asked of one topic.
    OffsetForLeaderTopic {
        /// The topic.
        topic: String, 2;
        /// By partition.
        partitions: Vec<OffsetForLeaderPartition>, 2;
    }
}

message! {
    /// What is asked of one partition.
    OffsetForLeaderPartition {
        /// The partition.
        partition: i32, 2;
        /// The leader epoch that the client knows, or -1.
        current_leader_epoch: i32, 2, or -1;
        /// The epoch whose end is wanted.
        leader_epoch: i32, 2;
    }
}

message! {
    /// Ends.
    OffsetForLeaderEpochResponse {
        /// Always 0.
        throttle_time_ms: i32, 2;
        /// By topic.
        topics: Vec<OffsetForLeaderTopicResult>, 2;
    }
}

message! {
    /// Ends of one topic.
    OffsetForLeaderTopicResult {
        /// The topic.
        topic: String, 2;
        /// By partition.
        partitions: Vec<EpochEndOffset>, 2;
    }
}

message! {
    /// The end of one partition.
    EpochEndOffset {
        /// What is wrong, or 0.
        error_code: i16, 2;
        /// The partition.
        partition: i32, 2;
        /// The largest epoch up to the one asked for, or -1.
        leader_epoch: i32, 2, or -1;
        /// The offset behind its last record, or -1.
        end_offset: i64, 2, or -1;
    }
}
