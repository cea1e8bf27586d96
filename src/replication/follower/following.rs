//! One partition that is fetched: where its log ends, and what keeps it from being fetched on.

use std::time::{Duration, Instant};

use super::lane::{Lane, LaneChange};
use super::session::Ask;
use crate::model::{LeaderEpoch, TopicIdPartition};
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
    /// How many answers in a row have left the log below the high watermark that they told. On the lane for
    /// those that are behind it begins with one.
    pub answers_behind: u8,
}

/// After so many answers in a row that have left it below the high watermark a replica is behind: one may just
/// not have had room for it.
const ANSWERS_OF_ONE_BEHIND: u8 = 2;

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
    /// What is fetched on `lane` from now on.
    pub fn begin(change: &LaneChange, lane: Lane) -> Self {
        Self {
            leader_epoch: change.leader_epoch,
            end: change.end,
            stage: if change.is_throttled {
                Stage::Throttled
            } else {
                Stage::Fetching
            },
            early_asks: 0,
            answers_behind: u8::from(lane == Lane::Behind),
        }
    }

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

    /// Whether it is on the wrong lane, if that is `lane`.
    pub fn is_misplaced(&self, lane: Lane) -> bool {
        match lane {
            Lane::Prompt => self.answers_behind >= ANSWERS_OF_ONE_BEHIND,
            Lane::Behind => self.answers_behind == 0,
        }
    }

    /// An answer was taken, and left the log below the high watermark that it told, or did not.
    pub fn note_answer(&mut self, is_below: bool) {
        self.answers_behind = if is_below {
            self.answers_behind.saturating_add(1)
        } else {
            0
        };
    }

    /// What another fetcher is told that has it from now on; `None` as long as something else is under way.
    pub fn lane_change(&self, id: TopicIdPartition) -> Option<LaneChange> {
        let may_go = matches!(self.stage, Stage::Fetching | Stage::Throttled);
        may_go.then_some(LaneChange {
            id,
            leader_epoch: self.leader_epoch,
            end: self.end,
            is_throttled: self.stage == Stage::Throttled,
        })
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
