//! The broker in a node: the replicas, the groups, the registration with the cluster, and the listeners of
//! clients.

use std::sync::Arc;
use std::time::Duration;

use super::broker_addresses::keep_broker_addresses;
use super::client_metrics::{self, SubscriptionPublisher};
use super::directories::Directories;
use super::endpoints::Advertised;
use super::identity;
use super::live_config::LiveConfig;
use super::replicas::ReplicaStarter;
use super::sockets::Sockets;
use super::stop_all;
use crate::api::{Api, BrokerParts, Dispatcher, Parts};
use crate::config::BrokerConfig;
use crate::coordinator::GroupCoordinator;
use crate::metadata::driver::{Metadata, MetadataPublisher, OnFatal};
use crate::metadata::{BrokerLifecycle, ControllerHandle, ControllerLink};
use crate::model::{BrokerId, Offset};
use crate::network::{Network, RunningListener};
use crate::replication::manager::ReplicaManager;
use crate::telemetry::{ClientMetrics, Metrics};

/// How long the broker may take to hand over its partitions when it stops.
const HANDOVER_TIME: Duration = Duration::from_secs(10);
/// The same on a node whose quorum has failed: it hears of no other controller than the last.
const HURRIED_HANDOVER_TIME: Duration = Duration::from_secs(1);

/// A broker whose publishers are registered, and that waits for the first image.
pub(super) struct PreparedBroker {
    live: Arc<LiveConfig>,
    starter: ReplicaStarter,
    client_metrics: Arc<ClientMetrics>,
}

/// A running broker.
pub(super) struct BrokerRole {
    listeners: Vec<RunningListener>,
    lifecycle: Arc<BrokerLifecycle>,
    replicas: ReplicaManager,
    groups: GroupCoordinator,
    /// What its listeners serve.
    parts: Parts,
    /// The address for clients: host and port of the first broker listener.
    bootstrap: String,
}

/// Replicas that are to be closed, when the broker has left the cluster.
pub(super) struct StoppedReplicas {
    replicas: ReplicaManager,
    epoch: i64,
}

/// Makes what of a broker has to be there before the metadata is read, with the publishers that act for
/// it.
pub(super) fn prepare(
    live: &Arc<LiveConfig>,
    directories: &Directories,
    metrics: &Arc<Metrics>,
    on_fatal: &OnFatal,
) -> (PreparedBroker, [Box<dyn MetadataPublisher>; 2]) {
    let (starter, publisher) = ReplicaStarter::new(live, directories, metrics, on_fatal);
    let client_metrics = client_metrics::of(&live.current());
    let subscriptions = Box::new(SubscriptionPublisher(Arc::clone(&client_metrics)));
    let broker = PreparedBroker {
        live: Arc::clone(live),
        starter,
        client_metrics,
    };
    (broker, [subscriptions, publisher])
}

impl PreparedBroker {
    /// Waits for the replicas, registers, and serves clients once the cluster counts on this broker.
    pub(super) async fn start(
        self,
        node: NodeSoFar<'_>,
        parts: Parts,
        sockets: Sockets,
    ) -> anyhow::Result<BrokerRole> {
        let Self {
            live,
            mut starter,
            client_metrics,
        } = self;
        let NodeSoFar {
            config,
            directories,
            advertised,
            metadata,
            network,
        } = node;
        let (replicas, groups) = starter.started().await?;
        let identity = identity::of_broker(config, directories, advertised, &replicas);
        // Heartbeats have a way of their own: no request of a client is before them.
        let controller = anywhere(config, metadata);
        let lifecycle =
            starter.begin_life(identity, replicas.manager.clone(), controller, metadata)?;
        tell_of_cordoned(&live, &lifecycle, &replicas.manager);
        lifecycle.caught_up().await?;
        let life = Arc::clone(&lifecycle);
        replicas.manager.set_broker_epoch(move || life.epoch());
        lifecycle.set_ready();
        lifecycle.unfenced().await?;
        seen_unfenced(metadata, config.node.node_id).await;
        let parts = Parts {
            controller: anywhere(config, metadata),
            broker: Some(BrokerParts {
                lifecycle: Arc::clone(&lifecycle),
                replicas: replicas.manager.clone(),
                groups: groups.clone(),
                client_metrics,
            }),
            ..parts
        };
        let api = Api::new(parts.clone());
        let network = network.with_handler(Arc::new(Dispatcher::new(Arc::new(api))));
        let listeners = &config.network.listeners;
        if listeners.inter_broker.is_none() {
            tokio::spawn(keep_broker_addresses(
                Arc::clone(metadata.published()),
                network.connections().clone(),
                config.node.node_id,
                listeners.to_brokers.clone(),
            ));
        }
        Ok(BrokerRole {
            listeners: sockets.serve_brokers(&network),
            lifecycle,
            replicas: replicas.manager,
            groups,
            parts,
            bootstrap: advertised.bootstrap(),
        })
    }
}

/// The parts of a node that its broker is built on.
pub(super) struct NodeSoFar<'a> {
    pub(super) config: &'a BrokerConfig,
    pub(super) directories: &'a Directories,
    pub(super) advertised: &'a Advertised,
    pub(super) metadata: &'a Metadata,
    pub(super) network: &'a Arc<Network>,
}

impl BrokerRole {
    /// What its listeners serve.
    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Host and port for clients.
    pub(super) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Hands the partitions over, and serves clients no more. Until others lead, clients and followers are
    /// served as ever: so a partition is without a leader for as long as it takes to tell of the next.
    pub(super) async fn stop(self, has_quorum_failed: bool) -> StoppedReplicas {
        let epoch = self.lifecycle.epoch();
        let time = if has_quorum_failed {
            HURRIED_HANDOVER_TIME
        } else {
            HANDOVER_TIME
        };
        if !self.lifecycle.shut_down(time).await {
            tracing::warn!("the controller did not take over in time");
        }
        // Groups come before listeners, because members wait for each other for longer than a stop may take.
        self.groups.stop();
        stop_all(self.listeners).await;
        StoppedReplicas {
            replicas: self.replicas,
            epoch,
        }
    }
}

impl StoppedReplicas {
    /// Syncs and closes the logs. It waits for disks.
    pub(super) fn close(self) {
        self.replicas.close(self.epoch);
    }
}

/// The way to the active controller, which can be another node unless this one is the only voter.
pub(super) fn anywhere(config: &BrokerConfig, metadata: &Metadata) -> ControllerHandle {
    let node = &config.node;
    let controller = metadata.controller();
    match &node.controller_quorum_voters[..] {
        [only] if only.id == node.node_id => controller.clone(),
        voters => controller.with_link(ControllerLink::new(node.node_id, voters)),
    }
}

/// Tells the controller of the log directories that get no new replicas, now and after each change.
fn tell_of_cordoned(
    live: &LiveConfig,
    lifecycle: &Arc<BrokerLifecycle>,
    replicas: &ReplicaManager,
) {
    let (lifecycle, replicas) = (Arc::clone(lifecycle), replicas.clone());
    // The replicas have taken over the change before: they subscribed first.
    live.subscribe(move |_| lifecycle.set_cordoned(replicas.cordoned_dirs()));
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
