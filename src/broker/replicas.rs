//! Starts the replicas, and the group coordinator on them, with the first image of the metadata; tells both
//! of later ones, and the rest of the broker of what becomes of the replicas.

use std::sync::Arc;

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::directories::Directories;
use super::live_config::LiveConfig;
use crate::coordinator::GroupCoordinator;
use crate::metadata::delta::MetadataDelta;
use crate::metadata::driver::{Metadata, MetadataPublisher, OnFatal};
use crate::metadata::image::MetadataImage;
use crate::metadata::{
    BrokerIdentity, BrokerLifecycle, ControllerHandle, IsrChange, IsrChangeInbox, IsrChangeSender,
    IsrOutcome, ReplicaDirectory, ReplicaDirectoryInbox, ReplicaDirectorySender, isr_changes,
    replica_directories,
};
use crate::model::DirectoryId;
use crate::replication::listener::ReplicaListener;
use crate::replication::manager::{ReplicaManager, StartError, Started};
use crate::replication::settings::ReplicaSettings;
use crate::storage::log_dir::LogDirs;
use crate::telemetry::Metrics;

/// Who is told of a directory that fails.
type Tell = Box<dyn Fn(DirectoryId) + Send>;

/// The log directories that fail. Those that do before there is anybody to tell are told when there is: the
/// registration may have named them.
#[derive(Default)]
struct Failures(Mutex<(Vec<DirectoryId>, Option<Tell>)>);

impl Failures {
    fn note(&self, dir: DirectoryId) {
        let (early, tell) = &mut *self.0.lock();
        match tell {
            Some(tell) => tell(dir),
            None => early.push(dir),
        }
    }

    /// Tells of those that have failed, and of others from now on.
    fn tell(&self, tell: Tell) {
        let (early, told) = &mut *self.0.lock();
        early.drain(..).for_each(&tell);
        *told = Some(tell);
    }
}

/// The replicas, and the coordinator that runs on them.
type Running = (Started, GroupCoordinator);

/// Waits for the replicas, which start on the thread that publishes metadata.
pub(super) struct ReplicaStarter {
    started: oneshot::Receiver<Result<Running, StartError>>,
    failures: Arc<Failures>,
    replica_directories: ReplicaDirectoryInbox,
    isr_inbox: IsrChangeInbox,
    on_fatal: OnFatal,
}

impl ReplicaStarter {
    /// A publisher that starts the replicas with the first image, and the end that waits for them. It must
    /// be called on the runtime on which groups will run.
    pub(super) fn new(
        config: &Arc<LiveConfig>,
        directories: &Directories,
        metrics: &Arc<Metrics>,
        on_fatal: &OnFatal,
    ) -> (Self, Box<dyn MetadataPublisher>) {
        let (sender, started) = oneshot::channel();
        let failures = Arc::<Failures>::default();
        let (placed, replica_directories) = replica_directories();
        let (isr_changes, isr_inbox) = isr_changes();
        let publisher = Publisher::Waiting(Some(Box::new(Start {
            config: Arc::clone(config),
            runtime: Handle::current(),
            logs: Arc::clone(directories.logs()),
            listener: Box::new(Listener {
                failures: Arc::clone(&failures),
                placed: placed.clone(),
                isr_changes,
                on_fatal: Arc::clone(on_fatal),
            }),
            metrics: Arc::clone(metrics),
            placed,
            sender,
        })));
        let this = Self {
            started,
            failures,
            replica_directories,
            isr_inbox,
            on_fatal: Arc::clone(on_fatal),
        };
        (this, Box::new(publisher))
    }

    /// Waits until all logs are open.
    pub(super) async fn started(&mut self) -> anyhow::Result<Running> {
        let started = (&mut self.started).await;
        let started = started.context("the metadata log could not be read")?;
        started.context("the replicas could not be started")
    }

    /// Registers the broker, and from now on tells its life of directories that fail, and the controller of
    /// in-sync sets that `replicas` wants changed.
    pub(super) fn begin_life(
        self,
        identity: BrokerIdentity,
        replicas: ReplicaManager,
        controller: ControllerHandle,
        metadata: &Metadata,
    ) -> anyhow::Result<Arc<BrokerLifecycle>> {
        let published = metadata.published();
        let (id, offset) = (identity.id, published.offset());
        let told = self.replica_directories;
        let started =
            BrokerLifecycle::start(identity, controller.clone(), offset, told, &self.on_fatal);
        let lifecycle = started.context("cannot start the heartbeat thread")?;
        let tell = move |change: &IsrChange, outcome: &IsrOutcome| {
            replicas.isr_change_ended(change, outcome);
        };
        self.isr_inbox
            .start(
                id,
                &lifecycle,
                controller,
                Arc::clone(published),
                tell,
                &self.on_fatal,
            )
            .context("cannot start the thread that asks for in-sync sets")?;
        let lifecycle = Arc::new(lifecycle);
        let life = Arc::clone(&lifecycle);
        self.failures
            .tell(Box::new(move |dir| life.directory_offline(dir)));
        Ok(lifecycle)
    }
}

/// What the replicas are started with.
struct Start {
    config: Arc<LiveConfig>,
    runtime: Handle,
    logs: Arc<LogDirs>,
    listener: Box<dyn ReplicaListener>,
    metrics: Arc<Metrics>,
    placed: ReplicaDirectorySender,
    sender: oneshot::Sender<Result<Running, StartError>>,
}

impl Start {
    /// Starts everything with the first image, and tells the end that waits.
    fn start(self, image: &Arc<MetadataImage>) -> Option<(ReplicaManager, GroupCoordinator)> {
        let config = self.config.current();
        let settings = ReplicaSettings::of(&config);
        let node_id = settings.node_id;
        let started =
            ReplicaManager::start(&settings, &self.logs, image, self.listener, &self.metrics);
        let started = started.map(|started| {
            for replica_directory in &started.replica_directories {
                self.placed.send(*replica_directory);
            }
            let replicas = started.manager.clone();
            let manager = replicas.clone();
            self.config.subscribe(move |config| {
                manager.reconfigure(ReplicaSettings::of(config));
            });
            let (runtime, metrics) = (self.runtime, self.metrics);
            let groups =
                GroupCoordinator::start(&config.groups, node_id, replicas, runtime, metrics);
            (started, groups)
        });
        let running = started.as_ref().ok();
        let running = running.map(|(started, groups)| (started.manager.clone(), groups.clone()));
        // Nobody waits only if the process stops.
        let _ = self.sender.send(started);
        running
    }
}

/// Tells the replicas and the group coordinator of each image. The first one starts them.
enum Publisher {
    Waiting(Option<Box<Start>>),
    Running(ReplicaManager, GroupCoordinator, ReplicaDirectorySender),
}

impl MetadataPublisher for Publisher {
    fn on_update(&mut self, delta: &MetadataDelta, image: &Arc<MetadataImage>) {
        match self {
            Self::Running(replicas, groups, placed) => {
                for replica_directory in replicas.apply(delta, image) {
                    placed.send(replica_directory);
                }
                groups.apply(delta, image);
            }
            Self::Waiting(start) => {
                let Some(start) = start.take() else { return };
                let placed = start.placed.clone();
                if let Some((replicas, groups)) = start.start(image) {
                    groups.apply(delta, image);
                    *self = Self::Running(replicas, groups, placed);
                }
            }
        }
    }
}

/// Told of log directories that fail, of replicas that move, and of in-sync sets that are to change.
struct Listener {
    failures: Arc<Failures>,
    placed: ReplicaDirectorySender,
    isr_changes: IsrChangeSender,
    on_fatal: OnFatal,
}

impl ReplicaListener for Listener {
    fn log_dir_failed(&self, dir: DirectoryId, is_last: bool) {
        if is_last {
            (self.on_fatal)("the last log directory is offline".to_owned());
        } else {
            self.failures.note(dir);
        }
    }

    fn replica_placed(&self, replica_directory: ReplicaDirectory) {
        self.placed.send(replica_directory);
    }

    fn isr_change_wanted(&self, change: IsrChange) {
        self.isr_changes.send(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Uuid;

    #[test]
    fn a_directory_that_fails_before_there_is_anybody_to_tell_is_told_of_later() {
        let (failures, told) = (Failures::default(), Arc::<Mutex<Vec<_>>>::default());
        let dir = |number| Uuid::from_bytes([number; 16]);
        failures.note(dir(1));
        failures.note(dir(2));

        let sees = Arc::clone(&told);
        failures.tell(Box::new(move |dir| sees.lock().push(dir)));
        failures.note(dir(3));

        assert_eq!(*told.lock(), [1, 2, 3].map(dir));
    }
}
