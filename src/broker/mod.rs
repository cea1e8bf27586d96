//! Builds every part of a node, starts them in order, and stops them in reverse.
//!
//! The order is what the parts need of each other: directories, sockets (bound, so that clients wait
//! instead of being refused), the metadata quorum, the controller and the image, the replicas, the
//! broker's registration; only when the cluster counts on it are requests served.

mod client_metrics;
mod directories;
mod endpoints;
mod identity;
mod live_config;
mod quotas;
mod replicas;
mod reserves;
mod sockets;
mod stop;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::api::{Api, Dispatcher, Parts};
use crate::config::Loaded;
use crate::coordinator::GroupCoordinator;
use crate::metadata::BrokerLifecycle;
use crate::metadata::driver::{self, Metadata};
use crate::model::{BrokerId, Offset};
use crate::network::RunningListener;
use crate::protocol::ApiKey;
use crate::raft::Raft;
use crate::replication::manager::ReplicaManager;
use crate::telemetry::{Loggers, Metrics};
use client_metrics::SubscriptionPublisher;
use directories::Directories;
use endpoints::Advertised;
use live_config::{ConfigPublisher, LiveConfig};
use quotas::Quotas;
use replicas::ReplicaStarter;
use sockets::Sockets;
use stop::StopSignal;

/// How long requests that have begun may go on when the broker stops.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How long the broker may take to hand over its partitions when it stops.
const HANDOVER_TIME: Duration = Duration::from_secs(10);
/// How long work that a connection left behind may hold up the end of the process.
const LEFTOVER_TIME: Duration = Duration::from_secs(1);

/// Runs a node until it is asked to stop, or cannot go on.
///
/// # Errors
/// The node cannot start, or had to stop. The text says why, and what to do.
pub fn start(loaded: Loaded, loggers: Loggers) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("broker-worker")
        .build()
        .context("cannot start the worker threads")?;
    let outcome = runtime.block_on(run(loaded, loggers));
    runtime.shutdown_timeout(LEFTOVER_TIME);
    outcome
}

async fn run(loaded: Loaded, loggers: Loggers) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut stop = StopSignal::listen()?;
    let node = Node::start(loaded, loggers, &stop).await?;
    let bootstrap = &node.bootstrap;
    tracing::info!(
        "ready after {} ms: clients connect to {bootstrap}; a first message: \
         echo hello | kcat -b {bootstrap} -P -t first && kcat -b {bootstrap} -C -t first -e",
        started.elapsed().as_millis(),
    );
    let reason = stop.wait().await;
    tracing::info!("stopping: {reason}");
    node.stop().await;
    tracing::info!("stopped");
    reason.into_result()
}

/// Waits until requests find this broker unfenced, and its partitions led: the controller says so when that
/// is committed, which is before it is published.
async fn seen_unfenced(metadata: &Metadata, node: BrokerId) {
    let published = metadata.published();
    let is_seen = |_: &Offset| {
        let image = published.image();
        image.brokers().get(node).is_some_and(|own| !own.fenced)
    };
    // An error means that the process stops.
    let _ = published.offset().wait_for(is_seen).await;
}

/// A running node.
struct Node {
    directories: Directories,
    listeners: Vec<RunningListener>,
    lifecycle: Arc<BrokerLifecycle>,
    replicas: ReplicaManager,
    groups: GroupCoordinator,
    metadata: Metadata,
    raft: Raft,
    /// The address for clients: host and port of the first broker listener.
    bootstrap: String,
}

impl Node {
    async fn start(loaded: Loaded, loggers: Loggers, stop: &StopSignal) -> anyhow::Result<Self> {
        let config = Arc::new(loaded.config);
        let directories = Directories::open(&config)?;
        let sockets = Sockets::bind(&config.network).await?;
        let advertised = Advertised::new(&config.network.listeners, |name| sockets.port_of(name));

        let (listener, events) = driver::events();
        let raft = Raft::open(&directories.quorum(&config), directories.disk(), listener)?;
        let apis = ApiKey::ALL.iter().map(|api| (*api as i16, api.name()));
        let metrics = Arc::new(Metrics::new(apis));
        let live = LiveConfig::new(&loaded.settings, &config);
        let (mut starter, publisher) =
            ReplicaStarter::new(&live, &directories, &metrics, stop.on_fatal());
        let (quotas, quota_publisher) = Quotas::new(&config.quotas);
        let client_metrics = client_metrics::of(&config);
        let metadata = Metadata::start(
            identity::metadata_config(&config, &loaded.settings, &directories, &advertised)?,
            events,
            &raft,
            vec![
                // The config comes first, because a new topic gets the defaults that came with it.
                Box::new(ConfigPublisher(Arc::clone(&live))),
                quota_publisher,
                Box::new(SubscriptionPublisher(Arc::clone(&client_metrics))),
                publisher,
            ],
            stop.on_fatal(),
        )
        .context("cannot start the metadata threads")?;
        let (replicas, groups) = starter.started().await?;
        let identity = identity::of_broker(&config, &directories, &advertised, &replicas);
        let lifecycle = starter.begin_life(identity, &metadata)?;
        lifecycle.caught_up().await?;
        lifecycle.set_ready();
        lifecycle.unfenced().await?;
        seen_unfenced(&metadata, config.node.node_id).await;
        directories.reserves().keep()?;

        let api = Api::new(Parts {
            config: Arc::clone(&config),
            settings: loaded.settings,
            cluster_id: directories.cluster_id().to_owned(),
            metadata: Arc::clone(metadata.published()),
            controller: metadata.controller().clone(),
            lifecycle: Arc::clone(&lifecycle),
            replicas: replicas.manager.clone(),
            groups: groups.clone(),
            loggers,
            quotas: Arc::clone(&quotas.of_clients),
            metrics: Arc::clone(&metrics),
            client_metrics,
            raft: raft.clone(),
        });
        let handler = Arc::new(Dispatcher::new(Arc::new(api)));
        let network = &live.current().network;
        let (listeners, connections) = sockets.serve(network, handler, metrics).await?;
        sockets::keep_limits(&live, connections.clone());
        quotas.keep_rates(connections, &metadata.published().image());
        Ok(Self {
            directories,
            listeners,
            lifecycle,
            replicas: replicas.manager,
            groups,
            metadata,
            raft,
            bootstrap: advertised.bootstrap(),
        })
    }

    /// Stops the parts in reverse: requests that have begun are answered, the cluster is told, everything
    /// that was acknowledged is synced, and the directories are marked as closed in order.
    async fn stop(self) {
        // Groups come first, because members wait for each other for longer than a stop may take.
        self.groups.stop();
        let stopping = self
            .listeners
            .into_iter()
            .map(|listener| listener.stop(STOP_GRACE));
        for stopped in stopping.map(tokio::spawn).collect::<Vec<_>>() {
            // A listener's panic is logged where it happens; the others are stopped all the same.
            let _ = stopped.await;
        }
        let epoch = self.lifecycle.epoch();
        if !self.lifecycle.shut_down(HANDOVER_TIME).await {
            tracing::warn!("the controller did not take over in time");
        }
        let Self {
            replicas,
            metadata,
            raft,
            directories,
            ..
        } = self;
        let closing = tokio::task::spawn_blocking(move || {
            directories.reserves().stop();
            replicas.close(epoch);
            metadata.stop();
            raft.close();
            directories.reserves().retake();
            drop(directories);
        });
        if closing.await.is_err() {
            tracing::error!("closing the logs failed: the next start will recover them");
        }
    }
}
