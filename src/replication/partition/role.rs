//! Makes the partition a leader, a follower, or nothing at all, as the controller's log says.

use std::path::PathBuf;
use std::time::Instant;

use super::{LOCK_PATIENCE, News, Partition, Role, State};
use crate::metadata::{IsrChange, IsrOutcome};
use crate::model::{BrokerId, LeaderEpoch, Offset};
use crate::replication::delayed::{AckOutcome, Advance};
use crate::replication::error::ReplicaError;
use crate::replication::leadership::{FollowerFetch, IsrProposal, Leadership};
use crate::storage::error::StorageError;

/// What the controller says of a partition: as much as its replicas need to know.
#[derive(Clone, Copy, Debug)]
pub struct RoleChange<'a> {
    /// The id of this broker.
    pub local: BrokerId,
    /// The leader, or [`BrokerId::NONE`].
    pub leader: BrokerId,
    /// Rises with each new leader.
    pub leader_epoch: LeaderEpoch,
    /// Rises with each change.
    pub partition_epoch: i32,
    /// All replicas of the partition.
    pub replicas: &'a [BrokerId],
    /// The replicas in sync.
    pub isr: &'a [BrokerId],
}

/// What came of a follower's Fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The change of the in-sync set to ask the controller for, if the follower has caught up.
    pub change: Option<IsrChange>,
}

/// Why a partition is not used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The partition was deleted, or moved to other brokers.
    Removed,
    /// The partition's log directory is offline.
    Offline,
}

impl Stopped {
    pub(super) fn error(self) -> ReplicaError {
        match self {
            Self::Removed => ReplicaError::NotLeader,
            Self::Offline => ReplicaError::Storage(StorageError::Offline),
        }
    }
}

impl Partition {
    /// Takes over a role. Returns false if it is older than what is known.
    pub fn change_role(&self, change: &RoleChange<'_>, now: Instant) -> bool {
        let mut state = self.state.lock();
        let is_stopped = matches!(state.role, Role::Stopped(_));
        if is_stopped || change.partition_epoch < state.partition_epoch {
            return false;
        }
        let is_new_epoch = change.leader_epoch > state.leader_epoch;
        // The answer to a proposal may have come before the metadata of the same partition epoch. What was
        // proposed since then is as open as before.
        let is_newer = change.partition_epoch > state.partition_epoch;
        assert!(
            change.leader_epoch >= state.leader_epoch,
            "leader epochs never go back"
        );
        state.leader = change.leader;
        state.leader_epoch = change.leader_epoch;
        state.partition_epoch = change.partition_epoch;
        let mut news = News::default();
        if change.leader == change.local {
            state.lead(change, is_new_epoch, now);
            if is_newer {
                state.proposal_overtaken();
            }
            news = state.advance(now);
            news.woken.extend(state.advance_deletions());
        } else {
            state.role = Role::Follower;
            if is_new_epoch {
                state.leader_high_watermark = Offset::ZERO;
            }
            state.log.forget_unwritten_epochs();
            news.woken = state.fail_waits(AckOutcome::NotLeader);
        }
        // Those that wait for bytes learn at once that another epoch began.
        if is_new_epoch {
            news.advance = Some(Advance::URGENT);
        }
        self.finish(state, news);
        true
    }

    /// Notes again which followers may join the in-sync set, and for which of them deletions wait, because
    /// brokers have come or gone.
    pub fn set_eligible(
        &self,
        is_eligible: impl Fn(BrokerId, i64) -> bool,
        is_alive: impl Fn(BrokerId) -> bool,
        now: Instant,
    ) {
        let mut state = self.state.lock();
        if let Role::Leader(leadership) = &mut state.role {
            leadership.set_eligible(is_eligible);
            leadership.set_alive(is_alive);
            let mut news = state.advance(now);
            news.woken.extend(state.advance_deletions());
            self.finish(state, news);
        }
    }

    /// Ends the use of the partition: requests that wait are answered, later ones are refused.
    pub fn stop(&self, stopped: Stopped) {
        let mut state = self.state.lock();
        if matches!(state.role, Role::Stopped(_)) {
            return;
        }
        state.role = Role::Stopped(stopped);
        state.log.set_offline();
        let outcome = match stopped {
            Stopped::Removed => AckOutcome::NotLeader,
            Stopped::Offline => AckOutcome::StorageFailed,
        };
        let news = News {
            advance: Some(Advance::URGENT),
            woken: state.fail_waits(outcome),
        };
        self.finish(state, news);
    }

    /// Ends the use of the partition and renames its folder, which must be removed later. Returns its new
    /// path, and after how many milliseconds it may be removed.
    pub fn remove(&self, name: &str) -> Result<(PathBuf, i64), ReplicaError> {
        let mut state = self.state.lock();
        state.check_running()?;
        let delay_ms = state.log.config().file_delete_delay_ms;
        let marked = state.log.mark_folder_deleted(name);
        state.role = Role::Stopped(Stopped::Removed);
        let news = News {
            advance: Some(Advance::URGENT),
            woken: state.fail_waits(AckOutcome::NotLeader),
        };
        self.finish(state, news);
        Ok((marked?, delay_ms))
    }

    /// Gives the folder of a partition that was stopped another name, beside its own.
    ///
    /// # Errors
    /// The disk failed.
    pub fn set_aside(&self, name: &str) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        state.log.mark_folder_deleted(name).map(|_| ())
    }

    /// Closes the log in order, and ends its use. The caller must make what was written durable; see
    /// [`crate::storage::log::Log::close_unsynced`].
    pub fn close_unsynced(&self) -> Result<(), ReplicaError> {
        let mut state = self.state.lock();
        state.check_running()?;
        let closed = state.log.close_unsynced();
        state.role = Role::Stopped(Stopped::Removed);
        let news = News {
            advance: Some(Advance::URGENT),
            woken: state.fail_waits(AckOutcome::NotLeader),
        };
        self.finish(state, news);
        Ok(closed?)
    }

    /// The leader epoch, if this broker leads the partition.
    pub fn leader_epoch_if_leader(&self) -> Option<LeaderEpoch> {
        let state = self.state.lock();
        matches!(state.role, Role::Leader(_)).then_some(state.leader_epoch)
    }

    /// The leader and its epoch, as far as this replica knows.
    pub fn leader(&self) -> (BrokerId, LeaderEpoch) {
        let state = self.state.lock();
        (state.leader, state.leader_epoch)
    }

    /// Notes how far a follower is that fetches, which may move the high watermark. If it has caught up,
    /// returns the change of the in-sync set to ask the controller for. `is_eligible` says, by the newest
    /// metadata, whether the follower may join: it is asked under the lock, so that no older answer takes
    /// the place of one that [`Self::set_eligible`] has noted since. `None` if it was not heard: an append that
    /// hangs in the disk holds the lock, or the Fetch was checked in another epoch; it must be looked at again.
    pub fn follower_fetched(
        &self,
        checked_in: LeaderEpoch,
        fetch: &FollowerFetch,
        is_eligible: impl FnOnce() -> bool,
    ) -> Result<Option<Heard>, ReplicaError> {
        let Some(mut guard) = self.state.try_lock_for(LOCK_PATIENCE) else {
            return Ok(None);
        };
        let state = &mut *guard;
        let end_offset = state.log.end_offset();
        let leader_epoch = state.leader_epoch;
        let leadership = state.leadership_mut()?;
        // Whether the logs agree was checked against another leader's log.
        if checked_in != leader_epoch {
            return Ok(None);
        }
        let unknown = ReplicaError::UnknownLeaderEpoch {
            asked: leader_epoch,
            current: leader_epoch,
        };
        let grew = leadership.fetched(fetch, is_eligible(), end_offset);
        let grew = grew.ok_or(unknown)?;
        let mut news = if grew {
            state.advance(fetch.at)
        } else {
            News::default()
        };
        news.woken.extend(state.advance_deletions());
        let high_watermark = state.high_watermark;
        let proposal = state
            .leadership_mut()?
            .propose_expansion(fetch.id, high_watermark);
        let change = proposal.map(|proposal| self.isr_change(state, proposal));
        self.finish(guard, news);
        Ok(Some(Heard { change }))
    }

    /// The change of the in-sync set that removes followers which lag behind, or adds those that may join,
    /// if there are any. A Fetch says so itself; but brokers are unfenced, and earlier changes end, when
    /// nobody fetches.
    pub fn propose_change(&self, now: Instant) -> Option<IsrChange> {
        // Where an append hangs in the disk nothing is decided: others must not wait for it.
        let mut guard = self.lock_to_read(true)?;
        let state = &mut *guard;
        let (end_offset, max_lag) = (state.log.end_offset(), state.config.max_lag);
        let high_watermark = state.high_watermark;
        let leadership = state.leadership_mut().ok()?;
        let proposal = leadership
            .propose_shrinking(end_offset, now, max_lag)
            .or_else(|| leadership.propose_expansions(high_watermark, now, max_lag));
        let change = proposal.map(|proposal| self.isr_change(state, proposal));
        // The high watermark waits no more for one that has lagged for too long.
        let news = state.advance(now);
        self.finish(guard, news);
        change
    }

    fn isr_change(&self, state: &State, proposal: IsrProposal) -> IsrChange {
        IsrChange {
            partition: self.id,
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            isr: proposal.isr,
        }
    }

    /// Ends the proposal `change`, as the controller has decided on it. A proposal that the metadata has
    /// gone past has ended before; it may not end the one that came after it.
    pub fn proposal_ended(&self, change: &IsrChange, outcome: &IsrOutcome, now: Instant) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let is_current = change.leader_epoch == state.leader_epoch
            && change.partition_epoch == state.partition_epoch;
        let Role::Leader(leadership) = &mut state.role else {
            return;
        };
        if !is_current {
            return;
        }
        match outcome {
            IsrOutcome::Taken {
                isr,
                partition_epoch,
            } => {
                leadership.proposal_ended(Some(isr));
                state.partition_epoch = *partition_epoch;
            }
            IsrOutcome::Refused => leadership.proposal_ended(None),
        }
        let news = state.advance(now);
        self.finish(guard, news);
    }
}

impl State {
    pub(super) fn leadership(&self) -> Result<&Leadership, ReplicaError> {
        match &self.role {
            Role::Leader(leadership) => Ok(leadership),
            Role::Follower => Err(ReplicaError::NotLeader),
            Role::Stopped(stopped) => Err(stopped.error()),
        }
    }

    pub(super) fn leadership_mut(&mut self) -> Result<&mut Leadership, ReplicaError> {
        match &mut self.role {
            Role::Leader(leadership) => Ok(leadership),
            Role::Follower => Err(ReplicaError::NotLeader),
            Role::Stopped(stopped) => Err(stopped.error()),
        }
    }

    fn proposal_overtaken(&mut self) {
        if let Role::Leader(leadership) = &mut self.role {
            leadership.proposal_ended(None);
        }
    }

    fn lead(&mut self, change: &RoleChange<'_>, is_new_epoch: bool, now: Instant) {
        let start_offset = self.log.end_offset();
        match &mut self.role {
            Role::Leader(leadership) => {
                leadership.assign(change.replicas, change.isr);
                if is_new_epoch {
                    leadership.begin_epoch(start_offset, now);
                }
            }
            Role::Follower | Role::Stopped(_) => {
                let begun =
                    Leadership::begin(change.local, start_offset, change.replicas, change.isr, now);
                self.role = Role::Leader(begun);
            }
        }
        if is_new_epoch {
            // Followers may have batches of epochs in which this replica wrote nothing. They find where to
            // cut only if its own epoch is known from the start.
            self.log.begin_epoch(change.leader_epoch);
        }
    }
}
