//! RemoveRaftVoter (key 81), version 0.
//!
//! Removes a voter from a KRaft quorum (KIP-853).

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(RemoveRaftVoter: RemoveRaftVoterRequest -> RemoveRaftVoterResponse);

message! {
    RemoveRaftVoterRequest: versions 0, first flexible 0;

    pub struct RemoveRaftVoterRequest {
        cluster_id: Option<Str>,
        voter_id: i32,
        voter_directory_id: Uuid,
    }
}

message! {
    RemoveRaftVoterResponse: versions 0, first flexible 0;

    pub struct RemoveRaftVoterResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
