//! `AlterConfigs`: replaces all settings of topics, as clients without the incremental form do.
use pagi_protocol::kafka::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};

use crate::broker::context::Context;
use crate::broker::resource::{self, Refused};
use crate::broker::store::writer::Command;
use crate::core::log::settings::TopicSettings;

/// Answers for each resource when its settings are durable.
pub async fn respond(context: &Context, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut response = AlterConfigsResponse::default();
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
    let mut settings = TopicSettings::default();
    for setting in &wanted.configs {
        let set = settings.set(&setting.name, setting.value.as_deref());
        set.map_err(|error| resource::invalid(&error))?;
    }
    if validate_only {
        return Ok(());
    }
    let name = topic.made.name.clone();
    let failed = |code| (code, "the settings could not be stored".to_owned());
    context.execute(Command::SetTopicSettings { name, settings }).await.map_err(failed)
}
