//! Classic groups: one record holds a whole group with its members.

use bytes::Bytes;

use crate::protocol::Str;

message! {
    GroupMetadataKey: versions 0, first flexible never;

    pub struct GroupMetadataKey {
        group: Str,
    }
}

message! {
    GroupMetadataValue: versions 0-4, first flexible 4;

    pub struct GroupMetadataValue {
        protocol_type: Str,
        generation: i32,
        protocol: Option<Str>,
        leader: Option<Str>,
        current_state_timestamp: i64 [2+] = -1,
        members: Vec<MemberMetadata>,
    }

    pub struct MemberMetadata {
        member_id: Str,
        group_instance_id: Option<Str> [3+],
        client_id: Str,
        client_host: Str,
        rebalance_timeout: i32 [1+] = -1,
        session_timeout: i32,
        subscription: Bytes,
        assignment: Bytes,
    }
}
