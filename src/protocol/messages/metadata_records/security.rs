//! Access control entries, SCRAM credentials, delegation tokens.

use bytes::Bytes;

use crate::model::Uuid;
use crate::protocol::Str;

message! {
    AccessControlEntryRecord: versions 0, first flexible 0;

    /// An access control entry is added.
    pub struct AccessControlEntryRecord {
        id: Uuid,
        resource_type: i8,
        resource_name: Str,
        pattern_type: i8,
        principal: Str,
        host: Str,
        operation: i8,
        permission_type: i8,
    }
}

message! {
    RemoveAccessControlEntryRecord: versions 0, first flexible 0;

    /// An access control entry is removed.
    pub struct RemoveAccessControlEntryRecord {
        id: Uuid,
    }
}

message! {
    UserScramCredentialRecord: versions 0, first flexible 0;

    /// A SCRAM credential is set: what verifies the password, and not the password.
    pub struct UserScramCredentialRecord {
        name: Str,
        mechanism: i8,
        salt: Bytes,
        stored_key: Bytes,
        server_key: Bytes,
        iterations: i32,
    }
}

message! {
    RemoveUserScramCredentialRecord: versions 0, first flexible 0;

    /// A SCRAM credential is removed.
    pub struct RemoveUserScramCredentialRecord {
        name: Str,
        mechanism: i8,
    }
}

message! {
    DelegationTokenRecord: versions 0, first flexible 0;

    /// A delegation token is made or changed.
    pub struct DelegationTokenRecord {
        owner: Str,
        requester: Str,
        renewers: Vec<Str>,
        issue_timestamp: i64,
        max_timestamp: i64,
        expiration_timestamp: i64,
        token_id: Str,
    }
}

message! {
    RemoveDelegationTokenRecord: versions 0, first flexible 0;

    /// A delegation token is removed.
    pub struct RemoveDelegationTokenRecord {
        token_id: Str,
    }
}
