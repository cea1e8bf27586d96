//! What a replica is to its quorum, with the state that belongs to each role alone.
//!
//! `transition.rs` decides who becomes what, and when. Roles differ in the deadline that moves them on:
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
    /// The replica knows of no leader that it could follow.
    Unattached(Unattached),
    /// The replica asks whether it would be elected, before it disturbs anyone (KIP-996).
    Prospective(Nominee),
    /// The replica asks to be elected.
    Candidate(Nominee),
    /// The replica leads: it writes the log.
    Leader(Box<Leader>),
    /// The replica follows a leader: it fetches the log.
    Follower(Follower),
    /// The replica led this epoch, and will not again: it waits until another is elected.
    Resigned(Resigned),
}

/// The state of [`Role::Unattached`].
#[derive(Clone, Copy, Debug)]
pub struct Unattached {
    /// When to seek election; `None` for a replica without a vote.
    pub deadline: Option<Instant>,
}

/// The state of [`Role::Prospective`] and [`Role::Candidate`].
#[derive(Clone, Debug)]
pub struct Nominee {
    /// The votes that have come so far.
    pub tally: Tally,
    /// When the election has failed.
    pub deadline: Instant,
    /// It told a better candidate that it would vote for it: it stands itself only if nothing came
    /// of that by then.
    pub gives_way_until: Option<Instant>,
    /// The snapshot that a prospective candidate was fetching from the leader of this epoch. It goes
    /// on with it if it is not elected, and follows that leader again.
    pub snapshot: Option<SnapshotProgress>,
}

impl Nominee {
    /// Whether it has enough pre-votes, and has waited for who is better.
    pub fn may_stand(&self, now: Instant) -> bool {
        self.tally.is_won() && self.gives_way_until.is_none_or(|until| until <= now)
    }

    /// When a prospective candidate has something to do.
    pub fn next_deadline(&self) -> Instant {
        match self.gives_way_until {
            Some(until) if self.tally.is_won() => until.min(self.deadline),
            _ => self.deadline,
        }
    }
}

/// The state of [`Role::Leader`].
#[derive(Clone, Debug)]
pub struct Leader {
    /// How far the replicas have come.
    pub progress: Progress,
    /// The offset of the epoch's first batch.
    pub start_offset: Offset,
    /// When to resign unless a majority of voters has fetched (KAFKA-15489); `None` if there are no other
    /// voters.
    pub check_quorum: Option<Instant>,
    /// When to tell voters that do not fetch who leads; `None` if there are no other voters.
    pub begin_epoch: Option<Instant>,
    /// Fetches that wait for something new, by ascending token.
    pub parked: Vec<ParkedFetch>,
}

/// A fetch for which there was nothing new when it came.
#[derive(Clone, Copy, Debug)]
pub struct ParkedFetch {
    /// The token to answer with.
    pub token: RequestToken,
    /// The fetch.
    pub request: FetchRequest,
    /// When to answer even if there is nothing new.
    pub deadline: Instant,
}

/// The state of [`Role::Follower`].
#[derive(Clone, Copy, Debug)]
pub struct Follower {
    /// The leader that the replica follows.
    pub leader: BrokerId,
    /// When to seek election; `None` for a replica without a vote.
    pub deadline: Option<Instant>,
    /// Whether the leader answered a fetch in this epoch: from then on it is taken to be alive.
    pub has_fetched: bool,
    /// The snapshot that is being fetched, and how much of it is stored.
    pub snapshot: Option<SnapshotProgress>,
}

/// A snapshot that is being fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotProgress {
    /// The snapshot's name.
    pub id: OffsetAndEpoch,
    /// How many bytes are stored.
    pub position: u64,
}

/// The state of [`Role::Resigned`].
#[derive(Clone, Debug)]
pub struct Resigned {
    /// When to take part in elections again.
    pub deadline: Instant,
    /// Voters that have not acknowledged the resignation.
    pub unacknowledged: Vec<BrokerId>,
    /// Which voters should be elected, the best first.
    pub successors: Vec<ReplicaKey>,
}

impl Role {
    /// The place of the snapshot that is being fetched from the leader of this epoch, in a role that
    /// has one.
    pub(super) fn snapshot_mut(&mut self) -> Option<&mut Option<SnapshotProgress>> {
        match self {
            Self::Follower(follower) => Some(&mut follower.snapshot),
            Self::Prospective(nominee) => Some(&mut nominee.snapshot),
            _ => None,
        }
    }

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
