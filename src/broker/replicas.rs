//! Starting the replicas with the first image of the metadata, telling them of later ones, and
//! telling the rest of the broker what becomes of them.

use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use tokio::sync::oneshot;

use super::directories::Directories;
use super::live_config::LiveConfig;
use crate::metadata::delta::MetadataDelta;
use crate::metadata::driver::{Metadata, MetadataPublisher, OnFatal};
use crate::metadata::image::MetadataImage;
use crate::metadata::{BrokerIdentity, BrokerLifecycle};
use crate::model::DirectoryId;
use crate::replication::driver::{ReplicaListener, ReplicaManager, StartError, Started};
use crate::replication::partition::IsrChange;
use crate::replication::settings::ReplicaSettings;
use crate::storage::log_dir::LogDirs;

/// The broker's life, once it has begun.
type Life = Arc<OnceLock<Arc<BrokerLifecycle>>>;

/// Waits for the replicas, which start on the metadata loader's thread.
pub(super) struct ReplicaStarter {
    started: oneshot::Receiver<Result<Started, StartError>>,
    life: Life,
}

impl ReplicaStarter {
    /// A publisher that starts the replicas with the first image, and who waits for it.
    pub(super) fn new(
        config: &Arc<LiveConfig>,
        directories: &Directories,
        on_fatal: &OnFatal,
    ) -> (Self, Box<dyn MetadataPublisher>) {
        let (sender, started) = oneshot::channel();
        let life = Life::default();
        let publisher = Publisher::Waiting(Some(Box::new(Start {
            config: Arc::clone(config),
            logs: Arc::clone(directories.logs()),
            listener: Box::new(Listener {
                life: Arc::clone(&life),
                on_fatal: Arc::clone(on_fatal),
            }),
            sender,
        })));
        (Self { started, life }, Box::new(publisher))
    }

    /// Waits until all logs are open.
    pub(super) async fn started(&mut self) -> anyhow::Result<Started> {
        let started = (&mut self.started).await;
        let started = started.context("the metadata log could not be read")?;
        started.context("the replicas could not be started")
    }

    /// The broker registers, and from now on hears of directories that fail.
    pub(super) fn begin_life(
        self,
        identity: BrokerIdentity,
        metadata: &Metadata,
    ) -> anyhow::Result<Arc<BrokerLifecycle>> {
        let controller = metadata.controller().clone();
        let published = metadata.published().offset();
        let lifecycle = BrokerLifecycle::start(identity, controller, published)
            .context("cannot start the heartbeat thread")?;
        let lifecycle = Arc::new(lifecycle);
        // It is set once, here.
        let _ = self.life.set(Arc::clone(&lifecycle));
        Ok(lifecycle)
    }
}

/// What the replicas are started with.
struct Start {
    config: Arc<LiveConfig>,
    logs: Arc<LogDirs>,
    listener: Box<dyn ReplicaListener>,
    sender: oneshot::Sender<Result<Started, StartError>>,
}

/// Tells the replicas of each image; the first one starts them.
enum Publisher {
    Waiting(Option<Box<Start>>),
    Running(ReplicaManager),
}

impl MetadataPublisher for Publisher {
    fn on_update(&mut self, delta: &MetadataDelta, image: &Arc<MetadataImage>) {
        match self {
            Self::Running(manager) => drop(manager.apply(delta, image)),
            Self::Waiting(start) => {
                let Some(start) = start.take() else { return };
                let Start {
                    config,
                    logs,
                    listener,
                    sender,
                } = *start;
                let settings = ReplicaSettings::of(&config.current());
                let started = ReplicaManager::start(settings, &logs, image, listener);
                if let Ok(started) = &started {
                    let manager = started.manager.clone();
                    *self = Self::Running(manager.clone());
                    config.subscribe(move |config| {
                        manager.reconfigure(ReplicaSettings::of(config));
                    });
                }
                // Nobody waits any more only if the process stops.
                let _ = sender.send(started);
            }
        }
    }
}

/// Hears of log directories that fail.
struct Listener {
    life: Life,
    on_fatal: OnFatal,
}

impl ReplicaListener for Listener {
    fn log_dir_failed(&self, dir: DirectoryId, is_last: bool) {
        if is_last {
            (self.on_fatal)("the last log directory is offline".to_owned());
        } else if let Some(life) = self.life.get() {
            life.directory_offline(dir);
        }
    }

    fn isr_change_wanted(&self, change: IsrChange) {
        // A replica set of one never changes.
        tracing::error!(partition = ?change.partition, "an in-sync set of one node cannot change");
    }
}
