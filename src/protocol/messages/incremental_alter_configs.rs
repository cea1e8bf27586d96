//! IncrementalAlterConfigs (key 44), versions 0-1.
//!
//! Sets, deletes, appends to and subtracts from single configs of a resource.

use crate::protocol::{ErrorCode, Str};

api!(IncrementalAlterConfigs: IncrementalAlterConfigsRequest -> IncrementalAlterConfigsResponse);

message! {
    IncrementalAlterConfigsRequest: versions 0-1, first flexible 1;

    pub struct IncrementalAlterConfigsRequest {
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
        /// 0 set, 1 delete, 2 append, 3 subtract.
        config_operation: i8,
        value: Option<Str>,
    }
}

message! {
    IncrementalAlterConfigsResponse: versions 0-1, first flexible 1;

    pub struct IncrementalAlterConfigsResponse {
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
