//! THE table of config keys: all 350 public broker keys of Kafka 4.4 with its internal ones, its 37 topic
//! keys, and ours. Whatever reads, checks, documents or describes a key looks it up here.
//!
//! A row is: name, kind, default, rule; importance, how it may be changed, whether anything acts on it;
//! documentation. Names, kinds, rules and defaults (except for a few, as their documentation says) are
//! Kafka's: `tests/config` compares them with a list and, where it is there, with Kafka itself.
//!
//! To make a key act: set its status to `Acts`, and give it a field in [`super::BrokerConfig`] (a topic's
//! key has one in [`super::TopicConfig`] already).

#[macro_use]
mod table;

mod client_metrics;
mod group_coordinators;
mod group_overrides;
mod internal;
mod log;
mod metadata;
mod metrics;
mod network;
mod own;
mod quotas;
mod replication;
mod security;
mod tiered;
mod topic;
mod topics;
mod transactions;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::key::Key;

/// All tables of broker keys: Kafka's by subject, then ours.
const BROKER_TABLES: [&[Key]; 14] = [
    metadata::KEYS,
    network::KEYS,
    log::KEYS,
    topics::KEYS,
    replication::KEYS,
    group_coordinators::KEYS,
    transactions::KEYS,
    security::KEYS,
    quotas::KEYS,
    quotas::DYNAMIC_KEYS,
    tiered::KEYS,
    metrics::KEYS,
    internal::KEYS,
    own::KEYS,
];

/// Keys of old files that Kafka 4.0 no longer knows. (All that begin with `zookeeper.` are gone as well.)
pub const REMOVED: &[&str] = &[
    "advertised.host.name",
    "advertised.port",
    "broker.id.generation.enable",
    "control.plane.listener.name",
    "delegation.token.master.key",
    "host.name",
    "inter.broker.protocol.version",
    "leader.imbalance.per.broker.percentage",
    "log.message.downconversion.enable",
    "log.message.format.version",
    "log.message.timestamp.difference.max.ms",
    "offsets.commit.required.acks",
    "password.encoder.secret",
    "port",
    "reserved.broker.max.id",
];

type Index = BTreeMap<&'static str, &'static Key>;

static BROKER: LazyLock<Index> = LazyLock::new(|| {
    BROKER_TABLES
        .into_iter()
        .flatten()
        .map(|key| (key.name, key))
        .collect()
});
static TOPIC: LazyLock<Index> = LazyLock::new(|| index(topic::KEYS));
static GROUP: LazyLock<Index> = LazyLock::new(|| index(group_overrides::KEYS));
static CLIENT_METRICS: LazyLock<Index> = LazyLock::new(|| index(client_metrics::KEYS));

fn index(keys: &'static [Key]) -> Index {
    keys.iter().map(|key| (key.name, key)).collect()
}

/// All broker keys by name: internal ones, dynamic-only ones and ours as well.
pub fn broker_keys() -> impl Iterator<Item = &'static Key> {
    BROKER.values().copied()
}

/// All topic keys by name: the internal one as well.
pub fn topic_keys() -> impl Iterator<Item = &'static Key> {
    TOPIC.values().copied()
}

/// The broker key with this name.
pub fn broker_key(name: &str) -> Option<&'static Key> {
    BROKER.get(name).copied()
}

/// The topic key with this name.
pub fn topic_key(name: &str) -> Option<&'static Key> {
    TOPIC.get(name).copied()
}

/// All keys of groups, by name.
pub fn group_keys() -> impl Iterator<Item = &'static Key> {
    GROUP.values().copied()
}

/// The group key with this name.
pub fn group_key(name: &str) -> Option<&'static Key> {
    GROUP.get(name).copied()
}

/// All keys of subscriptions to metrics of clients, by name.
pub fn client_metrics_keys() -> impl Iterator<Item = &'static Key> {
    CLIENT_METRICS.values().copied()
}

/// The key of subscriptions to metrics of clients with this name.
pub fn client_metrics_key(name: &str) -> Option<&'static Key> {
    CLIENT_METRICS.get(name).copied()
}

/// The broker key that `name` sets: the key of that name, or the one behind `listener.name.NAME.`.
pub fn broker_key_behind(name: &str) -> Option<&'static Key> {
    broker_key(name).or_else(|| {
        let (_listener, rest) = name.strip_prefix("listener.name.")?.split_once('.')?;
        // SASL settings of a listener may have the mechanism's name before the key.
        broker_key(rest).or_else(|| broker_key(rest.split_once('.')?.1))
    })
}

/// Whether the names of other broker keys begin with this one and a dot: TOML demands quotes then.
pub fn is_parent(name: &str) -> bool {
    let is_child = |key: &Key| {
        key.name
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    broker_keys().any(is_child)
}

/// The broker key whose name is the nearest to `name`, if one is near enough.
pub fn nearest_broker_key(name: &str) -> Option<&'static str> {
    const LEAST_LIKENESS: f64 = 0.7;
    broker_keys()
        .map(|key| {
            (
                strsim::normalized_damerau_levenshtein(name, key.name),
                key.name,
            )
        })
        .filter(|(likeness, _)| *likeness >= LEAST_LIKENESS)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, nearest)| nearest)
}
