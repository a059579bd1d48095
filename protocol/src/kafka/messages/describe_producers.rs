//! `DescribeProducers`: who produced to a partition lately. Flexible in all versions.
//!
//! **References.** KIP-664.
use crate::kafka::wire::message;

message! {
    /// Asks for producers.
    DescribeProducersRequest {
        /// By topic.
        topics: Vec<TopicRequest>, 0;
    }
}

message! {
    /// Partitions of one topic.
    TopicRequest {
        /// The topic.
        name: String, 0;
        /// The partitions.
        partition_indexes: Vec<i32>, 0;
    }
}

message! {
    /// Producers.
    DescribeProducersResponse {
        /// Always 0.
        throttle_time_ms: i32, 0;
        /// By topic.
        topics: Vec<TopicResponse>, 0;
    }
}

message! {
    /// Producers to one topic.
    TopicResponse {
        /// The topic.
        name: String, 0;
        /// By partition.
        partitions: Vec<PartitionResponse>, 0;
    }
}

message! {
    /// Producers to one partition.
    PartitionResponse {
        /// The partition.
        partition_index: i32, 0;
        /// What is wrong, or 0.
        error_code: i16, 0;
        /// The same in words.
        error_message: Option<String>, 0;
        /// The producers.
        active_producers: Vec<ProducerState>, 0;
    }
}

message! {
    /// A producer.
    ProducerState {
        /// Its id.
        producer_id: i64, 0;
        /// Its epoch.
        producer_epoch: i32, 0;
        /// The sequence of its last record, or -1.
        last_sequence: i32, 0, or -1;
        /// The time of its last record, in milliseconds since 1970, or -1.
        last_timestamp: i64, 0, or -1;
        /// The epoch of the transaction coordinator, or -1.
        coordinator_epoch: i32, 0;
        /// Where its open transaction begins, or -1.
        current_txn_start_offset: i64, 0, or -1;
    }
}
