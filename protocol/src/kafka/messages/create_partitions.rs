//! `CreatePartitions`: more partitions for topics. Flexible from 2.
use crate::kafka::wire::message;

message! {
    /// Topics that are to have more partitions.
    CreatePartitionsRequest {
        /// The topics.
        topics: Vec<CreatePartitionsTopic>, 0;
        /// How long the client will wait, in milliseconds.
        timeout_ms: i32, 0;
        /// Only say whether it could be done.
        validate_only: bool, 0;
    }
}

message! {
    /// A topic that is to have more partitions.
    CreatePartitionsTopic {
        /// The topic.
        name: String, 0;
        /// How many it is to have then.
        count: i32, 0;
        /// The nodes of each new partition; `None` to leave it to the broker.
        assignments: Option<Vec<CreatePartitionsAssignment>>, 0;
    }
}

message! {
    /// The nodes of a new partition.
    CreatePartitionsAssignment {
        /// The nodes.
        broker_ids: Vec<i32>, 0;
    }
}

message! {
    /// What became of the topics.
    CreatePartitionsResponse {
        /// Always 0.
        throttle_time_ms: i32, 0;
        /// One for each topic.
        results: Vec<CreatePartitionsTopicResult>, 0;
    }
}

message! {
    /// What became of a topic.
    CreatePartitionsTopicResult {
        /// The topic.
        name: String, 0;
        /// What is wrong, or 0.
        error_code: i16, 0;
        /// The same in words.
        error_message: Option<String>, 0;
    }
}
