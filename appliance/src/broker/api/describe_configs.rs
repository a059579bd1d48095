//! `DescribeConfigs`: the settings of topics and of the broker.
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};

use crate::broker::context::{Context, NODE_ID};
use crate::broker::resource::{self, Refused, Shown, Source};

/// Answers for each resource.
#[must_use]
pub fn respond(context: &Context, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let (synonyms, documentation) = (request.include_synonyms, request.include_documentation);
    let result = |resource: DescribeConfigsResource| {
        let (configs, told) = match shown(context, &resource) {
            Ok(shown) => {
                let shown = shown.into_iter().filter(|shown| is_wanted(&resource, shown));
                (shown.map(|shown| told(shown, synonyms, documentation)).collect(), Ok(()))
            }
            Err(refused) => (Vec::new(), Err(refused)),
        };
        let (error_code, error_message) = resource::told(told);
        DescribeConfigsResult {
            error_code,
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            configs,
        }
    };
    let results = request.resources.into_iter().map(result).collect();
    DescribeConfigsResponse { throttle_time_ms: 0, results }
}

fn shown(context: &Context, wanted: &DescribeConfigsResource) -> Result<Vec<Shown>, Refused> {
    let name = wanted.resource_name.as_str();
    match wanted.resource_type {
        resource::TOPIC => {
            let topic = resource::topic(context, name)?;
            Ok(resource::of_topic(&topic.made.settings, &context.config))
        }
        // Without a name it is what all brokers have in common: nothing was set there.
        resource::BROKER if name.is_empty() => Ok(Vec::new()),
        resource::BROKER if name == NODE_ID.to_string() => Ok(resource::of_broker(&context.config)),
        resource::BROKER => {
            let words = format!("Unexpected broker id, expected {NODE_ID}, but received {name}");
            Err((KafkaCode::InvalidRequest, words))
        }
        kind => Err(resource::unknown(kind)),
    }
}

fn is_wanted(resource: &DescribeConfigsResource, shown: &Shown) -> bool {
    let keys = resource.configuration_keys.as_ref();
    keys.is_none_or(|keys| keys.is_empty() || keys.iter().any(|key| key == shown.name))
}

fn told(shown: Shown, synonyms: bool, documentation: bool) -> DescribeConfigsResourceResult {
    let synonym = |name: &str, value: &str, source: Source| DescribeConfigsSynonym {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        source: source as i8,
    };
    let mut known = Vec::new();
    if synonyms && shown.source != Source::Default {
        known.push(synonym(shown.name, &shown.value, shown.source));
    }
    if let (true, Some(name)) = (synonyms, shown.default_name) {
        known.push(synonym(name, &shown.default, Source::Default));
    }
    DescribeConfigsResourceResult {
        name: shown.name.to_owned(),
        read_only: shown.read_only,
        config_source: shown.source as i8,
        is_sensitive: false,
        synonyms: known,
        config_type: shown.kind,
        documentation: documentation.then(|| shown.documentation.to_owned()),
        value: Some(shown.value),
    }
}
