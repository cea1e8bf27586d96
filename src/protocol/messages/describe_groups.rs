//! DescribeGroups (key 15), versions 0-6.
//!
//! Describes classic groups and their members.
//!
//! Versions: 3 adds authorised operations; 4 static members; 5 is flexible; 6 answers
//! GROUP_ID_NOT_FOUND where earlier ones describe a dead group.

use bytes::Bytes;

use crate::protocol::{ErrorCode, Str};

api!(DescribeGroups: DescribeGroupsRequest -> DescribeGroupsResponse);

message! {
    DescribeGroupsRequest: versions 0-6, first flexible 5;

    pub struct DescribeGroupsRequest {
        groups: Vec<Str>,
        include_authorized_operations: bool [3+],
    }
}

message! {
    DescribeGroupsResponse: versions 0-6, first flexible 5;

    pub struct DescribeGroupsResponse {
        throttle_time_ms: i32 [1+],
        groups: Vec<DescribedGroup>,
    }

    pub struct DescribedGroup {
        error_code: ErrorCode,
        error_message: Option<Str> [6+],
        group_id: Str,
        group_state: Str,
        protocol_type: Str,
        protocol_data: Str,
        members: Vec<DescribedGroupMember>,
        authorized_operations: i32 [3+] = i32::MIN,
    }

    pub struct DescribedGroupMember {
        member_id: Str,
        group_instance_id: Option<Str> [4+],
        client_id: Str,
        client_host: Str,
        member_metadata: Bytes,
        member_assignment: Bytes,
    }
}
