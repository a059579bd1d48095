//! `Metadata`: brokers, topics and who leads their partitions. Flexible from 9.
use crate::kafka::wire::{Uuid, message};

message! {
    /// Asks for some topics, or for all.
    MetadataRequest {
        /// The topics; `None` for all (an empty list in version 0).
        topics: Option<Vec<MetadataRequestTopic>>, 0;
        /// Whether a topic that is missing may be made.
        allow_auto_topic_creation: bool, 4, or true;
        /// Not used here.
        include_cluster_authorized_operations: bool, 8..=10;
        /// Not used here.
        include_topic_authorized_operations: bool, 8;
    }
}

message! {
    /// A topic by name, or by id.
    MetadataRequestTopic {
        /// The id; zeros when the name says it.
        topic_id: Uuid, 10;
        /// The name; `None` when the id says it.
        name: Option<String>, 0;
    }
}

message! {
    /// The cluster as the broker sees it.
    MetadataResponse {
        /// Always 0.
        throttle_time_ms: i32, 3;
        /// The brokers.
        brokers: Vec<MetadataBroker>, 0;
        /// The cluster's id.
        cluster_id: Option<String>, 2;
        /// The controller's node id.
        controller_id: i32, 1, or -1;
        /// The topics.
        topics: Vec<MetadataTopic>, 0;
        /// Not known.
        cluster_authorized_operations: i32, 8..=10, or i32::MIN;
    }
}

message! {
    /// Where a broker listens.
    MetadataBroker {
        /// Its id.
        node_id: i32, 0;
        /// Its host name or address.
        host: String, 0;
        /// Its port.
        port: i32, 0;
        /// Its rack.
        rack: Option<String>, 1;
    }
}

message! {
    /// A topic.
    MetadataTopic {
        /// What is wrong with it, or 0.
        error_code: i16, 0;
        /// Its name; may be `None` from version 12 only.
        name: Option<String>, 0;
        /// Its id.
        topic_id: Uuid, 10;
        /// Whether it is the broker's own.
        is_internal: bool, 1;
        /// Its partitions.
        partitions: Vec<MetadataPartition>, 0;
        /// Not known.
        topic_authorized_operations: i32, 8, or i32::MIN;
    }
}

message! {
    /// A partition.
    MetadataPartition {
        /// What is wrong with it, or 0.
        error_code: i16, 0;
        /// Its index.
        partition_index: i32, 0;
        /// The leader's node id.
        leader_id: i32, 0;
        /// The leader's epoch.
        leader_epoch: i32, 7, or -1;
        /// The nodes that hold it.
        replica_nodes: Vec<i32>, 0;
        /// The nodes that are in step.
        isr_nodes: Vec<i32>, 0;
        /// The nodes that are down.
        offline_replicas: Vec<i32>, 5;
    }
}
