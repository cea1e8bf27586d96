//! The two lanes on which partitions of one leader are fetched, each by a fetcher of its own.
//!
//! A replica that must fetch a gigabyte again has answers full of it, and no partition that clients wait for
//! should stand in line behind those: acks=all waits for all that are in sync. So while one is behind, it has a
//! lane of its own. A replica is behind if its log ends below the high watermark that the leader tells: then the
//! leader counts without it. It comes back as soon as it is there, since from then on the leader counts with it.
//!
//! Invariant: at most one of both fetchers asks for a partition. It is given away by the one that has it, when
//! none of its requests is under way and all of its work is done.

use crate::model::{LeaderEpoch, TopicIdPartition};
use crate::replication::partition::FollowerEnd;

/// One of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// For replicas that have what is committed, and for those of which that is not known yet. Others are here
    /// only if all are behind.
    #[default]
    Prompt,
    /// For replicas that are behind.
    Behind,
}

impl Lane {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Prompt => Self::Behind,
            Self::Behind => Self::Prompt,
        }
    }
}

/// A partition that is to be fetched on the other lane, as its fetcher knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneChange {
    /// The partition.
    pub id: TopicIdPartition,
    /// The epoch in which it is fetched.
    pub leader_epoch: LeaderEpoch,
    /// Where its log ends.
    pub end: FollowerEnd,
    /// Whether it waits for the throttle.
    pub is_throttled: bool,
}

/// What becomes of a wish to change the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// The other fetcher has it.
    Away,
    /// It stays: it is fetched in another way by now.
    Stays,
    /// Nothing can be given away now.
    NotNow,
}

/// Gives a partition to the fetcher of the other lane.
pub type GiveAway = Box<dyn Fn(&LaneChange) -> Given + Send>;
