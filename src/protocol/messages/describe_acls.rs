//! DescribeAcls (key 29), versions 1-3.
//!
//! Lists the access control entries that a filter matches.

use crate::protocol::{ErrorCode, Str};

api!(DescribeAcls: DescribeAclsRequest -> DescribeAclsResponse);

message! {
    DescribeAclsRequest: versions 1-3, first flexible 2;

    pub struct DescribeAclsRequest {
        resource_type_filter: i8,
        resource_name_filter: Option<Str>,
        pattern_type_filter: i8 = 3,
        principal_filter: Option<Str>,
        host_filter: Option<Str>,
        operation: i8,
        permission_type: i8,
    }
}

message! {
    DescribeAclsResponse: versions 1-3, first flexible 2;

    pub struct DescribeAclsResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
        resources: Vec<DescribeAclsResource>,
    }

    pub struct DescribeAclsResource {
        resource_type: i8,
        resource_name: Str,
        pattern_type: i8 = 3,
        acls: Vec<AclDescription>,
    }

    pub struct AclDescription {
        principal: Str,
        host: Str,
        operation: i8,
        permission_type: i8,
    }
}
