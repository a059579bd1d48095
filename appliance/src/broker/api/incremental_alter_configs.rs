//! `IncrementalAlterConfigs`: changes single settings of topics.
//!
//! **References.** KIP-339.
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

use crate::broker::context::Context;
use crate::broker::resource::{self, Refused};
use crate::broker::store::writer::Command;
use crate::core::log::settings::{Kind, Setting, TopicSettings};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Answers for each resource when its settings are durable.
pub async fn respond(
    context: &Context,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut response = IncrementalAlterConfigsResponse::default();
    for resource in request.resources {
        let altered = alter(context, &resource, request.validate_only).await;
        let (error_code, error_message) = resource::told(altered);
        response.responses.push(AlterConfigsResourceResponse {
            error_code,
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        });
    }
    response
}

async fn alter(
    context: &Context,
    wanted: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refused> {
    // One change after the other, from what is read to what is durable.
    let _changing = context.changing_settings.lock().await;
    let topic = resource::alterable(context, wanted.resource_type, &wanted.resource_name)?;
    let mut settings = topic.made.settings.clone();
    for setting in &wanted.configs {
        let value = setting.value.as_deref();
        change(&mut settings, setting.config_operation, &setting.name, value)?;
    }
    if validate_only {
        return Ok(());
    }
    let name = topic.made.name.clone();
    let failed = |code| (code, "the settings could not be stored".to_owned());
    context.execute(Command::SetTopicSettings { name, settings }).await.map_err(failed)
}

fn change(
    settings: &mut TopicSettings,
    operation: i8,
    name: &str,
    value: Option<&str>,
) -> Result<(), Refused> {
    let is_list = Setting::named(name).is_some_and(|setting| setting.kind == Kind::List);
    let invalid = |words: String| Err((KafkaCode::InvalidConfig, words));
    let wanted = match (operation, value) {
        (SET, None) => return invalid(format!("Null value not supported for : {name}")),
        (SET, value) => value,
        (DELETE, _) => None,
        (APPEND | SUBTRACT, _) if !is_list => {
            return invalid(format!("Can't append or subtract to config {name}: it is no list"));
        }
        // The one list has one word: adding it changes nothing, and without it there is none.
        (APPEND, value) => value,
        (SUBTRACT, value) => {
            let holds = settings.explicit(name).map(str::to_owned);
            let holds = holds.or_else(|| Setting::named(name).map(Setting::default_text));
            if value.map(str::to_owned) == holds {
                return invalid(format!("Nothing would be left of {name}"));
            }
            return Ok(());
        }
        (operation, _) => {
            let words = format!("Unknown operation {operation} for {name}");
            return Err((KafkaCode::InvalidRequest, words));
        }
    };
    settings.set(name, wanted).map_err(|error| resource::invalid(&error))
}
