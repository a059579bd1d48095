//! `IncrementalAlterConfigs`: some settings of a resource; the others stay. Flexible from 1.
//!
//! **References.** KIP-339.
use crate::kafka::wire::message;

message! {
    /// Changes of settings.
    IncrementalAlterConfigsRequest {
        /// Whose.
        resources: Vec<AlterConfigsResource>, 0;
        /// Only say whether it could be done.
        validate_only: bool, 0;
    }
}

message! {
    /// Changes of one resource's settings.
    AlterConfigsResource {
        /// 2: a topic; 4: a broker.
        resource_type: i8, 0;
        /// The topic's name or the broker's id.
        resource_name: String, 0;
        /// The changes.
        configs: Vec<AlterableConfig>, 0;
    }
}

message! {
    /// A change of a setting.
    AlterableConfig {
        /// The setting's name.
        name: String, 0;
        /// 0: set; 1: back to the default; 2: add to a list; 3: take out of a list.
        config_operation: i8, 0;
        /// The value.
        value: Option<String>, 0;
    }
}

message! {
    /// What became of the resources.
    IncrementalAlterConfigsResponse {
        /// Always 0.
        throttle_time_ms: i32, 0;
        /// One for each resource.
        responses: Vec<AlterConfigsResourceResponse>, 0;
    }
}

message! {
    /// What became of one resource.
    AlterConfigsResourceResponse {
        /// What is wrong, or 0.
        error_code: i16, 0;
        /// The same in words.
        error_message: Option<String>, 0;
        /// 2: a topic; 4: a broker.
        resource_type: i8, 0;
        /// The topic's name or the broker's id.
        resource_name: String, 0;
    }
}
