//! AddRaftVoter (key 80), versions 0-1.
//!
//! Adds a voter to a KRaft quorum (KIP-853).
//!
//! Versions: 1 can ask for an answer only when the change is committed.

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(AddRaftVoter: AddRaftVoterRequest -> AddRaftVoterResponse);

message! {
    AddRaftVoterRequest: versions 0-1, first flexible 0;

    pub struct AddRaftVoterRequest {
        cluster_id: Option<Str>,
        timeout_ms: i32,
        voter_id: i32,
        voter_directory_id: Uuid,
        listeners: Vec<Listener>,
        ack_when_committed: bool [1+] = true,
    }

    pub struct Listener {
        name: Str,
        host: Str,
        port: u16,
    }
}

message! {
    AddRaftVoterResponse: versions 0-1, first flexible 0;

    pub struct AddRaftVoterResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
