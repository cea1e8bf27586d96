//! One partition that is fetched: where its log ends, and what keeps it from being fetched on.

use std::time::{Duration, Instant};

use super::session::Ask;
use crate::model::LeaderEpoch;
use crate::replication::partition::FollowerEnd;

/// A partition that is fetched from a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Following {
    /// The epoch in which that broker leads.
    pub leader_epoch: LeaderEpoch,
    /// Where the follower's log ends.
    pub end: FollowerEnd,
    /// What is to be done next.
    pub stage: Stage,
    /// How often in a row the leader has said that it knows of no such partition, or that it does not lead it.
    pub early_asks: u32,
}

/// The first pause when a leader does not know yet that it leads. Each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// What is to be done with a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is fetched.
    Fetching,
    /// The leader does not have the follower's end: it is asked where its own log starts and ends.
    Searching,
    /// After an error it is let alone until then, and goes on with this.
    Delayed {
        /// The end of the back-off.
        until: Instant,
        /// Whether it goes on with [`Stage::Searching`].
        searches: bool,
    },
    /// More has been fetched of throttled replicas than the rate allows.
    Throttled,
    /// The leader is in a newer epoch: nothing is asked before the metadata tells of it.
    Fenced,
}

impl Following {
    /// What a Fetch asks; `None` if the partition is not fetched now.
    pub fn ask(&self) -> Option<Ask> {
        (self.stage == Stage::Fetching).then_some(Ask {
            leader_epoch: self.leader_epoch,
            fetch_offset: self.end.end_offset,
            last_epoch: self.end.last_epoch,
            log_start_offset: self.end.log_start_offset,
        })
    }

    /// Whether an answer to this is still of use: neither the epoch nor the end has changed since.
    pub fn awaits(&self, ask: &Ask) -> bool {
        self.stage == Stage::Fetching
            && self.leader_epoch == ask.leader_epoch
            && self.end.end_offset == ask.fetch_offset
    }

    /// Lets the partition alone for a little while, at most for `longest`: its leader has not read the metadata
    /// yet that made it so. Meanwhile it waits for this replica with what is to be on all of them.
    pub fn delay_a_little(&mut self, now: Instant, longest: Duration) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.early_asks.min(16));
        self.early_asks = self.early_asks.saturating_add(1);
        self.delay(now + pause.min(longest));
    }

    /// Lets the partition alone until `until`.
    pub fn delay(&mut self, until: Instant) {
        let searches = match self.stage {
            Stage::Delayed { searches, .. } => searches,
            Stage::Searching => true,
            Stage::Fetching | Stage::Throttled | Stage::Fenced => false,
        };
        self.stage = Stage::Delayed { until, searches };
    }
}
