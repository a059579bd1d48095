//! `CreateTopics`. Flexible from 5.
use crate::kafka::wire::{Uuid, message};

message! {
    /// Topics to make.
    CreateTopicsRequest {
        /// The topics.
        topics: Vec<CreatableTopic>, 0;
        /// How long the client will wait, in milliseconds.
        timeout_ms: i32, 0, or 60_000;
        /// Only say whether it could be done.
        validate_only: bool, 1;
    }
}

message! {
    /// A topic to make.
    CreatableTopic {
        /// Its name.
        name: String, 0;
        /// How many partitions, or -1 for the broker's default.
        num_partitions: i32, 0;
        /// How many replicas, or -1 for the broker's default.
        replication_factor: i16, 0;
        /// Which nodes hold which partition.
        assignments: Vec<CreatableReplicaAssignment>, 0;
        /// Its settings.
        configs: Vec<CreatableTopicConfig>, 0;
    }
}

message! {
    /// The nodes of a partition.
    CreatableReplicaAssignment {
        /// The partition.
        partition_index: i32, 0;
        /// The nodes.
        broker_ids: Vec<i32>, 0;
    }
}

message! {
    /// A setting.
    CreatableTopicConfig {
        /// Its name.
        name: String, 0;
        /// Its value.
        value: Option<String>, 0;
    }
}

message! {
    /// What became of the topics.
    CreateTopicsResponse {
        /// Always 0.
        throttle_time_ms: i32, 2;
        /// One for each topic.
        topics: Vec<CreatableTopicResult>, 0;
    }
}

message! {
    /// What became of a topic.
    CreatableTopicResult {
        /// Its name.
        name: String, 0;
        /// Its id.
        topic_id: Uuid, 7;
        /// Why it was not made, or 0.
        error_code: i16, 0;
        /// The same in words.
        error_message: Option<String>, 1;
        /// How many partitions it has, or -1.
        num_partitions: i32, 5, or -1;
        /// How many replicas it has, or -1.
        replication_factor: i16, 5, or -1;
        /// Its settings: never null, Java's admin client fails on that.
        configs: Option<Vec<CreatableTopicConfigs>>, 5, or Some(Vec::new());
    }
}

message! {
    /// A setting of a topic that was made.
    CreatableTopicConfigs {
        /// Its name.
        name: String, 5;
        /// Its value.
        value: Option<String>, 5;
        /// Whether it cannot be changed.
        read_only: bool, 5;
        /// Where the value comes from.
        config_source: i8, 5, or -1;
        /// Whether it is a secret.
        is_sensitive: bool, 5;
    }
}
