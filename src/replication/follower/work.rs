//! What a fetcher wants to be asked of a leader, and done to logs.

use std::time::Instant;

use bytes::Bytes;

use crate::model::{LeaderEpoch, Offset, TopicIdPartition};
use crate::protocol::ErrorCode;
use crate::protocol::messages::fetch::FetchRequest;
use crate::replication::partition::{Cut, FollowerEnd, ReplicaNumber};

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// The leader must be asked for records.
    Fetch(FetchRequest),
    /// The leader must be asked where the logs of these partitions start and end.
    Search(Vec<Search>),
    /// There is nothing to ask before that moment, or before something changes.
    Wait(Option<Instant>),
}

/// A partition whose log the leader must describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// The partition.
    pub id: TopicIdPartition,
    /// The leader epoch that the follower knows.
    pub leader_epoch: LeaderEpoch,
}

/// What the leader says of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderLog {
    /// Its log start offset.
    pub log_start_offset: Offset,
    /// Its log end offset.
    pub end_offset: Offset,
}

/// A description that was asked for: the leader's, or why there is none.
pub type Found = Result<LeaderLog, ErrorCode>;

/// Something to be done to the log of a partition, under the leader epoch in which it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The partition.
    pub id: TopicIdPartition,
    /// The replica for whose log it was asked.
    pub replica: ReplicaNumber,
    /// The leader epoch that the request named.
    pub leader_epoch: LeaderEpoch,
    /// What is to be done.
    pub act: Act,
}

/// See [`Work`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Append, and take over the leader's high watermark and log start.
    Append {
        /// The offset that was asked for.
        fetch_offset: Offset,
        /// Batches, the last of which may be partial; none if the follower has all.
        records: Bytes,
        /// The leader's high watermark.
        high_watermark: Offset,
        /// The leader's log start.
        log_start_offset: Offset,
    },
    /// Cut.
    Cut(Cut),
}

/// What became of a [`Work`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, and the log ends here now.
    Ends(FollowerEnd),
    /// The same, and the replica is throttled: more has come than the rate allows.
    Throttled(FollowerEnd),
    /// It is refused or has failed, and may be tried again later: the log ends here.
    Failed(FollowerEnd),
    /// It has failed, and the log cannot be fetched for before it is synced, which must be tried again
    /// later.
    Unready,
    /// A bug has ended it. It is tried again after a pause that grows.
    Broken,
    /// The partition is not fetched under this epoch any more.
    Gone,
}
