//! ListConfigResources (key 74), versions 0-1: which resources of a kind there are.
//!
//! Version 0 lists client metrics subscriptions only; 1 any kind (KIP-1142). An empty list of kinds
//! means all that the version knows.

use super::Api;
use super::context::RequestContext;
use crate::metadata::image::{MetadataImage, ResourceKind};
use crate::protocol::messages::list_config_resources::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};
use crate::protocol::{ErrorCode, Str};

/// The kinds of resources that can be listed, by their numbers on the wire.
mod kind {
    pub(super) const TOPIC: i8 = 2;
    pub(super) const BROKER: i8 = 4;
    pub(super) const BROKER_LOGGER: i8 = 8;
    pub(super) const CLIENT_METRICS: i8 = 16;
    pub(super) const GROUP: i8 = 32;
}

const KINDS_OF_VERSION_0: &[i8] = &[kind::CLIENT_METRICS];
const KINDS: &[i8] = &[
    kind::TOPIC,
    kind::BROKER,
    kind::BROKER_LOGGER,
    kind::CLIENT_METRICS,
    kind::GROUP,
];

/// Answers with the names of all resources of the kinds that are asked for.
pub fn handle(
    api: &Api,
    context: &RequestContext,
    request: &ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let known = if context.version() == 0 {
        KINDS_OF_VERSION_0
    } else {
        KINDS
    };
    let asked = if request.resource_types.is_empty() {
        known
    } else {
        &request.resource_types
    };
    if !asked.iter().all(|kind| known.contains(kind)) {
        return ListConfigResourcesResponse {
            error_code: ErrorCode::UNSUPPORTED_VERSION,
            ..ListConfigResourcesResponse::default()
        };
    }
    let image = api.image();
    let mut config_resources = Vec::new();
    for kind in known.iter().filter(|kind| asked.contains(kind)) {
        list(&image, context.listener(), *kind, &mut config_resources);
    }
    ListConfigResourcesResponse {
        config_resources,
        ..ListConfigResourcesResponse::default()
    }
}

fn list(image: &MetadataImage, listener: &str, kind: i8, found: &mut Vec<ConfigResource>) {
    let mut add = |name: Str| {
        found.push(ConfigResource {
            resource_name: name,
            resource_type: kind,
        });
    };
    match kind {
        kind::TOPIC => image
            .topics()
            .iter()
            .for_each(|topic| add(Str::copy_from(&topic.name))),
        kind::BROKER | kind::BROKER_LOGGER => image
            .brokers()
            .iter()
            .filter(|broker| broker.endpoint(listener).is_some())
            .for_each(|broker| add(Str::from(broker.id.to_string()))),
        // Groups and client metrics subscriptions exist as resources once something is set for them.
        _ => {
            let Some(kind) = ResourceKind::from_wire(kind) else {
                return;
            };
            image
                .configs()
                .iter(kind)
                .for_each(|(name, _)| add(Str::copy_from(name)));
        }
    }
}
