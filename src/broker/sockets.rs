//! The listeners of a node: bound early, served late.

use std::sync::Arc;

use anyhow::Context as _;

use crate::config::NetworkConfig;
use crate::network::{
    ConnectionLimits, ConnectionOptions, Listener, ListenerOptions, Network, RequestHandler,
    RequestMemory, RunningListener,
};
use crate::telemetry::Metrics;

/// Bound sockets: peers can connect, and wait.
pub(super) struct Sockets {
    listeners: Vec<(String, Listener)>,
}

impl Sockets {
    /// Binds all listeners of brokers, clients and the controller.
    pub(super) async fn bind(config: &NetworkConfig) -> anyhow::Result<Self> {
        let options = ConnectionOptions::from_config(config);
        let brokers = config
            .listeners
            .broker
            .iter()
            .map(|endpoint| (endpoint, false));
        let controllers = config
            .listeners
            .controller
            .iter()
            .map(|endpoint| (endpoint, true));
        let mut listeners = Vec::new();
        for (endpoint, brokers_only) in brokers.chain(controllers) {
            let limit = config.max_connections_of_listener.get(&endpoint.listener);
            let max = limit.and_then(|limit| usize::try_from(*limit).ok());
            let listener = ListenerOptions {
                brokers_only,
                max_connections: max.unwrap_or(usize::MAX),
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

    /// Begins to serve them.
    pub(super) async fn serve(
        self,
        config: &NetworkConfig,
        handler: Arc<dyn RequestHandler>,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Vec<RunningListener>> {
        let limits = ConnectionLimits::from_config(config)
            .await
            .context("a host has no address")?;
        let memory = RequestMemory::from_config(config);
        let options = ConnectionOptions::from_config(config);
        let network = Network::new(handler, options, memory, limits, metrics);
        let listeners = self.listeners.into_iter();
        Ok(listeners
            .map(|(_, listener)| listener.serve(Arc::clone(&network)))
            .collect())
    }
}
