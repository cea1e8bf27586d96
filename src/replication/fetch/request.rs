//! What a Fetch asks for as a whole. [`crate::replication::fetch_session::PartitionRequest`] is what it
//! asks of each partition.

use std::time::Duration;

use crate::model::BrokerId;
use crate::replication::delayed::Interest;
use crate::replication::fetch_session::{FINAL_EPOCH, NO_SESSION};

/// A follower that fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerIdentity {
    /// The follower's `node.id`.
    pub id: BrokerId,
    /// The follower's broker epoch (KIP-903); -1 if it did not give one.
    pub epoch: i64,
}

/// What a Fetch asks for as a whole.
#[derive(Clone, Copy, Debug)]
pub struct FetchParams {
    /// The follower, if a follower asks.
    pub follower: Option<FollowerIdentity>,
    /// How long the request may wait for `min_bytes`.
    pub max_wait: Duration,
    /// With fewer bytes than this the request waits for more. It is at most `max_bytes`.
    pub min_bytes: u32,
    /// The limit on bytes of all partitions together. The first batch may exceed it.
    pub max_bytes: u32,
    /// Up to where the reader may see partitions.
    pub interest: Interest,
    /// Whether only the leader may answer.
    pub only_leader: bool,
}

impl SessionRequest {
    /// A request outside of all sessions.
    pub fn none(uses_topic_ids: bool) -> Self {
        Self {
            id: NO_SESSION,
            epoch: FINAL_EPOCH,
            uses_topic_ids,
        }
    }
}

/// The session that a Fetch belongs to.
#[derive(Clone, Copy, Debug)]
pub struct SessionRequest {
    /// The session id of an earlier answer, or [`crate::replication::fetch_session::NO_SESSION`].
    pub id: i32,
    /// The number of the request within its session.
    pub epoch: i32,
    /// Whether topics are named by id, as from version 13 on.
    pub uses_topic_ids: bool,
}
