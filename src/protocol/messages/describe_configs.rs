//! DescribeConfigs (key 32), versions 1-4.
//!
//! Tells configs with their sources, synonyms and documentation.

use crate::protocol::{ErrorCode, Str};

api!(DescribeConfigs: DescribeConfigsRequest -> DescribeConfigsResponse);

message! {
    DescribeConfigsRequest: versions 1-4, first flexible 4;

    pub struct DescribeConfigsRequest {
        resources: Vec<DescribeConfigsResource>,
        include_synonyms: bool,
        include_documentation: bool [3+],
    }

    pub struct DescribeConfigsResource {
        resource_type: i8,
        resource_name: Str,
        configuration_keys: Option<Vec<Str>>,
    }
}

message! {
    DescribeConfigsResponse: versions 1-4, first flexible 4;

    pub struct DescribeConfigsResponse {
        throttle_time_ms: i32,
        results: Vec<DescribeConfigsResult>,
    }

    pub struct DescribeConfigsResult {
        error_code: ErrorCode,
        error_message: Option<Str>,
        resource_type: i8,
        resource_name: Str,
        configs: Vec<DescribeConfigsResourceResult>,
    }

    pub struct DescribeConfigsResourceResult {
        name: Str,
        value: Option<Str>,
        read_only: bool,
        config_source: i8 = -1,
        is_sensitive: bool,
        synonyms: Vec<DescribeConfigsSynonym>,
        config_type: i8 [3+],
        documentation: Option<Str> [3+],
    }

    pub struct DescribeConfigsSynonym {
        name: Str,
        value: Option<Str>,
        source: i8,
    }
}
