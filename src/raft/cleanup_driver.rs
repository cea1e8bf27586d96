//! Removes old snapshots, and the log below the oldest one that stays.
//!
//! The order lets the log be opened after a crash between any two steps: the segments below the snapshot
//! that stays go first, then the older snapshots.

use super::driver::RaftError;
use super::effect::Input;
use super::log_state::OffsetAndEpoch;
use super::loop_driver::RaftThread;

impl RaftThread {
    /// Notes a snapshot that was found or written, or both. The bootstrap snapshot is not cleaned up, as it
    /// is no part of the log's history.
    pub(super) fn learn_snapshot(&mut self, id: OffsetAndEpoch) -> Result<(), RaftError> {
        if id != OffsetAndEpoch::BOOTSTRAP {
            let info = self.shared.snapshots.info(id)?;
            self.snapshots.retain(|known| known.id != id);
            self.snapshots.push(info);
            self.snapshots.sort_unstable_by_key(|info| info.id);
        }
        Ok(())
    }

    /// Removes what need not be kept.
    pub(super) fn clean(&mut self) -> Result<(), RaftError> {
        let now = self.wall();
        let Some(start) = self.wanted_start(now) else {
            return Ok(());
        };
        self.log.delete_before(start.offset, now)?;
        let older = self.snapshots.partition_point(|info| info.id < start);
        for info in self.snapshots.drain(..older) {
            self.shared.snapshots.delete(info.id)?;
        }
        tracing::info!(%start, "the metadata log begins at a later snapshot");
        self.step(Input::Cleaned(start))
    }
}
