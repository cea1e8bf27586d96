//! Passes the quotas of the metadata on: to those who count, and to the listeners.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::config::QuotaConfig;
use crate::metadata::delta::MetadataDelta;
use crate::metadata::driver::MetadataPublisher;
use crate::metadata::image::MetadataImage;
use crate::network::{Connections, IpRates};
use crate::quota::{ClientQuotas, Limits, QuotaKind, QuotaWindows, Window, connection_rates};
use crate::telemetry::LogGate;

/// Gates the log lines about host names, because whoever may alter quotas can name any number.
static NO_ADDRESS: LogGate = LogGate::new();

/// Passes on the quotas of each image.
pub(super) struct QuotaPublisher {
    quotas: Arc<ClientQuotas>,
    connections: Arc<OnceLock<Connections>>,
    runtime: Handle,
}

/// The quotas of a broker: the counters, and the way to the listeners, which come later.
pub(super) struct Quotas {
    pub(super) of_clients: Arc<ClientQuotas>,
    connections: Arc<OnceLock<Connections>>,
}

impl Quotas {
    /// Begins without quotas. It must be called inside the runtime.
    pub(super) fn new(config: &QuotaConfig) -> (Self, Box<dyn MetadataPublisher>) {
        let windows = QuotaWindows {
            clients: window(config.quota_window_num, config.quota_window_size_seconds),
            controller: window(
                config.controller_quota_window_num,
                config.controller_quota_window_size_seconds,
            ),
        };
        let max_bytes = usize::try_from(config.quota_clients_max_bytes).unwrap_or(usize::MAX);
        let quotas = Self {
            of_clients: Arc::new(ClientQuotas::new(windows, max_bytes)),
            connections: Arc::default(),
        };
        let publisher = QuotaPublisher {
            quotas: Arc::clone(&quotas.of_clients),
            connections: Arc::clone(&quotas.connections),
            runtime: Handle::current(),
        };
        (quotas, Box::new(publisher))
    }

    /// From now on, holds connections to the quotas of their addresses; `image` is the newest.
    pub(super) fn keep_rates(&self, connections: Connections, image: &MetadataImage) {
        apply_rates(&connections, image, &Handle::current());
        // It is set only here, and once.
        let _ = self.connections.set(connections);
    }
}

impl MetadataPublisher for QuotaPublisher {
    fn on_update(&mut self, delta: &MetadataDelta, image: &Arc<MetadataImage>) {
        if delta.changes().client_quotas.is_empty() {
            return;
        }
        for kind in QuotaKind::ALL {
            let limits = Limits::of(image.client_quotas().iter(), kind.key());
            self.quotas.set_limits(kind, limits);
        }
        if let Some(connections) = self.connections.get() {
            apply_rates(connections, image, &self.runtime);
        }
    }
}

fn window(count: i32, seconds: i32) -> Window {
    let positive = |value: i32| u32::try_from(value).unwrap_or(1).max(1);
    Window {
        count: positive(count),
        length: Duration::from_secs(u64::from(positive(seconds))),
    }
}

fn apply_rates(connections: &Connections, image: &MetadataImage, runtime: &Handle) {
    let (named, default) = connection_rates(image.client_quotas().iter());
    let mut rates = IpRates {
        of_ip: HashMap::new(),
        default: default.map(whole),
    };
    let mut hosts: Vec<(Arc<str>, u32)> = Vec::new();
    for (name, rate) in named {
        match name.parse::<IpAddr>() {
            Ok(ip) => drop(rates.of_ip.insert(ip.to_canonical(), whole(rate))),
            Err(_) => hosts.push((name, whole(rate))),
        }
    }
    connections.set_ip_rates(rates.clone());
    if hosts.is_empty() {
        return;
    }
    let connections = connections.clone();
    // Names are looked up on another task, because the metadata must not wait for a name service.
    runtime.spawn(async move {
        for (host, rate) in hosts {
            match tokio::net::lookup_host((&*host, 0)).await {
                Ok(addresses) => {
                    let ips = addresses.map(|address| address.ip().to_canonical());
                    rates.of_ip.extend(ips.map(|ip| (ip, rate)));
                }
                Err(error) => {
                    if let Some(suppressed) = NO_ADDRESS.pass() {
                        tracing::error!(%host, %error, suppressed, "a host has no quota of its own");
                    }
                }
            }
        }
        connections.set_ip_rates(rates);
    });
}

/// The quota as a whole number above 0, which those of addresses must be.
fn whole(rate: f64) -> u32 {
    rate.clamp(1.0, f64::from(u32::MAX)) as u32
}
