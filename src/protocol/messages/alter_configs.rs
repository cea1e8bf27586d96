//! AlterConfigs (key 33), versions 0-2.
//!
//! Replaces all configs of a resource; superseded by IncrementalAlterConfigs.

use crate::protocol::{ErrorCode, Str};

api!(AlterConfigs: AlterConfigsRequest -> AlterConfigsResponse);

message! {
    AlterConfigsRequest: versions 0-2, first flexible 2;

    pub struct AlterConfigsRequest {
        resources: Vec<AlterConfigsResource>,
        validate_only: bool,
    }

    pub struct AlterConfigsResource {
        resource_type: i8,
        resource_name: Str,
        configs: Vec<AlterableConfig>,
    }

    pub struct AlterableConfig {
        name: Str,
        value: Option<Str>,
    }
}

message! {
    AlterConfigsResponse: versions 0-2, first flexible 2;

    pub struct AlterConfigsResponse {
        throttle_time_ms: i32,
        responses: Vec<AlterConfigsResourceResponse>,
    }

    pub struct AlterConfigsResourceResponse {
        error_code: ErrorCode,
        error_message: Option<Str>,
        resource_type: i8,
        resource_name: Str,
    }
}
