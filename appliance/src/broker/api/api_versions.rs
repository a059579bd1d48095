//! `ApiVersions`: the table.
use pagi_protocol::kafka::api::{APIS, Api, ApiKey};
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::api_versions::{ApiVersion, ApiVersionsResponse};

/// Everything that is spoken.
#[must_use]
pub fn respond() -> ApiVersionsResponse {
    let api_keys = APIS.iter().map(range).collect();
    ApiVersionsResponse { api_keys, ..ApiVersionsResponse::default() }
}

/// The answer to a version that is not understood, to be written in version 0: the client then
/// asks again in one that is (KIP-511).
#[must_use]
pub fn refuse() -> ApiVersionsResponse {
    ApiVersionsResponse {
        error_code: KafkaCode::UnsupportedVersion.number(),
        api_keys: vec![range(&ApiKey::ApiVersions.api())],
        ..ApiVersionsResponse::default()
    }
}

const fn range(api: &Api) -> ApiVersion {
    ApiVersion { api_key: api.number, min_version: api.min_version, max_version: api.max_version }
}
