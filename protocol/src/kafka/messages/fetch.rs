//! `Fetch`: record batches from an offset on. Flexible from 12; topics by id from 13.
use crate::kafka::wire::{Records, Uuid, message};

message! {
    /// Asks for records.
    FetchRequest {
        /// -1 for a consumer.
        replica_id: i32, 0..=14, or -1;
        /// How long to wait for `min_bytes`, in milliseconds.
        max_wait_ms: i32, 0;
        /// Answer as soon as there is so much.
        min_bytes: i32, 0;
        /// Not more than this in all, but at least one batch.
        max_bytes: i32, 3, or i32::MAX;
        /// 1: committed transactions only.
        isolation_level: i8, 4;
        /// The fetch session, or 0.
        session_id: i32, 7;
        /// The request's place in the session, or -1.
        session_epoch: i32, 7, or -1;
        /// What to fetch.
        topics: Vec<FetchTopic>, 0;
        /// What to take out of the session.
        forgotten_topics_data: Vec<ForgottenTopic>, 7;
        /// The consumer's rack.
        rack_id: String, 11;
    }
}

message! {
    /// What to fetch of one topic.
    FetchTopic {
        /// The topic's name.
        topic: String, 0..=12;
        /// The topic's id.
        topic_id: Uuid, 13;
        /// The partitions.
        partitions: Vec<FetchPartition>, 0;
    }
}

message! {
    /// What to fetch of one partition.
    FetchPartition {
        /// The partition.
        partition: i32, 0;
        /// The leader epoch that the consumer knows, or -1.
        current_leader_epoch: i32, 9, or -1;
        /// The first offset wanted.
        fetch_offset: i64, 0;
        /// The epoch of the last record the consumer has, or -1.
        last_fetched_epoch: i32, 12, or -1;
        /// A follower's log start, or -1.
        log_start_offset: i64, 5, or -1;
        /// Not more than this of the partition, but at least one batch.
        partition_max_bytes: i32, 0;
    }
}

message! {
    /// Partitions to take out of a session.
    ForgottenTopic {
        /// The topic's name.
        topic: String, 7..=12;
        /// The topic's id.
        topic_id: Uuid, 13;
        /// The partitions.
        partitions: Vec<i32>, 7;
    }
}

message! {
    /// Records.
    FetchResponse {
        /// Always 0.
        throttle_time_ms: i32, 1;
        /// What is wrong with the whole request, or 0.
        error_code: i16, 7;
        /// The session, or 0.
        session_id: i32, 7;
        /// By topic.
        responses: Vec<FetchTopicResponse>, 0;
    }
}

message! {
    /// Records of a topic.
    FetchTopicResponse {
        /// The topic's name.
        topic: String, 0..=12;
        /// The topic's id.
        topic_id: Uuid, 13;
        /// By partition.
        partitions: Vec<FetchPartitionResponse>, 0;
    }
}

message! {
    /// Records of a partition.
    FetchPartitionResponse {
        /// The partition.
        partition_index: i32, 0;
        /// What is wrong, or 0.
        error_code: i16, 0;
        /// The offset behind the last durable record.
        high_watermark: i64, 0, or -1;
        /// The offset behind the last record that no open transaction holds back.
        last_stable_offset: i64, 4, or -1;
        /// The partition's first offset.
        log_start_offset: i64, 5, or -1;
        /// Transactions to leave out.
        aborted_transactions: Option<Vec<AbortedTransaction>>, 4;
        /// The node to fetch from instead, or -1.
        preferred_read_replica: i32, 11, or -1;
        /// Whole batches.
        records: Records, 0;
    }
}

message! {
    /// A transaction whose records are to be left out.
    AbortedTransaction {
        /// Its producer.
        producer_id: i64, 4;
        /// Its first offset.
        first_offset: i64, 4;
    }
}
