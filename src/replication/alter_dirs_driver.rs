//! AlterReplicaLogDirs for the API: begins, replaces and cancels moves between log directories.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::data_dir_driver::DataDir;
use super::driver::{ReplicaManager, Shared};
use super::hosted::HostedPartition;
use super::moves_driver::ensure_threads;
use super::partition::Partition;
use crate::model::TopicPartition;
use crate::protocol::error_code::ErrorCode;
use crate::storage::partition_folder::{self, FolderMark};

/// The longest name of a folder, in bytes.
const NAME_LIMIT: usize = 255;

impl ReplicaManager {
    /// Has a replica moved to the log directory `path`: at once if it is not made yet, in the
    /// background otherwise. A move to another directory is given up, one to `path` goes on. Blocks
    /// on the disk.
    ///
    /// # Errors
    /// LOG_DIR_NOT_FOUND, KAFKA_STORAGE_ERROR, INVALID_TOPIC_EXCEPTION for a name that leaves no
    /// room for the copy's mark, REPLICA_NOT_AVAILABLE if there is no such replica here yet.
    pub fn move_replica(&self, name: &TopicPartition, path: &Path) -> Result<(), ErrorCode> {
        let shared = &self.shared;
        let marked = partition_folder::marked_folder_name(name, FolderMark::Future, [0; 16]);
        if marked.len() > NAME_LIMIT {
            return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
        }
        let to = shared.online_dir(path)?;
        // Partitions neither come nor go meanwhile.
        let _one_at_a_time = shared.applying.lock();
        match self.partition_by_name(name) {
            Ok(partition) => shared.move_to(&partition, to),
            Err(error) => match error.code() {
                ErrorCode::NOT_LEADER_OR_FOLLOWER => {
                    shared.moves.prefer(name.clone(), to.log_dir.id());
                    Err(ErrorCode::REPLICA_NOT_AVAILABLE)
                }
                code => Err(code),
            },
        }
    }
}

impl Shared {
    fn move_to(
        self: &Arc<Self>,
        partition: &Partition,
        to: &Arc<DataDir>,
    ) -> Result<(), ErrorCode> {
        if self.is_closed() {
            return Err(ErrorCode::KAFKA_STORAGE_ERROR);
        }
        let id = partition.id();
        if let Some(moving) = self.moves.of(&id) {
            if Arc::ptr_eq(&moving.to, to) {
                return self.start_movers();
            }
            self.cancel_move(&id);
        }
        // The move that was cancelled may have ended before.
        if partition.is_in(&to.log_dir) {
            return Ok(());
        }
        if !matches!(self.hosted.get(&id), Some(HostedPartition::Online(_))) {
            return Err(ErrorCode::KAFKA_STORAGE_ERROR);
        }
        // First: nobody would go on with a move that was begun without.
        self.start_movers()?;
        let begun = self.begin_move(partition, to);
        begun.map_err(|error| {
            tracing::error!(partition = %partition.name(), %error, "cannot move the log");
            error.code()
        })?;
        Ok(())
    }

    fn start_movers(self: &Arc<Self>) -> Result<(), ErrorCode> {
        ensure_threads(self).map_err(|error| {
            tracing::error!(%error, "cannot start a thread that moves logs");
            ErrorCode::UNKNOWN_SERVER_ERROR
        })
    }

    fn online_dir(&self, path: &Path) -> Result<&Arc<DataDir>, ErrorCode> {
        let wanted = absolute(path);
        if self.failed_at_start.iter().any(|it| absolute(it) == wanted) {
            return Err(ErrorCode::KAFKA_STORAGE_ERROR);
        }
        let mut dirs = self.dirs.iter();
        match dirs.find(|dir| absolute(dir.path()) == wanted) {
            None => Err(ErrorCode::LOG_DIR_NOT_FOUND),
            Some(dir) if dir.log_dir.is_offline() => Err(ErrorCode::KAFKA_STORAGE_ERROR),
            Some(dir) => Ok(dir),
        }
    }
}

/// A directory as Kafka names it, whatever the config says.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
