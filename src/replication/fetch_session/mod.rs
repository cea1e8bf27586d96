//! Fetch sessions (KIP-227): the broker remembers which partitions a client fetches, so that requests name
//! only what has changed, and answers only what is new.
//!
//! A session also watches its partitions, so that an incremental Fetch costs only those with news. A client
//! that loses count of the epochs starts over; nothing is lost with a session.

mod cache;
mod session;

pub use cache::{SessionCache, Sessions};
pub use session::{Answer, FetchSession, Outcome, PartitionRequest, ReadySlot};

use std::sync::Arc;

use crate::model::{BrokerId, TopicId};

/// The session id of a request or answer without a session.
pub const NO_SESSION: i32 = 0;
/// The epoch of a request that names all partitions, and would like a session.
pub const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request that names all partitions, and ends the session that it names, if any.
pub const FINAL_EPOCH: i32 = -1;

/// The epoch after `epoch`. It wraps to 1, because 0 begins a session.
pub fn next_epoch(epoch: i32) -> i32 {
    match epoch {
        i32::MAX => 1,
        ..0 => FINAL_EPOCH,
        _ => epoch + 1,
    }
}

/// Whether a request of this epoch names all partitions that it wants.
pub fn is_full(epoch: i32) -> bool {
    epoch == INITIAL_EPOCH || epoch == FINAL_EPOCH
}

/// A topic as a request names it: by id from version 13 on, by name before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicKey {
    /// The topic's id.
    Id(TopicId),
    /// The topic's name.
    Name(Arc<str>),
}

/// As [`TopicKey`], borrowed from a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicRef<'a> {
    /// The topic's id.
    Id(TopicId),
    /// The topic's name.
    Name(&'a str),
}

impl TopicRef<'_> {
    /// A copy of its own.
    pub fn to_key(self) -> TopicKey {
        match self {
            Self::Id(id) => TopicKey::Id(id),
            Self::Name(name) => TopicKey::Name(Arc::from(name)),
        }
    }
}

/// A follower that fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerIdentity {
    /// The follower's `node.id`.
    pub id: BrokerId,
    /// The follower's broker epoch (KIP-903); -1 if it did not give one.
    pub epoch: i64,
}

/// Why an incremental request cannot be served. The client starts over with a full one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// FETCH_SESSION_ID_NOT_FOUND: the session was evicted, or belongs to another broker or another
    /// follower.
    #[error("no such fetch session")]
    NotFound,
    /// INVALID_FETCH_SESSION_EPOCH: a request was lost, or arrived twice.
    #[error("the epoch is not the next of the fetch session")]
    InvalidEpoch,
    /// FETCH_SESSION_TOPIC_ID_ERROR: the client changed between names and ids.
    #[error("the fetch session names topics the other way")]
    TopicIds,
}

#[cfg(test)]
mod tests;
