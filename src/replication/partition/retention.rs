//! Deletes segments that a partition need not keep: chosen without the lock, removed from the log under it.

use super::{Moment, News, Partition};
use crate::model::{Offset, Timestamp};
use crate::replication::error::ReplicaError;
use crate::storage::log::DeletedFiles;

impl Partition {
    /// Deletes the segments that retention gives up. Returns whether there are files to be removed; see
    /// [`Self::take_due_deletions`].
    pub fn apply_retention(&self, now: Moment) -> Result<bool, ReplicaError> {
        let (view, config, high_watermark) = {
            let state = self.state.lock();
            state.check_running()?;
            let config = state.log.config();
            (
                state.log.view(),
                std::sync::Arc::clone(config),
                state.high_watermark,
            )
        };
        // Choosing may read the segments' indexes.
        match view.expired_below(&config, high_watermark, now.wall)? {
            Some(below) => self.delete_below(below, now.wall),
            None => Ok(false),
        }
    }

    fn delete_below(&self, below: Offset, now: Timestamp) -> Result<bool, ReplicaError> {
        let mut state = self.state.lock();
        state.check_running()?;
        // A follower's log may have been cut meanwhile.
        let below = below.min(state.high_watermark);
        let deleted = state.log.delete_below(below, now);
        state.last_stable_offset = state.computed_last_stable_offset();
        let mut news = News::default();
        news.advance.get_or_insert_default();
        self.finish(state, news);
        let count = deleted?;
        if count > 0 {
            tracing::info!(partition = %self.name, segments = count, %below, "retention deleted");
        }
        Ok(count > 0)
    }

    /// The deleted files that are due, to be removed without a lock.
    pub fn take_due_deletions(&self, now: Timestamp) -> Vec<DeletedFiles> {
        self.state.lock().log.take_due_deletions(now)
    }

    /// When the next deleted files are due for removal.
    pub fn next_deletion(&self) -> Option<Timestamp> {
        self.state.lock().log.next_deletion()
    }
}
