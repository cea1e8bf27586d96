//! What a Fetch asks for as a whole; what it asks of each partition is
//! [`crate::replication::fetch_session::PartitionRequest`].

use std::time::Duration;

use crate::model::BrokerId;
use crate::replication::delayed::Interest;

/// A follower that fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerIdentity {
    /// Its `node.id`.
    pub id: BrokerId,
    /// Its broker epoch (KIP-903); -1 if it did not say.
    pub epoch: i64,
}

/// What a Fetch asks for as a whole.
#[derive(Clone, Copy, Debug)]
pub struct FetchParams {
    /// The follower, if it is one.
    pub follower: Option<FollowerIdentity>,
    /// How long it may wait for `min_bytes`.
    pub max_wait: Duration,
    /// Fewer are worth an answer only when the wait is over. At most `max_bytes`.
    pub min_bytes: u32,
    /// A limit for all partitions together; the first batch may be larger.
    pub max_bytes: u32,
    /// Up to where the reader may see.
    pub interest: Interest,
    /// It wants the leader's answer.
    pub only_leader: bool,
}

/// Which session a Fetch is for.
#[derive(Clone, Copy, Debug)]
pub struct SessionRequest {
    /// [`crate::replication::fetch_session::NO_SESSION`], or that of an earlier answer.
    pub id: i32,
    /// Counts the requests of a session.
    pub epoch: i32,
    /// Topics are named by id: from version 13 on.
    pub uses_topic_ids: bool,
}
