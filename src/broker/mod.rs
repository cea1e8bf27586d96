//! Builds every part of a node, starts them in order, and stops them in reverse.
//!
//! The order is what the parts need of each other: directories, sockets (bound, so that peers wait
//! instead of being refused), the metadata quorum, the controller and the image, and the controller's
//! listeners, by which the quorum's members meet. A broker goes on with the replicas and its registration;
//! only when the cluster counts on it are its own listeners served. The admin listeners are there from the
//! beginning: they tell how far the node is.
//!
//! The quorum talks to its other members, and the controller's listeners are served, on a runtime of their
//! own.

mod broker_addresses;
mod broker_role;
mod client_metrics;
mod cluster_metrics;
mod controller_role;
mod descriptors;
mod directories;
mod endpoints;
mod identity;
mod live_config;
mod quotas;
mod replicas;
mod reserves;
mod service_manager;
mod sockets;
mod stop;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::runtime::{Builder, Handle};

use crate::api::{Api, Dispatcher, Parts};
use crate::config::{BrokerConfig, Loaded};
use crate::metadata::broken_connections;
use crate::metadata::driver::{self, Metadata};
use crate::network::RunningListener;
use crate::protocol::{ApiKey, Str};
use crate::raft::wire::QuorumAddresses;
use crate::raft::{Raft, VoterLines};
use crate::telemetry::{Loggers, Metrics};
use crate::{health, web};
use broker_role::{BrokerRole, NodeSoFar};
use directories::Directories;
use endpoints::Advertised;
use live_config::{ConfigPublisher, LiveConfig};
use quotas::Quotas;
use sockets::Sockets;
use stop::{StopReason, StopSignal};

/// Who acts on the metadata, in order.
type Publishers = Vec<Box<dyn driver::MetadataPublisher>>;

/// How long requests that have begun may go on when the broker stops.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How long work that a connection left behind may hold up the end of the process.
const LEFTOVER_TIME: Duration = Duration::from_secs(1);
/// The threads of the quorum's connections: one can be busy with an admin's request.
const QUORUM_THREADS: usize = 2;

/// Runs a node until it is asked to stop, or cannot go on.
///
/// # Errors
/// The node cannot start, or had to stop. The text says why, and what to do.
pub fn start(loaded: Loaded, loggers: Loggers) -> anyhow::Result<()> {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .thread_name("broker-worker")
        .build()
        .context("cannot start the worker threads")?;
    let quorum = Builder::new_multi_thread()
        .enable_all()
        .worker_threads(QUORUM_THREADS)
        .thread_name("quorum-worker")
        .build()
        .context("cannot start the quorum's threads")?;
    let admin = web::runtime().context("cannot start the thread of the admin listeners")?;
    let runtimes = Runtimes {
        quorum: quorum.handle().clone(),
        admin: admin.handle().clone(),
    };
    let outcome = runtime.block_on(run(loaded, loggers, &runtimes));
    admin.shutdown_background();
    runtime.shutdown_timeout(LEFTOVER_TIME);
    quorum.shutdown_timeout(LEFTOVER_TIME);
    outcome
}

/// The runtimes beside that of clients.
struct Runtimes {
    /// Of the quorum's connections, and the listeners of the controller.
    quorum: Handle,
    /// Of the admin listeners.
    admin: Handle,
}

async fn run(loaded: Loaded, loggers: Loggers, runtimes: &Runtimes) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut stop = StopSignal::listen()?;
    let on_fatal = Arc::clone(stop.on_fatal());
    let seen = serve_admins(&loaded.config, runtimes).await?;
    let starting = Node::start(loaded, loggers, &on_fatal, &runtimes.quorum, &seen);
    let node = tokio::select! {
        node = starting => node?,
        // A broker may wait for the quorum for long. What it has done so far a kill does not harm.
        reason = stop.wait() => return stopped_early(reason),
    };
    let ready = started.elapsed().as_millis();
    match &node.broker {
        Some(broker) => {
            let bootstrap = broker.bootstrap();
            tracing::info!(
                "ready after {ready} ms: clients connect to {bootstrap}; a first message: \
                 echo hello | kcat -b {bootstrap} -P -t first && kcat -b {bootstrap} -C -t first -e"
            );
        }
        None => tracing::info!("ready after {ready} ms: this node is a controller, and no broker"),
    }
    service_manager::tell(service_manager::READY);
    let reason = stop.wait().await;
    tracing::info!("stopping: {reason}");
    service_manager::tell(service_manager::STOPPING);
    seen.set_stage(web::Stage::Stopping);
    node.stop().await;
    tracing::info!("stopped");
    reason.into_result()
}

fn stopped_early(reason: StopReason) -> anyhow::Result<()> {
    tracing::info!("stopping before the start is done: {reason}");
    reason.into_result()
}

/// Begins to serve the admin listeners. Returns the node as they see it.
async fn serve_admins(
    config: &BrokerConfig,
    runtimes: &Runtimes,
) -> anyhow::Result<Arc<web::Node>> {
    let node = Arc::new(web::Node::starting(
        Arc::new(config.clone()),
        Arc::new(metrics_of_all_apis()),
        Handle::current(),
        runtimes.quorum.clone(),
    ));
    let machine = endpoints::host_name();
    let connections = descriptors::for_admins();
    web::serve(Arc::clone(&node), &machine, connections, &runtimes.admin).await?;
    Ok(node)
}

/// A running node.
struct Node {
    directories: Directories,
    /// The listeners of the controller.
    listeners: Vec<RunningListener>,
    broker: Option<BrokerRole>,
    metadata: Metadata,
    raft: Raft,
}

impl Node {
    async fn start(
        loaded: Loaded,
        loggers: Loggers,
        on_fatal: &driver::OnFatal,
        quorum: &Handle,
        seen: &web::Node,
    ) -> anyhow::Result<Self> {
        let (config, metrics) = (Arc::clone(&seen.config), Arc::clone(&seen.metrics));
        let directories = Directories::open(&config)?;
        let mut sockets = Sockets::bind(&config.network, quorum).await?;
        let advertised = Advertised::new(&config.network.listeners, |name| sockets.port_of(name));
        let address = health::address(&config.network.listeners, |name| sockets.port_of(name));
        let (raft, events, addresses) = open_quorum(&config, &directories, on_fatal, quorum)?;
        let live = LiveConfig::new(&loaded.settings, &config);
        let (quotas, quota_publisher) = Quotas::new(&config.quotas);
        let mut publishers = publishers_of_all(&live, quota_publisher, &metrics);
        let broker = config.node.process_roles.is_broker().then(|| {
            let (broker, of_broker) = broker_role::prepare(&live, &directories, &metrics, on_fatal);
            publishers.extend(of_broker);
            broker
        });
        let own = identity::metadata_config(&config, &loaded.settings, &directories, &advertised)?;
        let registration = own.registration.clone();
        let metadata = Metadata::start(own, events, &raft, publishers, on_fatal)
            .context("cannot start the metadata threads")?;
        cluster_metrics::begin(&metadata, &raft, config.node.node_id, &metrics, quorum);
        let (broken_connections, inbox) = broken_connections();
        let parts = Parts {
            config: Arc::clone(&config),
            settings: loaded.settings,
            cluster_id: directories.cluster_id().to_owned(),
            metadata: Arc::clone(metadata.published()),
            controller: metadata.controller().clone(),
            loggers: Arc::new(loggers),
            quotas: Arc::clone(&quotas.of_clients),
            metrics: Arc::clone(&metrics),
            raft: raft.clone(),
            quorum: addresses,
            broken_connections,
            broker: None,
        };
        let of_controller = Arc::new(Dispatcher::new(Arc::new(Api::new(parts.clone()))));
        let of_controller = sockets.serve_controllers(&live, of_controller, metrics);
        let (listeners, network) = of_controller.await?;
        controller_role::begin(&config, &metadata, inbox, registration, quorum);
        let so_far = NodeSoFar {
            config: &config,
            directories: &directories,
            advertised: &advertised,
            metadata: &metadata,
            network: &network,
        };
        let broker = match broker {
            Some(broker) => Some(broker.start(so_far, parts.clone(), sockets).await?),
            None => None,
        };
        let parts = broker.as_ref().map_or(parts, |it| it.parts().clone());
        seen.serves(web::Serving::new(parts, &network, address));
        directories.reserves().keep()?;
        quotas.keep_rates(network.connections().clone(), &metadata.published().image());
        Ok(Self {
            directories,
            listeners,
            broker,
            metadata,
            raft,
        })
    }

    /// Stops the parts in reverse: requests that have begun are answered, the cluster is told, everything
    /// that was acknowledged is synced, the quorum hands over, and the directories are marked as closed
    /// in order.
    async fn stop(self) {
        let Self {
            directories,
            listeners,
            broker,
            metadata,
            raft,
        } = self;
        let replicas = match broker {
            Some(broker) => Some(broker.stop(raft.has_ended()).await),
            None => None,
        };
        let closing = tokio::task::spawn_blocking(move || {
            directories.reserves().stop();
            if let Some(replicas) = replicas {
                replicas.close();
            }
            metadata.stop();
            // The next leader's answers come by the listeners of the controller.
            raft.close();
            directories.reserves().retake();
            drop(directories);
        });
        if closing.await.is_err() {
            tracing::error!("closing the logs failed: the next start will recover them");
        }
        stop_all(listeners).await;
    }
}

/// Who acts on the metadata in every node. The config comes first, because a new topic gets the defaults that
/// came with it.
fn publishers_of_all(
    live: &Arc<LiveConfig>,
    quotas: Box<dyn driver::MetadataPublisher>,
    metrics: &Arc<Metrics>,
) -> Publishers {
    let config = Box::new(ConfigPublisher(Arc::clone(live)));
    vec![config, quotas, cluster_metrics::publisher(live, metrics)]
}

fn metrics_of_all_apis() -> Metrics {
    Metrics::new(ApiKey::ALL.iter().map(|api| (*api as i16, api.name())))
}

/// Stops listeners, all at the same time.
async fn stop_all(listeners: Vec<RunningListener>) {
    let stopping = listeners
        .into_iter()
        .map(|listener| listener.stop(STOP_GRACE));
    for stopped in stopping.map(tokio::spawn).collect::<Vec<_>>() {
        // A listener's panic is logged where it happens; the others are stopped all the same.
        let _ = stopped.await;
    }
}

/// Opens the metadata log, and begins to talk to the other voters.
fn open_quorum(
    config: &BrokerConfig,
    directories: &Directories,
    on_fatal: &driver::OnFatal,
    runtime: &Handle,
) -> anyhow::Result<(Raft, driver::LogEvents, Arc<QuorumAddresses>)> {
    let addresses = Arc::new(quorum_addresses(config, directories));
    let (listener, events) = driver::events();
    let settings = directories.quorum(config);
    let lines = VoterLines::new(
        runtime,
        &addresses,
        config.node.node_id,
        settings.timeouts.request,
        on_fatal,
    );
    let raft = Raft::open(&settings, directories.disk(), listener, Box::new(lines))?;
    Ok((raft, events, addresses))
}

/// Where the quorum's members are found, as the config says.
fn quorum_addresses(config: &BrokerConfig, directories: &Directories) -> QuorumAddresses {
    QuorumAddresses {
        cluster_id: Str::copy_from(directories.cluster_id()),
        voters: config.node.controller_quorum_voters.clone(),
        listener: Str::copy_from(&config.network.listeners.to_controllers),
    }
}
