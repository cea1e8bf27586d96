//! AlterReplicaLogDirs: begins, replaces and cancels moves between log directories.

use std::sync::Arc;

use super::Moves;
use crate::model::{DirectoryId, TopicPartition};
use crate::protocol::error_code::ErrorCode;
use crate::replication::dirs::DataDir;
use crate::replication::partition::Partition;
use crate::telemetry::LogGate;

/// A client is refused as often as it asks.
static REFUSED: LogGate = LogGate::new();
static FULL: LogGate = LogGate::new();
static NO_THREAD: LogGate = LogGate::new();

impl Moves {
    /// Moves a replica to a log directory, in the background. A move to another directory is given up; one
    /// to `to` goes on. Partitions must neither come nor go meanwhile. It blocks on the disk.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR, also if the disk there is full, or UNKNOWN_SERVER_ERROR if there is no thread
    /// for the move.
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
        if to.log_dir.is_full() {
            if let Some(suppressed) = FULL.pass() {
                let dir = to.path().display();
                tracing::warn!(%dir, suppressed, "the disk is full: no log is moved there");
            }
            return Err(ErrorCode::KAFKA_STORAGE_ERROR);
        }
        // The threads are started before the move begins: without one, nothing would ever end it.
        self.start_threads_or_refuse()?;
        let begun = self.begin(partition, to);
        begun.map_err(|error| {
            if let Some(suppressed) = REFUSED.pass() {
                tracing::error!(partition = %partition.name(), %error, suppressed, "cannot move the log");
            }
            error.code()
        })?;
        Ok(())
    }

    /// Remembers the log directory in which a replica is to be made that is not here yet.
    pub fn prefer(&self, name: TopicPartition, directory: DirectoryId) {
        self.table.prefer(name, directory);
    }

    fn start_threads_or_refuse(self: &Arc<Self>) -> Result<(), ErrorCode> {
        self.ensure_threads().map_err(|error| {
            if let Some(suppressed) = NO_THREAD.pass() {
                tracing::error!(%error, suppressed, "cannot start a thread that moves logs");
            }
            ErrorCode::UNKNOWN_SERVER_ERROR
        })
    }
}
