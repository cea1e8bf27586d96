//! The listeners of a node: bound early, served late.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::runtime::Handle;

use super::descriptors;
use super::live_config::LiveConfig;
use crate::config::NetworkConfig;
use crate::network::{
    ConnectionLimits, ConnectionOptions, Connections, ListenError, Listener, ListenerOptions,
    Network, RequestHandler, RequestMemory, RunningListener,
};
use crate::telemetry::{LogGate, Metrics};

/// Gates the log lines about host names, because whoever may alter configs can name any number.
static NO_ADDRESS: LogGate = LogGate::new();

/// Bound sockets: peers can connect already, and wait to be served.
pub(super) struct Sockets {
    brokers: Vec<Listener>,
    controllers: Vec<Listener>,
    /// Where the listeners of the controller are served: no storm of clients delays the quorum there.
    quorum: Handle,
}

impl Sockets {
    /// Binds all listeners of brokers, clients and the controller; the last are bound and served on the
    /// runtime `quorum`.
    pub(super) async fn bind(config: &NetworkConfig, quorum: &Handle) -> anyhow::Result<Self> {
        let options = ConnectionOptions::from_config(config);
        let listeners = &config.listeners;
        let mut brokers = Vec::new();
        for endpoint in &listeners.broker {
            let listener = ListenerOptions {
                brokers_only: listeners.inter_broker.as_ref() == Some(&endpoint.listener),
                ..ListenerOptions::new(endpoint.clone())
            };
            brokers.push(bind(listener, options.clone()).await?);
        }
        let mut controllers = Vec::new();
        for endpoint in &listeners.controller {
            let listener = ListenerOptions {
                brokers_only: true,
                ..ListenerOptions::new(endpoint.clone())
            };
            let bound = quorum.spawn(bind(listener, options.clone())).await;
            controllers.push(bound.context("cannot bind the controller's listener")??);
        }
        Ok(Self {
            brokers,
            controllers,
            quorum: quorum.clone(),
        })
    }

    /// The port that the listener named `name` is bound to.
    pub(super) fn port_of(&self, name: &str) -> Option<u16> {
        let mut all = self.brokers.iter().chain(&self.controllers);
        let found = all.find(|listener| listener.name() == name);
        found.map(|listener| listener.address().port())
    }

    /// Begins to serve the listeners of the controller, with the limits and the memory that all listeners
    /// share.
    pub(super) async fn serve_controllers(
        &mut self,
        live: &LiveConfig,
        handler: Arc<dyn RequestHandler>,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<(Vec<RunningListener>, Arc<Network>)> {
        let config = &descriptors::bounded(&live.current());
        let limits = ConnectionLimits::with_hosts(config)
            .await
            .context("a host has no address")?;
        let memory = RequestMemory::from_config(config);
        let options = ConnectionOptions::from_config(config);
        let network = Network::new(handler, options, memory, limits, metrics);
        keep_limits(live, network.connections().clone());
        let _on_its_runtime = self.quorum.enter();
        let listeners = std::mem::take(&mut self.controllers).into_iter();
        let running = listeners.map(|listener| listener.serve(Arc::clone(&network)));
        Ok((running.collect(), network))
    }

    /// Begins to serve the listeners of brokers and clients.
    pub(super) fn serve_brokers(self, network: &Arc<Network>) -> Vec<RunningListener> {
        let listeners = self.brokers.into_iter();
        let running = listeners.map(|listener| listener.serve(Arc::clone(network)));
        running.collect()
    }
}

async fn bind(
    listener: ListenerOptions,
    options: ConnectionOptions,
) -> Result<Listener, ListenError> {
    let name = listener.endpoint.listener.clone();
    let bound = Listener::bind(listener, &options).await?;
    tracing::info!("listening on {name}://{}", bound.address());
    Ok(bound)
}

/// Holds connections to the limits of the config in force.
fn keep_limits(config: &LiveConfig, connections: Connections) {
    let runtime = Handle::current();
    config.subscribe(move |config| {
        let network = descriptors::bounded(config);
        connections.set_limits(ConnectionLimits::from_config(&network));
        let hosts = network.max_connections_per_ip_overrides.keys();
        if hosts.clone().all(|host| host.parse::<IpAddr>().is_ok()) {
            return;
        }
        let connections = connections.clone();
        // Names are looked up on another task, because the metadata must not wait for a name service.
        runtime.spawn(async move {
            match ConnectionLimits::with_hosts(&network).await {
                Ok(limits) => connections.set_limits(limits),
                Err(error) => {
                    if let Some(suppressed) = NO_ADDRESS.pass() {
                        tracing::error!(%error, suppressed, "a host has no limit of its own");
                    }
                }
            }
        });
    });
}
