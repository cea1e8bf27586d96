//! Where clients and brokers share a listener, the last connections are for the addresses of brokers: this
//! finds them, as their registrations advertise them.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::metadata::driver::Published;
use crate::metadata::image::MetadataImage;
use crate::model::BrokerId;
use crate::network::Connections;

/// Looks the addresses of the other brokers up whenever their registrations change, for as long as its
/// runtime runs. `listener` is the one over which brokers speak to each other.
pub(super) async fn keep_broker_addresses(
    published: Arc<Published>,
    connections: Connections,
    local: BrokerId,
    listener: String,
) {
    let mut offset = published.offset();
    let mut known = BTreeSet::new();
    loop {
        let advertised = advertised(&published.image(), local, &listener);
        if advertised != known {
            connections.set_broker_addresses(addresses(&advertised).await);
            known = advertised;
        }
        if offset.changed().await.is_err() {
            return;
        }
    }
}

/// Host and port of all brokers but this one.
fn advertised(image: &MetadataImage, local: BrokerId, listener: &str) -> BTreeSet<(String, u16)> {
    let others = image.brokers().iter().filter(|broker| broker.id != local);
    let endpoints = others.filter_map(|broker| broker.endpoint(listener));
    endpoints
        .map(|endpoint| (endpoint.host.to_string(), endpoint.port))
        .collect()
}

/// A name without an address is left out: whoever has it connects as clients do.
async fn addresses(advertised: &BTreeSet<(String, u16)>) -> HashSet<IpAddr> {
    let mut found = HashSet::new();
    for (host, port) in advertised {
        if let Ok(addresses) = tokio::net::lookup_host((host.as_str(), *port)).await {
            found.extend(addresses.map(|address| address.ip().to_canonical()));
        }
    }
    found
}
