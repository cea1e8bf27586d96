//! What a Fetch asks for as a whole. [`crate::replication::fetch_session::PartitionRequest`] is what it
//! asks of each partition.

use std::sync::Arc;
use std::time::Duration;

use crate::model::BrokerId;
use crate::replication::delayed::Interest;
use crate::replication::fetch_session::{FINAL_EPOCH, FollowerIdentity, NO_SESSION};

/// What a Fetch asks for as a whole.
#[derive(Clone, Debug)]
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
    /// The brokers in the rack of a consumer that this one is not in: their replicas are to be read, where
    /// they are in sync (KIP-392).
    pub near: Option<Arc<[BrokerId]>>,
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
