//! What a replica is to its quorum at the moment, with what belongs to that alone.
//!
//! Who becomes what, and when, is in `transition.rs`. Roles differ in which deadline moves them on:
//!
//! ```text
//! Unattached  -- election timeout --> Prospective -- majority of pre-votes --> Candidate
//! Candidate   -- majority of votes --> Leader     -- resigns --> Resigned
//! Follower    -- fetch timeout --> Prospective    any -- a higher epoch --> Unattached or Follower
//! ```

use std::time::Instant;

use super::effect::RequestToken;
use super::log_state::OffsetAndEpoch;
use super::message::FetchRequest;
use super::progress::Progress;
use super::tally::Tally;
use super::voters::ReplicaKey;
use crate::model::{BrokerId, Offset};

/// The role of this replica in the current epoch.
#[derive(Clone, Debug)]
pub enum Role {
    /// Knows of no leader that it could follow.
    Unattached(Unattached),
    /// Asks whether it would be elected, before it disturbs anyone (KIP-996).
    Prospective(Nominee),
    /// Asks to be elected.
    Candidate(Nominee),
    /// Writes the log.
    Leader(Box<Leader>),
    /// Fetches the log.
    Follower(Follower),
    /// Led this epoch, and will not again: it waits for another's election.
    Resigned(Resigned),
}

/// See [`Role::Unattached`].
#[derive(Clone, Copy, Debug)]
pub struct Unattached {
    /// When to seek election; `None` for a replica without a vote.
    pub deadline: Option<Instant>,
}

/// See [`Role::Prospective`] and [`Role::Candidate`].
#[derive(Clone, Debug)]
pub struct Nominee {
    /// The votes so far.
    pub tally: Tally,
    /// When the election has failed.
    pub deadline: Instant,
}

/// See [`Role::Leader`].
#[derive(Clone, Debug)]
pub struct Leader {
    /// How far the replicas are.
    pub progress: Progress,
    /// The offset of the epoch's first batch.
    pub start_offset: Offset,
    /// Resign unless a majority of voters fetched by then (KAFKA-15489); `None` without others.
    pub check_quorum: Option<Instant>,
    /// When to tell voters that do not fetch who leads; `None` without others.
    pub begin_epoch: Option<Instant>,
    /// Fetches that wait for something to say, by ascending token.
    pub parked: Vec<ParkedFetch>,
}

/// A fetch that had nothing to answer when it came.
#[derive(Clone, Copy, Debug)]
pub struct ParkedFetch {
    /// What to answer with.
    pub token: RequestToken,
    /// What was asked.
    pub request: FetchRequest,
    /// When to answer anyway.
    pub deadline: Instant,
}

/// See [`Role::Follower`].
#[derive(Clone, Copy, Debug)]
pub struct Follower {
    /// Whom it follows.
    pub leader: BrokerId,
    /// When to seek election; `None` for a replica without a vote.
    pub deadline: Option<Instant>,
    /// Whether the leader answered a fetch in this epoch: from then on it is taken to be alive.
    pub has_fetched: bool,
    /// The snapshot that is being fetched, and how much of it is stored.
    pub snapshot: Option<SnapshotProgress>,
}

/// A snapshot on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotProgress {
    /// Which.
    pub id: OffsetAndEpoch,
    /// How many bytes are stored.
    pub position: u64,
}

/// See [`Role::Resigned`].
#[derive(Clone, Debug)]
pub struct Resigned {
    /// When to take part in elections again.
    pub deadline: Instant,
    /// Voters that have not acknowledged it.
    pub unacknowledged: Vec<BrokerId>,
    /// Who should be elected, the best first.
    pub successors: Vec<ReplicaKey>,
}

impl Role {
    /// Kafka's name of the role.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unattached(_) => "Unattached",
            Self::Prospective(_) => "Prospective",
            Self::Candidate(_) => "Candidate",
            Self::Leader(_) => "Leader",
            Self::Follower(_) => "Follower",
            Self::Resigned(_) => "Resigned",
        }
    }
}
