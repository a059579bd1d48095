//! `DescribeCluster`: brokers and the controller. Flexible in all versions.
//!
//! **References.** KIP-700, KIP-919 (types of endpoints, version 1), KIP-1073 (fenced brokers,
//! version 2).
use crate::kafka::wire::message;

message! {
    /// Asks for the cluster.
    DescribeClusterRequest {
        /// Whether to say what the client may do.
        include_cluster_authorized_operations: bool, 0;
        /// 1: brokers; 2: controllers.
        endpoint_type: i8, 1, or 1;
        /// Whether to list brokers that are not let in.
        include_fenced_brokers: bool, 2;
    }
}

message! {
    /// The cluster.
    DescribeClusterResponse {
        /// Always 0.
        throttle_time_ms: i32, 0;
        /// What is wrong, or 0.
        error_code: i16, 0;
        /// The same in words.
        error_message: Option<String>, 0;
        /// 1: brokers; 2: controllers.
        endpoint_type: i8, 1, or 1;
        /// The cluster's id.
        cluster_id: String, 0;
        /// The controller's node id.
        controller_id: i32, 0, or -1;
        /// The brokers.
        brokers: Vec<DescribeClusterBroker>, 0;
        /// Not known.
        cluster_authorized_operations: i32, 0, or i32::MIN;
    }
}

message! {
    /// A broker.
    DescribeClusterBroker {
        /// Its id.
        broker_id: i32, 0;
        /// Its host name or address.
        host: String, 0;
        /// Its port.
        port: i32, 0;
        /// Its rack.
        rack: Option<String>, 0;
        /// Whether it is not let in.
        is_fenced: bool, 2;
    }
}
