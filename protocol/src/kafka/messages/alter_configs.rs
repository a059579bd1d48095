//! `AlterConfigs`: all settings of a resource at once; what is not named falls back to its
//! default. Flexible from 2.
use crate::kafka::wire::message;

message! {
    /// Settings.
    AlterConfigsRequest {
        /// Whose.
        resources: Vec<AlterConfigsResource>, 0;
        /// Only say whether it could be done.
        validate_only: bool, 0;
    }
}

message! {
    /// The settings of one resource.
    AlterConfigsResource {
        /// 2: a topic; 4: a broker.
        resource_type: i8, 0;
        /// The topic's name or the broker's id.
        resource_name: String, 0;
        /// All its settings.
        configs: Vec<AlterableConfig>, 0;
    }
}

message! {
    /// A setting.
    AlterableConfig {
        /// Its name.
        name: String, 0;
        /// Its value.
        value: Option<String>, 0;
    }
}

message! {
    /// What became of the resources.
    AlterConfigsResponse {
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
