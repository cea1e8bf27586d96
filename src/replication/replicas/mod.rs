//! The replicas of this broker: what the metadata puts here is found on the disks or created, gets its
//! role, is described, written to by the leader, and removed again.
//!
//! Owns: the one right to change which partitions are here, and the settings. Handed: the table of
//! partitions, which it fills; the directories; the moves; the fetchers, which it tells whom to follow; the
//! metrics. A thread of it looks again at what waits for no change of the metadata. Invariants: changes of
//! the metadata are applied one at a time; what the metadata does not put here is set aside at the start, never deleted.

mod append;
mod create;
mod delete_records;
mod describe;
mod find;
mod heal;
mod kept;
mod late;
mod list_offsets;
mod make;
mod open;
mod remove;
mod roles;
mod second_look;
mod stray;
mod topic_configs;

use std::io;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::{Mutex, MutexGuard};

use crate::model::{BrokerId, TopicPartition};
use crate::protocol::error_code::ErrorCode;
use crate::replication::dirs::Dirs;
use crate::replication::follower::Followers;
use crate::replication::hosted::Hosted;
use crate::replication::moves::Moves;
use crate::replication::settings::ReplicaSettings;
use crate::storage::partition_folder::{self, FolderMark};
use crate::telemetry::Metrics;

use make::BeingMade;
use second_look::SecondLook;

pub use append::wait_for_acks;
pub use describe::{DirDescription, LogDescription};

/// The longest name of a folder, in bytes.
const NAME_LIMIT: usize = 255;

/// Holds the replicas that the metadata puts here.
pub struct Replicas {
    node_id: BrokerId,
    settings: Arc<ArcSwap<ReplicaSettings>>,
    hosted: Arc<Hosted>,
    dirs: Arc<Dirs>,
    moves: Arc<Moves>,
    followers: Arc<Followers>,
    metrics: Arc<Metrics>,
    second_look: SecondLook,
    being_made: BeingMade,
    /// Whether replication has stopped. The lock is held while partitions come, go, or change roles:
    /// changes are applied one at a time, and none after the stop.
    is_closed: Mutex<bool>,
}

impl Replicas {
    /// No replica is open yet; see [`Self::open`].
    pub fn new(
        settings: &Arc<ArcSwap<ReplicaSettings>>,
        hosted: &Arc<Hosted>,
        dirs: &Arc<Dirs>,
        moves: &Arc<Moves>,
        followers: &Arc<Followers>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        Self {
            node_id: settings.load().node_id,
            settings: Arc::clone(settings),
            hosted: Arc::clone(hosted),
            dirs: Arc::clone(dirs),
            moves: Arc::clone(moves),
            followers: Arc::clone(followers),
            metrics: Arc::clone(metrics),
            second_look: SecondLook::default(),
            being_made: BeingMade::default(),
            is_closed: Mutex::new(false),
        }
    }

    /// Starts the thread that looks again at what is not as it should be.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start_threads(self: &Arc<Self>) -> io::Result<()> {
        second_look::start(self)
    }

    /// Moves a replica to the log directory `path`: at once if its log does not exist yet, otherwise in the
    /// background. A move to another directory is given up; one to `path` goes on. It blocks on the disk.
    ///
    /// # Errors
    /// LOG_DIR_NOT_FOUND, KAFKA_STORAGE_ERROR, INVALID_REPLICA_ASSIGNMENT if it is cordoned,
    /// INVALID_TOPIC_EXCEPTION for a name that leaves no room for the copy's mark, REPLICA_NOT_AVAILABLE if
    /// there is no such replica here yet.
    pub fn move_replica(&self, name: &TopicPartition, path: &Path) -> Result<(), ErrorCode> {
        let marked = partition_folder::marked_folder_name(name, FolderMark::Future, [0; 16]);
        if marked.len() > NAME_LIMIT {
            return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
        }
        let to = self.dirs.online_at(path)?;
        if to.is_cordoned() {
            return Err(ErrorCode::INVALID_REPLICA_ASSIGNMENT);
        }
        // While the lock is held partitions neither come nor go.
        let is_closed = self.is_closed.lock();
        match self.hosted.partition_by_name(name) {
            Ok(_) if *is_closed => Err(ErrorCode::KAFKA_STORAGE_ERROR),
            Ok(partition) => self.moves.move_to(&partition, to),
            Err(error) => match error.code() {
                ErrorCode::NOT_LEADER_OR_FOLLOWER => {
                    self.moves.prefer(name.clone(), to.log_dir.id());
                    Err(ErrorCode::REPLICA_NOT_AVAILABLE)
                }
                code => Err(code),
            },
        }
    }

    /// Stops taking changes. `None` for all callers but the first; they wait until the first one drops the
    /// lock.
    pub fn close(&self) -> Option<MutexGuard<'_, bool>> {
        self.second_look.end();
        let mut is_closed = self.is_closed.lock();
        let is_first = !std::mem::replace(&mut *is_closed, true);
        self.dirs.all().iter().for_each(|dir| dir.late.end());
        is_first.then_some(is_closed)
    }
}
