//! Answers of DescribeConfigs: each key's value, where it comes from, and its synonyms, which are all
//! places that set it, strongest first. Pure: the layers are arguments.

use std::collections::{BTreeMap, BTreeSet};

use super::key::{Key, Kind};
use super::keys;
use super::layers::{Layers, Overrides, Source};
use super::value::Value;

/// The answer for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub name: String,
    /// The key's value; `None` if it has none, or is a secret.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: Source,
    /// Whether the value is hidden.
    pub is_sensitive: bool,
    /// Whether AlterConfigs cannot change it.
    pub is_read_only: bool,
    /// Everything that was set for the key, and its default; strongest first.
    pub synonyms: Vec<Synonym>,
    /// The key's kind; `None` if the key is not in the table.
    pub kind: Option<Kind>,
    /// The key's documentation; empty if the key is not in the table.
    pub doc: &'static str,
}

/// A setting that gives an [`Entry`] its value, or would if no stronger one were there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The key that was set: the described one, or the broker key behind it.
    pub name: String,
    /// The text that was set; `None` if it is a secret.
    pub value: Option<String>,
    /// The layer in which it was set.
    pub source: Source,
}

impl Kind {
    /// The number of the kind in DescribeConfigs; 0 stands for an unknown one.
    pub fn describe_configs_id(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }
}

/// The entries of a topic that has these values of its own.
pub fn describe_topic(overrides: &dyn Overrides, layers: &Layers<'_>) -> Vec<Entry> {
    describe_resource(keys::topic_keys(), overrides, layers, Source::Topic)
}

/// The entries of a group that has these values of its own.
pub fn describe_group(overrides: &dyn Overrides, layers: &Layers<'_>) -> Vec<Entry> {
    describe_resource(keys::group_keys(), overrides, layers, Source::Group)
}

/// The entries of a subscription to metrics of clients that has these values.
pub fn describe_client_metrics(overrides: &dyn Overrides) -> Vec<Entry> {
    let nothing = BTreeMap::new();
    let keys = keys::client_metrics_keys();
    describe_resource(
        keys,
        overrides,
        &Layers::of(&nothing),
        Source::ClientMetrics,
    )
}

/// The loggers as entries, with their levels.
pub fn describe_loggers(levels: impl IntoIterator<Item = (String, String)>) -> Vec<Entry> {
    let entry = |(name, level)| Entry {
        name,
        value: Some(level),
        source: Source::BrokerLogger,
        is_sensitive: false,
        is_read_only: false,
        synonyms: Vec::new(),
        kind: None,
        doc: "",
    };
    levels.into_iter().map(entry).collect()
}

fn describe_resource(
    keys: impl Iterator<Item = &'static Key>,
    overrides: &dyn Overrides,
    layers: &Layers<'_>,
    source: Source,
) -> Vec<Entry> {
    let keys: Vec<_> = keys.collect();
    let known = keys
        .iter()
        .filter(|key| !key.is_internal() || overrides.value_of(key.name).is_some())
        .map(|key| resource_entry(key, overrides, layers, source));
    // Another version may have written what is no key of this one.
    let is_unknown = |name: &&str| keys.iter().all(|key| key.name != *name);
    let unknown = overrides.names().filter(is_unknown).map(|name| {
        let synonym = Synonym {
            name: name.to_owned(),
            value: None,
            source,
        };
        unknown_entry(name, vec![synonym])
    });
    known.chain(unknown).collect()
}

fn resource_entry(
    key: &'static Key,
    overrides: &dyn Overrides,
    layers: &Layers<'_>,
    source: Source,
) -> Entry {
    let own = overrides.value_of(key.name);
    let value = match own.and_then(|text| key.parse(text).ok()) {
        Some(value) => Some(value),
        None => layers.resource_default(key),
    };
    let names: Vec<&str> = key
        .broker_defaults()
        .iter()
        .map(|default| default.name)
        .collect();
    let mut synonyms = broker_synonyms(&names, layers);
    if let Some(first) = names.first() {
        // A default in hours says nothing about milliseconds. (Kafka also drops what was set in hours, and
        // so calls `retention.ms` a default where the file sets `log.retention.hours`.)
        let is_weak =
            |synonym: &Synonym| synonym.name != *first && synonym.source == Source::Default;
        drop_leading(&mut synonyms, is_weak);
    } else if source == Source::Group
        && let Some(default) = key.default_value()
    {
        // For topics and subscriptions Kafka tells no default if no broker key gives one.
        synonyms.push(Synonym {
            name: key.name.to_owned(),
            value: Some(default.to_string()),
            source: Source::Default,
        });
    }
    if own.is_some() {
        let value = value.as_ref().map(Value::to_string);
        synonyms.insert(
            0,
            Synonym {
                name: key.name.to_owned(),
                value,
                source,
            },
        );
    }
    entry(key, value, synonyms, false)
}

/// The entries of a broker: Kafka's public keys, ours, and whatever else was set.
pub fn describe_broker(layers: &Layers<'_>) -> Vec<Entry> {
    let public = keys::broker_keys().filter(|key| !key.is_internal() && key.is_static());
    let mut names: BTreeSet<&str> = public.map(|key| key.name).collect();
    for (_, layer) in layers.by_strength() {
        names.extend(layer.names());
    }
    names
        .into_iter()
        .map(|name| broker_entry(name, layers))
        .collect()
}

fn broker_entry(name: &str, layers: &Layers<'_>) -> Entry {
    let Some(key) = keys::broker_key_behind(name) else {
        return unknown_entry(name, broker_synonyms(&[name], layers));
    };
    let value = match layers.set_value_of(name, key) {
        Some(value) => Some(value),
        None => layers.value(key),
    };
    let mut synonyms = broker_synonyms(&names_for(name, key), layers);
    // Settings under another name have another value.
    drop_leading(&mut synonyms, |synonym| synonym.name != name);
    let mut entry = entry(key, value, synonyms, is_read_only(name, key));
    name.clone_into(&mut entry.name);
    entry
}

/// The entries of the cluster's dynamic default, which has only what was set.
pub fn describe_cluster_default<Name: AsRef<str>, Text: AsRef<str>>(
    of_cluster: &BTreeMap<Name, Text>,
) -> Vec<Entry> {
    let describe = |(name, text): (&Name, &Text)| {
        let (name, text) = (name.as_ref(), text.as_ref());
        let key = keys::broker_key_behind(name);
        let is_sensitive = key.is_none_or(Key::is_sensitive);
        let value = (!is_sensitive).then(|| text.to_owned());
        let source = Source::DynamicDefault;
        let synonym = Synonym {
            name: name.to_owned(),
            value: value.clone(),
            source,
        };
        match key {
            Some(key) => Entry {
                name: name.to_owned(),
                value,
                ..entry(key, None, vec![synonym], is_read_only(name, key))
            },
            None => unknown_entry(name, vec![synonym]),
        }
    };
    of_cluster.iter().map(describe).collect()
}

/// Whether Kafka calls a key read-only. It does for a listener's own keys, though they can be altered.
fn is_read_only(name: &str, key: &Key) -> bool {
    !key.is_dynamic() || name != key.name
}

/// Everything that is set for `names` on a broker: by layer, then in the order of the names.
fn broker_synonyms(names: &[&str], layers: &Layers<'_>) -> Vec<Synonym> {
    let mut synonyms = Vec::new();
    for (source, layer) in layers.by_strength() {
        let set = names
            .iter()
            .filter_map(|name| Some((*name, layer.value_of(name)?)));
        synonyms.extend(set.map(|(name, text)| synonym(name, text, source)));
    }
    let defaults = names.iter().filter_map(|name| {
        let default = keys::broker_key(name)?.default_value()?;
        Some(synonym(name, &default.to_string(), Source::Default))
    });
    synonyms.extend(defaults);
    synonyms
}

fn synonym(name: &str, text: &str, source: Source) -> Synonym {
    let is_sensitive = keys::broker_key_behind(name).is_none_or(Key::is_sensitive);
    let value = (!is_sensitive).then(|| text.to_owned());
    Synonym {
        name: name.to_owned(),
        value,
        source,
    }
}

/// The names that may set the key `name`, strongest first: milliseconds before hours, and the key of one
/// listener before that of all.
fn names_for<'a>(name: &'a str, key: &'static Key) -> Vec<&'a str> {
    if name != key.name {
        return vec![name, key.name];
    }
    let is_named = |other: &&Key| {
        // The interval of the scheduler stands in for another key, but is a key of its own.
        let counts = name != "log.flush.scheduler.interval.ms";
        counts
            && other
                .broker_defaults()
                .iter()
                .any(|default| default.name == name)
    };
    match keys::topic_keys().find(is_named) {
        Some(topic) => topic
            .broker_defaults()
            .iter()
            .map(|default| default.name)
            .collect(),
        None => vec![name],
    }
}

fn drop_leading(synonyms: &mut Vec<Synonym>, drop: impl Fn(&Synonym) -> bool) {
    let kept = synonyms
        .iter()
        .position(|synonym| !drop(synonym))
        .unwrap_or(synonyms.len());
    synonyms.drain(..kept);
}

fn entry(
    key: &'static Key,
    value: Option<Value>,
    synonyms: Vec<Synonym>,
    is_read_only: bool,
) -> Entry {
    let is_sensitive = key.is_sensitive();
    Entry {
        name: key.name.to_owned(),
        value: value
            .filter(|_| !is_sensitive)
            .map(|value| value.to_string()),
        source: synonyms
            .first()
            .map_or(Source::Default, |synonym| synonym.source),
        is_sensitive,
        is_read_only,
        synonyms,
        kind: Some(key.kind),
        doc: key.doc,
    }
}

/// The entry of a key that is not in the table. Its value may be a secret, so it is hidden.
fn unknown_entry(name: &str, synonyms: Vec<Synonym>) -> Entry {
    Entry {
        name: name.to_owned(),
        value: None,
        source: synonyms
            .first()
            .map_or(Source::Default, |synonym| synonym.source),
        is_sensitive: true,
        is_read_only: true,
        synonyms,
        kind: None,
        doc: "",
    }
}
