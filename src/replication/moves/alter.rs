//! AlterReplicaLogDirs: begins, replaces and cancels moves between log directories.

use std::sync::Arc;

use super::Moves;
use crate::model::{DirectoryId, TopicPartition};
use crate::protocol::error_code::ErrorCode;
use crate::replication::dirs::DataDir;
use crate::replication::partition::Partition;

impl Moves {
    /// Has a replica moved to a log directory, in the background. A move to another directory is
    /// given up, one to `to` goes on. Partitions must neither come nor go meanwhile. Blocks on the
    /// disk.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR, or UNKNOWN_SERVER_ERROR if there is no thread to do it.
    pub fn move_to(
        self: &Arc<Self>,
        partition: &Partition,
        to: &Arc<DataDir>,
    ) -> Result<(), ErrorCode> {
        let id = partition.id();
        if let Some(moving) = self.table.of(&id) {
            if Arc::ptr_eq(&moving.to, to) {
                return self.start_threads_or_refuse();
            }
            self.cancel(&id);
        }
        // The move that was cancelled may have ended before.
        if partition.is_in(&to.log_dir) {
            return Ok(());
        }
        if !self.hosted.is_online(&id) {
            return Err(ErrorCode::KAFKA_STORAGE_ERROR);
        }
        // Before the move begins: without a thread nothing would ever end it.
        self.start_threads_or_refuse()?;
        let begun = self.begin(partition, to);
        begun.map_err(|error| {
            tracing::error!(partition = %partition.name(), %error, "cannot move the log");
            error.code()
        })?;
        Ok(())
    }

    /// Has a replica that is not here yet made in a log directory once it comes.
    pub fn prefer(&self, name: TopicPartition, directory: DirectoryId) {
        self.table.prefer(name, directory);
    }

    fn start_threads_or_refuse(self: &Arc<Self>) -> Result<(), ErrorCode> {
        self.ensure_threads().map_err(|error| {
            tracing::error!(%error, "cannot start a thread that moves logs");
            ErrorCode::UNKNOWN_SERVER_ERROR
        })
    }
}
