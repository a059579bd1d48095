//! `DescribeConfigs`: settings, and where they come from. Flexible from 4.
//!
//! **References.** KIP-226 (sources and synonyms, version 1), KIP-569 (types and documentation,
//! version 3).
use crate::kafka::wire::message;

message! {
    /// Asks for settings.
    DescribeConfigsRequest {
        /// Whose.
        resources: Vec<DescribeConfigsResource>, 1;
        /// Whether to say every place that a value could come from.
        include_synonyms: bool, 1;
        /// Whether to say what the settings mean.
        include_documentation: bool, 3;
    }
}

message! {
    /// What has settings.
    DescribeConfigsResource {
        /// 2: a topic; 4: a broker.
        resource_type: i8, 1;
        /// The topic's name or the broker's id.
        resource_name: String, 1;
        /// The settings; `None` for all.
        configuration_keys: Option<Vec<String>>, 1;
    }
}

message! {
    /// The settings.
    DescribeConfigsResponse {
        /// Always 0.
        throttle_time_ms: i32, 1;
        /// One for each resource.
        results: Vec<DescribeConfigsResult>, 1;
    }
}

message! {
    /// The settings of one resource.
    DescribeConfigsResult {
        /// What is wrong, or 0.
        error_code: i16, 1;
        /// The same in words.
        error_message: Option<String>, 1;
        /// 2: a topic; 4: a broker.
        resource_type: i8, 1;
        /// The topic's name or the broker's id.
        resource_name: String, 1;
        /// The settings.
        configs: Vec<DescribeConfigsResourceResult>, 1;
    }
}

message! {
    /// A setting.
    DescribeConfigsResourceResult {
        /// Its name.
        name: String, 1;
        /// Its value.
        value: Option<String>, 1;
        /// Whether it cannot be changed.
        read_only: bool, 1;
        /// Where the value comes from. 1: the topic; 4: the broker's start; 5: the default.
        config_source: i8, 1, or -1;
        /// Whether it is a secret.
        is_sensitive: bool, 1;
        /// Every place that the value could come from, the strongest first.
        synonyms: Vec<DescribeConfigsSynonym>, 1;
        /// 1: boolean; 2: text; 3: 32 bits; 4: 16 bits; 5: 64 bits; 6: floating; 7: a list.
        config_type: i8, 3;
        /// What it means, in words.
        documentation: Option<String>, 3;
    }
}

message! {
    /// A place that a value could come from.
    DescribeConfigsSynonym {
        /// The setting's name there.
        name: String, 1;
        /// The value there.
        value: Option<String>, 1;
        /// Which place, as in [`DescribeConfigsResourceResult::config_source`].
        source: i8, 1;
    }
}
