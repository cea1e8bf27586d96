//! UpdateRaftVoter (key 82), version 0.
//!
//! A voter tells the leader of its quorum its endpoints and versions (KIP-853).

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(UpdateRaftVoter: UpdateRaftVoterRequest -> UpdateRaftVoterResponse);

message! {
    UpdateRaftVoterRequest: versions 0, first flexible 0;

    pub struct UpdateRaftVoterRequest {
        cluster_id: Option<Str>,
        current_leader_epoch: i32,
        voter_id: i32,
        voter_directory_id: Uuid,
        listeners: Vec<Listener>,
        kraft_version_feature: KRaftVersionFeature,
    }

    pub struct Listener {
        name: Str,
        host: Str,
        port: u16,
    }

    pub struct KRaftVersionFeature {
        min_supported_version: i16,
        max_supported_version: i16,
    }
}

message! {
    UpdateRaftVoterResponse: versions 0, first flexible 0;

    pub struct UpdateRaftVoterResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
    }
    tagged {
        0 => current_leader: CurrentLeader,
    }

    pub struct CurrentLeader {
        leader_id: i32 = -1,
        leader_epoch: i32 = -1,
        host: Str,
        port: i32,
    }
}
