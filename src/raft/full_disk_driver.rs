//! What the quorum does on a full disk, which is not a broken one: it goes on with the reserve. Once that
//! is used up the leader steps down, what is committed stays readable, and the quorum begins again, in a
//! new epoch, when there is space.
//!
//! As long as the reserve lasts it must not be used up by what can wait, and the log must not grow
//! beyond it. So nothing is written to an idle log of one voter; a snapshot is written only because
//! the log grew, not because time passed; and with each snapshot all of the log before it goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::driver::RaftError;
use super::event::RaftEvent;
use super::log_state::OffsetAndEpoch;
use super::loop_driver::{RaftThread, Stage};
use super::quorum_info::QuorumInfo;
use super::quorum_state_driver::QuorumStateError;
use super::replies_driver::FetchedSnapshot;
use super::snapshot_driver::SnapshotFileError;
use crate::model::Timestamp;
use crate::storage::checkpoint::StateFileError;
use crate::storage::error::{StorageError, is_out_of_room};
use crate::storage::log::AppendError;
use crate::storage::reserve::Reserve;

/// How long to wait before the disk is tried again.
const PAUSE: Duration = Duration::from_secs(1);

impl RaftError {
    /// Whether the failure is a lack of space. A failed sync is no such failure: what it should have
    /// written is gone.
    pub(super) fn is_full_disk(&self) -> bool {
        match self {
            Self::Log(error) | Self::Append(AppendError::Storage(error)) => {
                matches!(error, StorageError::Full { .. })
            }
            // These files are written anew at each try, and get their name only when they are whole.
            Self::QuorumState(QuorumStateError::Io { source, .. })
            | Self::StateFile(StateFileError::Io { source, .. }) => is_out_of_room(source),
            // A snapshot that is fetched; its file gets its name only when it is whole.
            Self::Snapshot(SnapshotFileError::Io { source, .. }) => is_out_of_room(source),
            _ => false,
        }
    }
}

/// Runs a write; if the disk is full, gives the reserve back and runs it once more.
pub(super) fn with_reserve<T>(
    reserve: Option<&Reserve>,
    mut write: impl FnMut() -> Result<T, RaftError>,
) -> Result<T, RaftError> {
    match reserve {
        Some(reserve) => reserve.spend(RaftError::is_full_disk, write),
        None => write(),
    }
}

impl RaftThread {
    /// Gives up what is under way, and lets some time pass before the disk is tried again.
    pub(super) fn wait_for_space(&mut self, error: &RaftError) {
        tracing::error!(%error, "no space for the metadata log: no leader until there is some");
        self.step_down();
        if let Some(reserve) = &self.shared.reserve {
            reserve.lend();
        }
        self.stage = Stage::Full(self.now() + PAUSE);
    }

    /// Begins again once it is time. Returns whether the quorum was closed meanwhile.
    pub(super) fn try_again(&mut self, at: Instant) -> Result<bool, RaftError> {
        if self.shared.mailbox.lock().is_closing {
            return Ok(true);
        }
        if at <= self.now() {
            self.begin_again()?;
            self.begin(None)?;
        }
        Ok(false)
    }

    /// Closes the active segment when a snapshot was written on a full disk: what is before a snapshot
    /// can be deleted segment by segment only.
    pub(super) fn roll_if_full(&mut self) -> Result<(), RaftError> {
        if self.shared.lives_on_reserve() {
            let now = self.wall();
            self.log.roll(now)?;
        }
        Ok(())
    }

    /// Where the log is to begin: on a full disk at the newest snapshot, else as the settings say.
    pub(super) fn wanted_start(&self, now: Timestamp) -> Option<OffsetAndEpoch> {
        if self.shared.lives_on_reserve() {
            let newest = self.snapshots.last()?.id;
            return (newest.offset > self.log.start_offset()).then_some(newest);
        }
        let log_size = |id: OffsetAndEpoch| self.log.size_from(id.offset);
        self.retention.new_start(now, &self.snapshots, log_size)
    }

    fn step_down(&mut self) {
        self.shared.mailbox.lock().accumulator.close();
        self.effects.clear();
        self.waiting.give_up();
        self.fetched = FetchedSnapshot::default();
        self.log.discard_unwritten();
        self.delivery.resign();
        let info = QuorumInfo {
            leads: false,
            ..QuorumInfo::clone(&self.shared.info.load())
        };
        self.shared.info.store(Arc::new(info));
        if let Some(epoch) = self.told_leadership.take() {
            self.listener.on_event(RaftEvent::Resigned { epoch });
        }
    }

    fn begin_again(&mut self) -> Result<(), RaftError> {
        let now = self.wall();
        self.log.reopen_if_offline(now)?;
        self.log.flush(now)?;
        // A clean-up may have been broken off: what is known of the snapshots is what is there.
        let ids = self.shared.snapshots.recover(self.log.start_offset())?;
        self.snapshots.clear();
        for id in &ids {
            self.learn_snapshot(*id)?;
        }
        // A snapshot may have been stored, and the log not been emptied for it, or not to the end.
        let has_peers = !self.voters.is_only(self.node.local().id);
        if let Some(id) = ids.last().copied() {
            if self.log.is_behind(id, has_peers) {
                self.restart_at_snapshot(id)?;
            } else {
                self.load_if_missed(id)?;
            }
        }
        let election = self.quorum_state.load()?;
        let snapshots = self.snapshots.iter().map(|info| info.id).collect();
        self.node.restart(election, self.log.state(snapshots));
        Ok(())
    }
}
