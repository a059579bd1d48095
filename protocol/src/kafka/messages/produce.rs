//! `Produce`: record batches to append. Flexible from 9.
use bytes::Bytes;

use crate::kafka::wire::message;

message! {
    /// Batches for some partitions.
    ProduceRequest {
        /// The transaction, if there is one.
        transactional_id: Option<String>, 3;
        /// 0: no answer; 1 and -1: answer when it is stored.
        acks: i16, 0;
        /// How long the client will wait, in milliseconds.
        timeout_ms: i32, 0;
        /// The batches, by topic.
        topic_data: Vec<ProduceTopic>, 0;
    }
}

message! {
    /// Batches for one topic.
    ProduceTopic {
        /// The topic.
        name: String, 0;
        /// The batches, by partition.
        partition_data: Vec<ProducePartition>, 0;
    }
}

message! {
    /// Batches for one partition.
    ProducePartition {
        /// The partition.
        index: i32, 0;
        /// The batches.
        records: Option<Bytes>, 0;
    }
}

message! {
    /// What became of the batches.
    ProduceResponse {
        /// By topic.
        responses: Vec<ProduceTopicResponse>, 0;
        /// Always 0.
        throttle_time_ms: i32, 1;
    }
}

message! {
    /// What became of a topic's batches.
    ProduceTopicResponse {
        /// The topic.
        name: String, 0;
        /// By partition.
        partition_responses: Vec<ProducePartitionResponse>, 0;
    }
}

message! {
    /// What became of a partition's batches.
    ProducePartitionResponse {
        /// The partition.
        index: i32, 0;
        /// Why nothing was stored, or 0.
        error_code: i16, 0;
        /// The offset of the first record, or -1.
        base_offset: i64, 0, or -1;
        /// The broker's timestamp when it sets one, or -1.
        log_append_time_ms: i64, 2, or -1;
        /// The partition's first offset.
        log_start_offset: i64, 5, or -1;
        /// Records that made the batch be refused.
        record_errors: Vec<BatchIndexError>, 8;
        /// Why nothing was stored, in words.
        error_message: Option<String>, 8;
    }
}

message! {
    /// A record that made its batch be refused.
    BatchIndexError {
        /// The record's index.
        batch_index: i32, 0;
        /// Why.
        batch_index_error_message: Option<String>, 0;
    }
}
