//! Gives the metrics that clients push the subscriptions that the metadata has.

use std::sync::Arc;

use crate::config::{BrokerConfig, ClientMetricsConfig};
use crate::metadata::delta::MetadataDelta;
use crate::metadata::driver::MetadataPublisher;
use crate::metadata::image::{MetadataImage, ResourceKind};
use crate::telemetry::ClientMetrics;

/// The store of what clients push, without subscriptions yet.
pub(super) fn of(config: &BrokerConfig) -> Arc<ClientMetrics> {
    let most = config.client_metrics.telemetry_max_bytes;
    Arc::new(ClientMetrics::new(u32::try_from(most).unwrap_or(0)))
}

/// Passes on the subscriptions of each image.
pub(super) struct SubscriptionPublisher(pub(super) Arc<ClientMetrics>);

impl MetadataPublisher for SubscriptionPublisher {
    fn on_update(&mut self, delta: &MetadataDelta, image: &Arc<MetadataImage>) {
        let mut configs = delta.changes().configs.iter();
        if configs.all(|(kind, _)| *kind != ResourceKind::ClientMetrics) {
            return;
        }
        let subscriptions = image.configs().iter(ResourceKind::ClientMetrics);
        let read = subscriptions.map(|(_, overrides)| ClientMetricsConfig::read(overrides));
        self.0.set_subscriptions(read.collect());
    }
}
