//! CreateAcls (key 30), versions 1-3.
//!
//! Adds access control entries.

use crate::protocol::{ErrorCode, Str};

api!(CreateAcls: CreateAclsRequest -> CreateAclsResponse);

message! {
    CreateAclsRequest: versions 1-3, first flexible 2;

    pub struct CreateAclsRequest {
        creations: Vec<AclCreation>,
    }

    pub struct AclCreation {
        resource_type: i8,
        resource_name: Str,
        resource_pattern_type: i8 = 3,
        principal: Str,
        host: Str,
        operation: i8,
        permission_type: i8,
    }
}

message! {
    CreateAclsResponse: versions 1-3, first flexible 2;

    pub struct CreateAclsResponse {
        throttle_time_ms: i32,
        results: Vec<AclCreationResult>,
    }

    pub struct AclCreationResult {
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
