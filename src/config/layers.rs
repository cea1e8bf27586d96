//! The layers that values come from, strongest first: the broker's own dynamic config, the cluster's
//! dynamic default, the settings that the broker was started with, Kafka's default (KIP-226).

use std::borrow::Borrow;
use std::collections::BTreeMap;

use super::key::{BrokerDefault, Key, Kind};
use super::keys;
use super::rule::Rule;
use super::value::Value;

/// The settings that a broker was started with: values by name, as text, each checked when it was read.
pub type Settings = BTreeMap<String, String>;

/// Values by name, as text: a layer, wherever it is kept.
pub trait Overrides {
    /// The value of `name`, if it is set here.
    fn value_of(&self, name: &str) -> Option<&str>;

    /// The names that are set here.
    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_>;
}

impl<Name: Borrow<str> + Ord, Text: AsRef<str>> Overrides for BTreeMap<Name, Text> {
    fn value_of(&self, name: &str) -> Option<&str> {
        self.get(name).map(AsRef::as_ref)
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.keys().map(Borrow::borrow))
    }
}

/// A layer in which nothing is set.
#[derive(Clone, Copy, Debug)]
pub struct NoOverrides;

impl Overrides for NoOverrides {
    fn value_of(&self, _name: &str) -> Option<&str> {
        None
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(std::iter::empty())
    }
}

/// The layers of one broker's config.
#[derive(Clone, Copy)]
pub struct Layers<'a> {
    /// The dynamic config of this broker.
    pub of_broker: &'a dyn Overrides,
    /// The dynamic default of all brokers.
    pub of_cluster: &'a dyn Overrides,
    /// The settings that the broker was started with.
    pub settings: &'a Settings,
}

/// The layer that a value comes from, by DescribeConfigs' numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Source {
    /// The topic's own value.
    Topic = 1,
    /// The broker's dynamic config.
    DynamicBroker = 2,
    /// The cluster's dynamic default.
    DynamicDefault = 3,
    /// The settings that the broker was started with.
    Static = 4,
    /// The default: nobody has set it.
    Default = 5,
    /// The level of a logger, which lasts until the broker ends.
    BrokerLogger = 6,
    /// The subscription's own value.
    ClientMetrics = 7,
    /// The group's own value.
    Group = 8,
}

impl<'a> Layers<'a> {
    /// The layers of a broker whose config nobody has changed since it was started.
    pub fn of(settings: &'a Settings) -> Self {
        Self {
            of_broker: &NoOverrides,
            of_cluster: &NoOverrides,
            settings,
        }
    }

    /// The layers from the strongest to the weakest, without the defaults.
    pub(super) fn by_strength(&self) -> [(Source, &'a dyn Overrides); 3] {
        [
            (Source::DynamicBroker, self.of_broker),
            (Source::DynamicDefault, self.of_cluster),
            (Source::Static, self.settings),
        ]
    }

    /// The value of a broker key; `None` if nobody has set it and it has no default.
    ///
    /// A dynamic value that cannot be read is passed over, as in Kafka: a newer controller may have written
    /// it.
    pub fn value(&self, key: &Key) -> Option<Value> {
        self.set_value(key).or_else(|| key.default_value())
    }

    /// The value of a broker key, if somebody has set it.
    pub fn set_value(&self, key: &Key) -> Option<Value> {
        self.set_value_of(key.name, key)
    }

    /// The value of `name`, which is the key's own name or that for one listener, if somebody has set it.
    pub(super) fn set_value_of(&self, name: &str, key: &Key) -> Option<Value> {
        self.by_strength()
            .into_iter()
            .filter_map(|(_, layer)| layer.value_of(name))
            .find_map(|text| key.parse(text).ok())
    }

    /// The value of the key `key` for topics or groups without one of their own.
    pub fn resource_default(&self, key: &Key) -> Option<Value> {
        let set = self.by_strength().into_iter().find_map(|(_, layer)| {
            key.broker_defaults()
                .iter()
                .find_map(|default| from_layer(layer, key, default))
        });
        set.or_else(|| key.default_value())
    }
}

/// The value that a broker key in this layer gives topics.
fn from_layer(layer: &dyn Overrides, topic_key: &Key, default: &BrokerDefault) -> Option<Value> {
    let key = keys::broker_key(default.name).expect("a test looks up every broker default");
    let value = key.parse(layer.value_of(key.name)?).ok()?;
    Some(in_topic_unit(value, topic_key, default))
}

/// Turns hours and minutes into milliseconds. A value below the topic key's bound becomes that bound: any
/// negative retention becomes -1, which means no limit.
pub(super) fn in_topic_unit(value: Value, topic_key: &Key, default: &BrokerDefault) -> Value {
    let (Kind::Long, Some(count)) = (topic_key.kind, value.as_i64()) else {
        return value;
    };
    let count = count.saturating_mul(default.factor);
    Value::Long(match topic_key.rule {
        Rule::Range(Some(min), _) => count.max(min as i64),
        _ => count,
    })
}
