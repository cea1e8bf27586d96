//! UpdateRaftVoter (key 82), version 0: a voter tells its leader the listeners and kraft.versions that it
//! has by now (KIP-853).
//!
//! With the static voters of kraft.version 0 that changes nothing: the leader checks what it is told, and
//! takes note of nothing, as it would only for a change to kraft.version 1.

use super::Api;
use super::context::RequestContext;
use crate::model::{BrokerId, Uuid};
use crate::protocol::messages::update_raft_voter::{
    CurrentLeader, UpdateRaftVoterRequest, UpdateRaftVoterResponse,
};
use crate::protocol::{ErrorCode, Str};
use crate::raft::QuorumInfo;

/// Checks what a voter tells.
pub fn handle(
    api: &Api,
    _context: &RequestContext,
    request: &UpdateRaftVoterRequest,
) -> UpdateRaftVoterResponse {
    let addresses = api.quorum_addresses();
    let other_cluster = request.cluster_id.as_ref();
    if other_cluster.is_some_and(|id| *id != addresses.cluster_id) {
        return UpdateRaftVoterResponse {
            error_code: ErrorCode::INCONSISTENT_CLUSTER_ID,
            ..UpdateRaftVoterResponse::default()
        };
    }
    let quorum = api.quorum();
    let mut listeners = request.listeners.iter();
    let has_listener = listeners.any(|listener| listener.name == addresses.listener);
    let outcome = check(&quorum, request, has_listener);
    let leader = addresses
        .voters
        .iter()
        .find(|voter| Some(voter.id) == quorum.leader);
    UpdateRaftVoterResponse {
        throttle_time_ms: 0,
        error_code: outcome.err().unwrap_or(ErrorCode::NONE),
        current_leader: CurrentLeader {
            leader_id: quorum.leader.unwrap_or(BrokerId::NONE).0,
            leader_epoch: quorum.epoch.0,
            host: leader.map_or(Str::default(), |voter| Str::copy_from(&voter.host)),
            port: leader.map_or(-1, |voter| i32::from(voter.port)),
        },
    }
}

fn check(
    quorum: &QuorumInfo,
    request: &UpdateRaftVoterRequest,
    has_listener: bool,
) -> Result<(), ErrorCode> {
    if request.current_leader_epoch < quorum.epoch.0 {
        return Err(ErrorCode::FENCED_LEADER_EPOCH);
    }
    if request.current_leader_epoch > quorum.epoch.0 {
        return Err(ErrorCode::UNKNOWN_LEADER_EPOCH);
    }
    if !quorum.leads {
        return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    }
    if quorum.high_watermark.is_none() {
        return Err(ErrorCode::REQUEST_TIMED_OUT);
    }
    let kraft = &request.kraft_version_feature;
    let is_range = (0..=kraft.max_supported_version).contains(&kraft.min_supported_version);
    if !has_listener || !is_range || request.voter_directory_id == Uuid::ZERO {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let mut voters = quorum.voters.iter();
    let is_voter = voters.any(|voter| voter.key.id == BrokerId(request.voter_id));
    if is_voter {
        Ok(())
    } else {
        Err(ErrorCode::VOTER_NOT_FOUND)
    }
}
