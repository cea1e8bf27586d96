//! DeleteAcls (key 31), versions 1-3.
//!
//! Removes the access control entries that filters match.

use crate::protocol::{ErrorCode, Str};

api!(DeleteAcls: DeleteAclsRequest -> DeleteAclsResponse);

message! {
    DeleteAclsRequest: versions 1-3, first flexible 2;

    pub struct DeleteAclsRequest {
        filters: Vec<DeleteAclsFilter>,
    }

    pub struct DeleteAclsFilter {
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
    DeleteAclsResponse: versions 1-3, first flexible 2;

    pub struct DeleteAclsResponse {
        throttle_time_ms: i32,
        filter_results: Vec<DeleteAclsFilterResult>,
    }

    pub struct DeleteAclsFilterResult {
        error_code: ErrorCode,
        error_message: Option<Str>,
        matching_acls: Vec<DeleteAclsMatchingAcl>,
    }

    pub struct DeleteAclsMatchingAcl {
        error_code: ErrorCode,
        error_message: Option<Str>,
        resource_type: i8,
        resource_name: Str,
        pattern_type: i8 = 3,
        principal: Str,
        host: Str,
        operation: i8,
        permission_type: i8,
    }
}
