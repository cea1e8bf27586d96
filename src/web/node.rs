//! The node as those see it who serve HTTP: what it is, how far it is, and its parts once it has them.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use crate::api::Parts;
use crate::config::BrokerConfig;
use crate::health::{self, Question, Verdict};
use crate::network::Network;
use crate::telemetry::Metrics;

/// How long a runtime may take to do nothing before it counts as standing still.
const STANDS_STILL: Duration = Duration::from_secs(2);

/// A node, from its start to its stop.
pub struct Node {
    /// The config that it was started with.
    pub config: Arc<BrokerConfig>,
    /// Its metrics.
    pub metrics: Arc<Metrics>,
    workers: Handle,
    quorum: Handle,
    stage: ArcSwap<Stage>,
}

/// How far a node is.
pub enum Stage {
    /// It opens its logs, waits for the quorum, or for being registered.
    Starting,
    /// It serves.
    Serving(Box<Serving>),
    /// It hands its partitions over, and closes its logs.
    Stopping,
}

/// A node that serves.
pub struct Serving {
    /// Its parts, those of a broker if it is one.
    pub parts: Parts,
    /// What its listeners share.
    pub network: Arc<Network>,
    /// Where it can be asked by Kafka's protocol, or why it cannot.
    pub address: Result<String, String>,
}

impl Serving {
    /// A node with these parts and listeners.
    pub fn new(parts: Parts, network: &Arc<Network>, address: Result<String, String>) -> Self {
        Self {
            parts,
            network: Arc::clone(network),
            address,
        }
    }
}

impl Node {
    /// A node that is starting. The runtime `workers` will serve its clients, and `quorum` the other nodes of
    /// the metadata quorum.
    pub fn starting(
        config: Arc<BrokerConfig>,
        metrics: Arc<Metrics>,
        workers: Handle,
        quorum: Handle,
    ) -> Self {
        Self {
            config,
            metrics,
            workers,
            quorum,
            stage: ArcSwap::from_pointee(Stage::Starting),
        }
    }

    /// Notes that the node is in another stage.
    pub fn set_stage(&self, stage: Stage) {
        self.stage.store(Arc::new(stage));
    }

    /// Notes that the node serves.
    pub fn serves(&self, serving: Serving) {
        self.set_stage(Stage::Serving(Box::new(serving)));
    }

    /// The stage that the node is in.
    pub fn stage(&self) -> Arc<Stage> {
        self.stage.load_full()
    }

    /// The runtime that serves clients.
    pub(super) fn workers(&self) -> &Handle {
        &self.workers
    }

    /// Whether its runtimes turn. It depends on no other node and on no disk.
    pub(super) async fn is_alive(&self) -> Verdict {
        for (name, runtime) in [("worker", &self.workers), ("quorum's", &self.quorum)] {
            let turn = runtime.spawn(async {});
            // It does not fail but where its runtime ends, with the process.
            if tokio::time::timeout(STANDS_STILL, turn).await.is_err() {
                return Err(format!("the {name} threads stand still"));
            }
        }
        Ok(format!("node {} is alive", self.config.node.node_id))
    }

    /// Asks the node, as any client would.
    pub(super) async fn ask(&self, question: Question, timeout: Duration) -> Verdict {
        let (id, roles) = (self.config.node.node_id, self.config.node.process_roles);
        let address = match &*self.stage() {
            Stage::Starting => return Err(format!("node {id} is starting")),
            Stage::Stopping => return Err(format!("node {id} is stopping")),
            Stage::Serving(serving) => serving.address.clone()?,
        };
        let node = health::Node {
            address,
            id: id.0,
            roles,
        };
        health::ask(&node, question, timeout).await
    }
}
