//! ListConfigResources (key 74), versions 0-1.
//!
//! Lists the resources that have configs, by type.
//!
//! Versions: 0 lists client metrics only; 1 any type (KIP-1142).

use crate::protocol::{ErrorCode, Str};

api!(ListConfigResources: ListConfigResourcesRequest -> ListConfigResourcesResponse);

message! {
    ListConfigResourcesRequest: versions 0-1, first flexible 0;

    pub struct ListConfigResourcesRequest {
        resource_types: Vec<i8> [1+],
    }
}

message! {
    ListConfigResourcesResponse: versions 0-1, first flexible 0;

    pub struct ListConfigResourcesResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        config_resources: Vec<ConfigResource>,
    }

    pub struct ConfigResource {
        resource_name: Str,
        resource_type: i8 [1+] = 16,
    }
}
