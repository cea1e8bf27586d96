//! What a follower does with what its leader sends: it appends batches, takes over the high watermark and
//! the log start, and cuts its log where the two differ.
//!
//! All of it names the leader epoch under which it was fetched, and is refused under the lock if the
//! partition has another epoch or role by then: a late answer of an old leader changes nothing. A cut is
//! planned first, so that the recovery point is lowered on disk before the log gets shorter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{News, Partition, Role, State};
use crate::model::{LeaderEpoch, Offset, Timestamp};
use crate::records::{Batch, Batches};
use crate::replication::delayed::{AckOutcome, Advance};
use crate::replication::error::ReplicaError;
use crate::storage::error::StorageError;
use crate::storage::leader_epochs::EpochEnd;
use crate::storage::log_dir::LogDir;

/// Tells a replica from all others of this process. If a partition's log is lost and made anew, or its topic
/// comes back, what was asked for the old log says nothing of the new one, though the epoch may be the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicaNumber(u64);

impl ReplicaNumber {
    /// One that no replica had before.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Where a follower's log ends: it fetches on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerEnd {
    /// The replica whose log it is.
    pub replica: ReplicaNumber,
    /// The log end offset.
    pub end_offset: Offset,
    /// The newest epoch of the log; [`LeaderEpoch::NONE`] if it knows none.
    pub last_epoch: LeaderEpoch,
    /// The log start offset.
    pub log_start_offset: Offset,
}

/// What a Fetch brought from the leader.
#[derive(Clone, Copy, Debug)]
pub struct Fetched<'a> {
    /// The leader epoch that the Fetch named.
    pub leader_epoch: LeaderEpoch,
    /// The offset that the Fetch asked for.
    pub fetch_offset: Offset,
    /// Batches; the last one may be partial.
    pub records: &'a [u8],
    /// The leader's high watermark.
    pub high_watermark: Offset,
    /// The leader's log start offset.
    pub log_start_offset: Offset,
}

/// What became of fetched batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowerAppend {
    /// They are in the log.
    Done {
        /// Where the log ends now.
        end: FollowerEnd,
        /// Whether a sync of the log is due.
        is_sync_due: bool,
        /// Whether the log must be synced before the follower fetches on, because a fetch tells the leader
        /// that what lies before it counts here (`flush.messages=1`).
        must_sync: bool,
    },
    /// Nothing was written: the log is empty, and the leader's log starts within a batch that begins here.
    /// The log must start over at this offset.
    BeginsAt(Offset),
}

/// Where a follower's log is to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Where it and the leader's log part: the leader has said where it has the largest epoch ends that is
    /// not above the follower's last.
    Diverging(EpochEnd),
    /// At the end of the leader's log, or at the end of this log if that is lower.
    ToEnd(Offset),
    /// At the high watermark: a log without leader epochs knows no better (KIP-101).
    ToHighWatermark,
    /// The log becomes empty, and goes on here: the leader has nothing older.
    StartOver(Offset),
}

/// A cut that is about to be made. While it is the partition's newest the entries in checkpoints are as low
/// as it demands.
#[derive(Clone, Debug)]
pub struct CutPlan {
    leader_epoch: LeaderEpoch,
    /// What checkpoints may say of the log at most.
    lowered_to: Offset,
    /// The new end of the log, which becomes its start as well if `starts_over`.
    offset: Offset,
    starts_over: bool,
    dir: Arc<LogDir>,
}

/// What a cut has left.
#[derive(Clone, Copy, Debug)]
pub struct CutLog {
    /// Where the log ends now.
    pub end: FollowerEnd,
    /// Whether what was committed by this replica's high watermark was cut: an unclean election lost it.
    pub lost_committed: bool,
}

impl Partition {
    /// Where the log ends, if the partition is a follower in this epoch.
    ///
    /// # Errors
    /// It has another epoch or role, or its log takes no more writes: what that says of its end need not be so.
    pub fn follower_end(&self, leader_epoch: LeaderEpoch) -> Result<FollowerEnd, ReplicaError> {
        let state = self.state.lock();
        state.check_follows(leader_epoch)?;
        if state.log.is_offline() {
            return Err(StorageError::Offline.into());
        }
        Ok(state.follower_end(self.number))
    }

    /// Whether the log must be synced before the follower fetches: a Fetch tells the leader that what lies
    /// before its offset counts here (`flush.messages=1`).
    pub fn must_sync_to_fetch(&self) -> bool {
        self.state.lock().must_sync_to_fetch()
    }

    /// Whether the replica is throttled as a follower: one that lacks what its leader has committed.
    pub fn is_throttled_follower(&self) -> bool {
        let is_named = || {
            let state = self.state.lock();
            state.config.throttled_as_follower.has(self.id.partition)
        };
        self.lag() > 0 && is_named()
    }

    /// Writes batches that were fetched from the leader, and takes over its high watermark and log start.
    ///
    /// # Errors
    /// The partition has another epoch or role, the batches do not continue the log, or the disk failed
    /// or is full.
    pub fn append_as_follower(
        &self,
        fetched: &Fetched<'_>,
        now: Timestamp,
    ) -> Result<FollowerAppend, ReplicaError> {
        let mut state = self.state.lock();
        state.check_follows(fetched.leader_epoch)?;
        state.check_continues(fetched)?;
        if let Some(offset) = state.begins_below(fetched.records) {
            return Ok(FollowerAppend::BeginsAt(offset));
        }
        // Nobody may take the room that is kept for deleting.
        if !fetched.records.is_empty() && self.has_full_disk() {
            let path = state.log.path().to_path_buf();
            return Err(StorageError::Full { path }.into());
        }
        let appended = match state.log.append_as_follower(fetched.records, now) {
            Ok(appended) => appended,
            Err(error) => {
                self.finish(state, News::default());
                return Err(error.into());
            }
        };
        if appended.is_some() {
            let end_offset = state.log.end_offset();
            let bytes = fetched.records.len() as u64;
            state.ledger.appended(end_offset, bytes);
        }
        let news = state.follow_leader(fetched);
        let done = FollowerAppend::Done {
            end: state.follower_end(self.number),
            is_sync_due: state.log.flush_is_due(now),
            must_sync: state.must_sync_to_fetch(),
        };
        self.finish(state, news);
        Ok(done)
    }

    /// Takes over the leader's high watermark and log start again, after a sync: what was not durable did
    /// not count before. Returns where the log ends.
    ///
    /// # Errors
    /// The partition has another epoch or role.
    pub fn follow_after_sync(&self, fetched: &Fetched<'_>) -> Result<FollowerEnd, ReplicaError> {
        let mut state = self.state.lock();
        state.check_follows(fetched.leader_epoch)?;
        let news = state.follow_leader(fetched);
        let end = state.follower_end(self.number);
        self.finish(state, news);
        Ok(end)
    }

    /// Plans a cut, and lowers the partition's entries in the checkpoints for it. The caller must write
    /// these durably, and then call [`Self::cut`], or else [`Self::give_up_cut`].
    ///
    /// # Errors
    /// The partition has another epoch or role.
    pub fn plan_cut(&self, leader_epoch: LeaderEpoch, cut: Cut) -> Result<CutPlan, ReplicaError> {
        let mut state = self.state.lock();
        state.check_follows(leader_epoch)?;
        let (offset, starts_over) = match cut {
            Cut::StartOver(offset) => (offset, true),
            _ => (state.cut_offset(cut), false),
        };
        // A log that is made anew has no end that could be relied on until it is there.
        let lowered_to = if starts_over {
            Offset::ZERO
        } else {
            state.log.recovery_point_of_cut(offset)
        };
        // A plan of an older epoch, which the fetcher of that may still have, can be carried out no more.
        state.cutting_to = Some((leader_epoch, lowered_to));
        Ok(CutPlan {
            leader_epoch,
            lowered_to,
            offset,
            starts_over,
            dir: self.dir(),
        })
    }

    /// Gives up a cut that was planned. Another one that was planned since stays.
    pub fn give_up_cut(&self, plan: &CutPlan) {
        self.state.lock().take_cut(plan);
    }

    /// Cuts the log as planned.
    ///
    /// # Errors
    /// The partition has another epoch, role or directory by now, another cut was planned since, or the
    /// disk failed.
    pub fn cut(&self, plan: &CutPlan, now: Timestamp) -> Result<CutLog, ReplicaError> {
        let mut state = self.state.lock();
        let is_planned = state.take_cut(plan);
        state.check_follows(plan.leader_epoch)?;
        if !is_planned {
            let other =
                "another cut was planned since, and the checkpoints are lowered for that one";
            return Err(ReplicaError::Replicated(other.to_owned()));
        }
        if !self.is_in(&plan.dir) {
            let moved = "the log has moved to another directory, whose checkpoint is not lowered";
            return Err(ReplicaError::Replicated(moved.to_owned()));
        }
        let lost_committed = plan.offset < state.high_watermark;
        if lost_committed {
            let (to, from) = (plan.offset, state.high_watermark);
            tracing::warn!(partition = %self.name, %to, %from, "the leader lacks what was committed: cutting below the high watermark");
        }
        let cut = if plan.starts_over {
            let emptied = state.log.truncate_fully(plan.offset, plan.offset, now);
            state.high_watermark = state.high_watermark.max(plan.offset);
            emptied
        } else {
            state.log.truncate_to(plan.offset, now).map(|_| ())
        };
        state.follow_truncated_log();
        let end = state.follower_end(self.number);
        let news = News {
            advance: Some(Advance::URGENT),
            ..News::default()
        };
        self.finish(state, news);
        cut?;
        Ok(CutLog {
            end,
            lost_committed,
        })
    }
}

impl State {
    /// Ends the plan of a cut. Returns whether it was the newest: two fetchers, of an old epoch and of the
    /// current one, may each have a plan, and the checkpoints are lowered for one of them.
    fn take_cut(&mut self, plan: &CutPlan) -> bool {
        let planned = (plan.leader_epoch, plan.lowered_to);
        self.cutting_to.take_if(|it| *it == planned).is_some()
    }

    fn must_sync_to_fetch(&self) -> bool {
        self.config.syncs_writes() && self.log.flushed_offset() < self.log.end_offset()
    }

    /// Checks that the partition follows the leader of this epoch.
    fn check_follows(&self, leader_epoch: LeaderEpoch) -> Result<(), ReplicaError> {
        self.check_running()?;
        let (asked, current) = (leader_epoch, self.leader_epoch);
        if asked < current {
            return Err(ReplicaError::FencedLeaderEpoch { asked, current });
        }
        if asked > current {
            return Err(ReplicaError::UnknownLeaderEpoch { asked, current });
        }
        match &self.role {
            Role::Follower => Ok(()),
            // A leader takes no records from another one.
            Role::Leader(_) | Role::Stopped(_) => Err(ReplicaError::NotLeader),
        }
    }

    /// Checks what the log itself does not: that the batches were fetched for this end of the log, and that
    /// none is of an epoch that this leader has not reached.
    fn check_continues(&self, fetched: &Fetched<'_>) -> Result<(), ReplicaError> {
        let end = self.log.end_offset();
        if fetched.fetch_offset != end {
            let asked = fetched.fetch_offset;
            let reason = format!("batches for offset {asked}, but the log ends at {end}");
            return Err(ReplicaError::Replicated(reason));
        }
        let epochs = Batches::new(fetched.records)
            .map_while(Result::ok)
            .map(|batch| batch.header().partition_leader_epoch());
        let current = fetched.leader_epoch;
        if let Some(newer) = epochs.into_iter().find(|epoch| *epoch > current) {
            let reason = format!("a batch of epoch {newer} from the leader of epoch {current}");
            return Err(ReplicaError::Replicated(reason));
        }
        Ok(())
    }

    /// Where an empty log must begin for these batches: the leader's log starts within their first one,
    /// because records before that were deleted.
    fn begins_below(&self, records: &[u8]) -> Option<Offset> {
        let end = self.log.end_offset();
        let batch = Batch::first_of(records).ok().flatten()?;
        let first = batch.header().base_offset();
        let spans_end = first < end && batch.header().last_offset() >= end;
        let is_empty = self.log.log_start_offset() == end;
        (is_empty && spans_end && first >= Offset::ZERO && batch.crc_is_valid()).then_some(first)
    }

    /// Takes over the leader's high watermark and log start, as far as this log reaches.
    fn follow_leader(&mut self, fetched: &Fetched<'_>) -> News {
        let end_offset = self.counted_end_offset();
        self.leader_high_watermark = fetched.high_watermark;
        // The leader may have committed, or deleted, more than what has arrived here.
        let to = fetched.high_watermark.min(end_offset);
        let mut news = self.move_high_watermark(to, AckOutcome::Committed);
        if self.raise_log_start(fetched.log_start_offset.min(end_offset)) {
            news.advance.get_or_insert_default();
        }
        news
    }

    fn follower_end(&self, replica: ReplicaNumber) -> FollowerEnd {
        let latest = self.log.epochs().latest();
        FollowerEnd {
            replica,
            end_offset: self.log.end_offset(),
            last_epoch: latest.map_or(LeaderEpoch::NONE, |latest| latest.epoch),
            log_start_offset: self.log.log_start_offset(),
        }
    }

    /// The offset of a cut: never above the end of the log.
    fn cut_offset(&self, cut: Cut) -> Offset {
        let offset = match cut {
            Cut::ToEnd(offset) | Cut::StartOver(offset) => offset,
            Cut::ToHighWatermark => self.high_watermark,
            Cut::Diverging(leader) => match self.log.end_offset_for_epoch(leader.epoch) {
                // This log has nothing of the leader's epoch: all that is newer goes, and the next Fetch
                // asks about the epoch before that.
                Some(own) if own.epoch != leader.epoch => own.end_offset,
                Some(own) => own.end_offset.min(leader.end_offset),
                None => leader.end_offset,
            },
        };
        offset.min(self.log.end_offset())
    }
}
