//! Builds the rooms and starts them bottom-up; stops them top-down.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{ReplicaManager, Rooms};
use crate::metadata::ReplicaDirectory;
use crate::metadata::image::MetadataImage;
use crate::replication::dirs::Dirs;
use crate::replication::fetch::Fetches;
use crate::replication::follower::{Followers, Logs};
use crate::replication::hosted::Hosted;
use crate::replication::listener::ReplicaListener;
use crate::replication::moves::Moves;
use crate::replication::replicas::Replicas;
use crate::replication::settings::ReplicaSettings;
use crate::replication::throttle::Throttles;
use crate::replication::upkeep::{Cleaner, Upkeep};
use crate::storage::log_dir::LogDirs;
use crate::telemetry::Metrics;

/// The replicas could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system gives no more threads.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// What the rest of the broker needs to know after the start.
#[derive(Debug)]
pub struct Started {
    /// The handle on the replicas.
    pub manager: ReplicaManager,
    /// The broker epoch of the last stop, if all directories were closed in order then. The registration
    /// tells it to the controller (KIP-966).
    pub previous_broker_epoch: Option<i64>,
    /// The directories of replicas that the controller does not know yet.
    pub replica_directories: Vec<ReplicaDirectory>,
}

impl ReplicaManager {
    /// Opens the logs in `dirs` and gives each its role by `image`; what happens to them is counted in
    /// `metrics`. It blocks until all are open, which after a crash includes reading everything that was
    /// not synced.
    ///
    /// # Errors
    /// See [`StartError`]. A disk that fails costs only its directory.
    pub fn start(
        settings: &ReplicaSettings,
        dirs: &LogDirs,
        image: &Arc<MetadataImage>,
        listener: Box<dyn ReplicaListener>,
        metrics: &Arc<Metrics>,
    ) -> Result<Started, StartError> {
        let rooms = Rooms::new(settings.clone(), dirs, image, listener, metrics);
        let rooms = Arc::new(rooms);
        let opened = rooms.replicas.open(image)?;
        rooms.dirs.start_threads()?;
        rooms.upkeep.start_threads(settings)?;
        rooms.replicas.start_threads()?;
        Ok(Started {
            manager: Self { rooms },
            previous_broker_epoch: opened.previous_broker_epoch,
            replica_directories: opened.replica_directories,
        })
    }

    /// Stops in order: no partition is served any more, all logs are closed and durable, and each directory
    /// in which that worked is marked with the broker epoch. It blocks.
    pub fn close(&self, broker_epoch: i64) {
        let rooms = &*self.rooms;
        let Some(_no_change_of_metadata) = rooms.replicas.close() else {
            return;
        };
        rooms.followers.stop();
        rooms.upkeep.stop();
        rooms.moves.stop();
        rooms.dirs.stop_threads();
        rooms.dirs.close(broker_epoch);
    }
}

impl Rooms {
    /// The rooms, without threads yet.
    pub(crate) fn new(
        settings: ReplicaSettings,
        dirs: &LogDirs,
        image: &Arc<MetadataImage>,
        listener: Box<dyn ReplicaListener>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let (node_id, max_sessions) = (settings.node_id, settings.max_fetch_sessions);
        let cordoned = settings.storage.cordoned_log_dirs.clone();
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let listener: Arc<dyn ReplicaListener> = Arc::from(listener);
        let (count, offline_count) = (&metrics.partitions, &metrics.offline_partitions);
        let hosted = Arc::new(Hosted::new(image, count.clone(), offline_count.clone()));
        let throttles = Throttles::new(&hosted, node_id);
        let dirs = Dirs::new(dirs, &hosted, &listener, metrics);
        dirs.cordon(&cordoned);
        let moves = Moves::new(&settings, &hosted, &dirs, &listener);
        let cleaner = Cleaner::new(&settings, &hosted, &dirs, &moves, metrics);
        let upkeep = Upkeep::new(&hosted, &dirs, &listener, cleaner);
        let fetches = Fetches::new(&hosted, &dirs, &listener, &throttles, max_sessions);
        let logs = Logs::new(&hosted, &dirs, &throttles);
        let followers = Arc::new(Followers::new(&settings, &hosted, logs));
        let replicas = Replicas::new(&settings, &hosted, &dirs, &moves, &followers, metrics);
        let replicas = Arc::new(replicas);
        Self {
            hosted,
            dirs,
            moves,
            upkeep,
            fetches,
            followers,
            replicas,
        }
    }
}
