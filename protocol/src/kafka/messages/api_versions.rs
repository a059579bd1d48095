//! `ApiVersions`: what the broker can do. Flexible from 3, but the response header never is.
use crate::kafka::wire::message;

message! {
    /// Asks for the ranges.
    ApiVersionsRequest {
        /// The client's name.
        client_software_name: String, 3;
        /// The client's version.
        client_software_version: String, 3;
    }
}

message! {
    /// The ranges. No tagged field is ever written: librdkafka below 2.2 misreads them.
    ApiVersionsResponse {
        /// Whether the version was understood.
        error_code: i16, 0;
        /// One range for each API.
        api_keys: Vec<ApiVersion>, 0;
        /// Always 0.
        throttle_time_ms: i32, 1;
    }
}

message! {
    /// The versions of one API.
    ApiVersion {
        /// Which API.
        api_key: i16, 0;
        /// The lowest version.
        min_version: i16, 0;
        /// The highest version.
        max_version: i16, 0;
    }
}
