//! The listeners of a node: bound early, served late.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context as _;

use super::live_config::LiveConfig;
use crate::config::NetworkConfig;
use crate::network::{
    ConnectionLimits, ConnectionOptions, Connections, Listener, ListenerOptions, Network,
    RequestHandler, RequestMemory, RunningListener,
};
use crate::telemetry::{LogGate, Metrics};

/// Gates the log lines about host names, because whoever may alter configs can name any number.
static NO_ADDRESS: LogGate = LogGate::new();

/// Bound sockets: peers can connect already, and wait to be served.
pub(super) struct Sockets {
    listeners: Vec<(String, Listener)>,
}

impl Sockets {
    /// Binds all listeners of brokers, clients and the controller.
    pub(super) async fn bind(config: &NetworkConfig) -> anyhow::Result<Self> {
        let options = ConnectionOptions::from_config(config);
        let of_brokers = config.listeners.inter_broker.as_deref();
        let brokers = config.listeners.broker.iter().map(|endpoint| {
            let brokers_only = of_brokers == Some(endpoint.listener.as_str());
            (endpoint, brokers_only)
        });
        let controllers = config
            .listeners
            .controller
            .iter()
            .map(|endpoint| (endpoint, true));
        let mut listeners = Vec::new();
        for (endpoint, brokers_only) in brokers.chain(controllers) {
            let listener = ListenerOptions {
                brokers_only,
                ..ListenerOptions::new(endpoint.clone())
            };
            let bound = Listener::bind(listener, &options).await?;
            tracing::info!("listening on {}://{}", endpoint.listener, bound.address());
            listeners.push((endpoint.listener.clone(), bound));
        }
        Ok(Self { listeners })
    }

    /// The port that the listener named `name` is bound to.
    pub(super) fn port_of(&self, name: &str) -> Option<u16> {
        let found = self.listeners.iter().find(|(listener, _)| listener == name);
        found.map(|(_, listener)| listener.address().port())
    }

    /// Begins to serve the sockets. The limits on connections may be changed later.
    pub(super) async fn serve(
        self,
        config: &NetworkConfig,
        handler: Arc<dyn RequestHandler>,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<(Vec<RunningListener>, Connections)> {
        let limits = ConnectionLimits::with_hosts(config)
            .await
            .context("a host has no address")?;
        let memory = RequestMemory::from_config(config);
        let options = ConnectionOptions::from_config(config);
        let network = Network::new(handler, options, memory, limits, metrics);
        let listeners = self.listeners.into_iter();
        let running = listeners.map(|(_, listener)| listener.serve(Arc::clone(&network)));
        Ok((running.collect(), network.connections().clone()))
    }
}

/// Holds connections to the limits of the config in force.
pub(super) fn keep_limits(config: &LiveConfig, connections: Connections) {
    let runtime = tokio::runtime::Handle::current();
    config.subscribe(move |config| {
        let network = config.network.clone();
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
