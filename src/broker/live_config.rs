//! The config in force: what the broker was started with, under what was set since for it and for all
//! brokers (KIP-226). Parts that act on it are told of each change.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::config::{BrokerConfig, InvalidValue, Layers, Settings};
use crate::metadata::delta::MetadataDelta;
use crate::metadata::driver::MetadataPublisher;
use crate::metadata::image::{MetadataImage, Overrides, ResourceKind};
use crate::telemetry::LogGate;

/// A part that acts on the config. It is called on the thread that publishes metadata, and must not wait.
type Subscriber = Box<dyn Fn(&BrokerConfig) + Send + Sync>;

/// The config in force, and the parts that act on it.
pub(super) struct LiveConfig {
    settings: Settings,
    /// The name of this broker as a config resource.
    node: String,
    current: ArcSwap<BrokerConfig>,
    subscribers: Mutex<Vec<Subscriber>>,
    gates: Gates,
}

/// Gates of log lines that whoever may alter configs can cause at will.
#[derive(Default)]
struct Gates {
    changed: LogGate,
    refused: LogGate,
    overruled: LogGate,
}

impl LiveConfig {
    /// Begins with `config`, the typed form of `settings`.
    pub(super) fn new(settings: &Settings, config: &Arc<BrokerConfig>) -> Arc<Self> {
        Arc::new(Self {
            settings: settings.clone(),
            node: config.node.node_id.to_string(),
            current: ArcSwap::from(Arc::clone(config)),
            subscribers: Mutex::default(),
            gates: Gates::default(),
        })
    }

    /// The config in force.
    pub(super) fn current(&self) -> Arc<BrokerConfig> {
        self.current.load_full()
    }

    /// Calls `subscriber` with the config now, and after each change.
    pub(super) fn subscribe(&self, subscriber: impl Fn(&BrokerConfig) + Send + Sync + 'static) {
        let mut subscribers = self.subscribers.lock();
        subscriber(&self.current());
        subscribers.push(Box::new(subscriber));
    }

    /// Says so if the file's `min.insync.replicas` is not the cluster's, which holds though nobody has set it:
    /// a cluster with eligible leader replicas (KIP-966) keeps what its first controller's file had.
    fn tell_of_overruled(&self, image: &MetadataImage) {
        const KEY: &str = "min.insync.replicas";
        let of_cluster = image.configs().get(ResourceKind::Broker, "", KEY);
        let (Some(of_file), Some(of_cluster)) = (self.settings.get(KEY), of_cluster) else {
            return;
        };
        let is_overruled = image.features().has_elr() && **of_cluster != *of_file.trim();
        if is_overruled && let Some(suppressed) = self.gates.overruled.pass() {
            tracing::warn!(
                of_file,
                %of_cluster,
                suppressed,
                "the config file's min.insync.replicas counts for nothing, the cluster has its own: \
                 set that with kafka-configs.sh --entity-type brokers --entity-default"
            );
        }
    }

    /// Takes over what an image says.
    fn follow(&self, image: &MetadataImage) {
        self.tell_of_overruled(image);
        let config = match self.read(image) {
            Ok(config) => config,
            // Another version wrote it, or the file has changed since it was set.
            Err(invalid) => {
                if let Some(suppressed) = self.gates.refused.pass() {
                    tracing::error!(%invalid, suppressed, "passing over a change of the broker's config");
                }
                return;
            }
        };
        let subscribers = self.subscribers.lock();
        if config == *self.current() {
            return;
        }
        if let Some(suppressed) = self.gates.changed.pass() {
            tracing::info!(suppressed, "the broker's config has changed");
        }
        self.current.store(Arc::new(config));
        let current = self.current();
        subscribers.iter().for_each(|tell| tell(&current));
    }

    fn read(&self, image: &MetadataImage) -> Result<BrokerConfig, InvalidValue> {
        let none = Overrides::default();
        let of = |name| image.configs().of(ResourceKind::Broker, name);
        BrokerConfig::read(&Layers {
            of_broker: of(&self.node).unwrap_or(&none),
            of_cluster: of("").unwrap_or(&none),
            settings: &self.settings,
        })
    }
}

/// Passes on the config of each image.
pub(super) struct ConfigPublisher(pub(super) Arc<LiveConfig>);

impl MetadataPublisher for ConfigPublisher {
    fn on_update(&mut self, delta: &MetadataDelta, image: &Arc<MetadataImage>) {
        let configs = delta.changes().configs.iter();
        let mut brokers = configs.filter(|(kind, _)| *kind == ResourceKind::Broker);
        if brokers.any(|(_, name)| name.is_empty() || **name == *self.0.node) {
            self.0.follow(image);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::protocol::messages::metadata_records::{ConfigRecord, MetadataRecord};

    fn set(delta: &mut MetadataDelta, broker: &'static str, value: Option<&'static str>) {
        let record = ConfigRecord {
            resource_type: ResourceKind::Broker.to_wire(),
            resource_name: broker.into(),
            name: "log.retention.ms".into(),
            value: value.map(Into::into),
        };
        delta.replay(&MetadataRecord::from(record)).unwrap();
    }

    fn live() -> (Arc<LiveConfig>, Arc<AtomicI64>) {
        let settings = Settings::from([("log.retention.ms".to_owned(), "10".to_owned())]);
        let config = BrokerConfig::read(&Layers::of(&settings)).unwrap();
        let live = LiveConfig::new(&settings, &Arc::new(config));
        let seen = Arc::new(AtomicI64::new(0));
        let told = Arc::clone(&seen);
        live.subscribe(move |config| {
            told.store(config.topic_defaults.retention_ms, Ordering::Relaxed);
        });
        (live, seen)
    }

    #[test]
    fn who_acts_on_the_config_is_told_of_the_strongest_layer() {
        let (live, seen) = live();
        let mut publisher = ConfigPublisher(Arc::clone(&live));
        let mut image = MetadataImage::default();
        let mut step = |broker, value| {
            let mut delta = MetadataDelta::new(image.clone());
            set(&mut delta, broker, value);
            image = delta.image().clone();
            publisher.on_update(&delta, &Arc::new(image.clone()));
            seen.load(Ordering::Relaxed)
        };

        assert_eq!(step("", Some("20")), 20);
        assert_eq!(step("1", Some("30")), 30);
        assert_eq!(step("2", Some("40")), 30, "of another broker");
        assert_eq!(step("1", None), 20);
        assert_eq!(step("", None), 10);
    }

    #[test]
    fn a_value_that_cannot_be_read_leaves_the_weaker_layer() {
        let (live, seen) = live();
        let mut delta = MetadataDelta::new(MetadataImage::default());
        set(&mut delta, "1", Some("soon"));
        let image = Arc::new(delta.image().clone());

        ConfigPublisher(live).on_update(&delta, &image);

        assert_eq!(seen.load(Ordering::Relaxed), 10);
    }
}
