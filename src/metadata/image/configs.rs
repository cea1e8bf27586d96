//! The dynamic configs: what was set, for each resource. `config` knows the defaults, and merges them with
//! the static file.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::metadata::image::{Change, ReplayError, SharedMap};
use crate::protocol::messages::metadata_records::ConfigRecord;

/// What a config belongs to, by Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum ResourceKind {
    /// A topic, by name.
    Topic = 2,
    /// A broker, by id; the empty name stands for all of them.
    Broker = 4,
    /// A client metrics subscription (KIP-714), by name.
    ClientMetrics = 16,
    /// A group, by id.
    Group = 32,
}

impl ResourceKind {
    /// Every kind whose configs are kept in the metadata log.
    pub const ALL: [Self; 4] = [Self::Topic, Self::Broker, Self::ClientMetrics, Self::Group];

    /// The kind of a number; `None` if configs of that kind are not kept in the metadata log.
    pub fn from_wire(number: i8) -> Option<Self> {
        match number {
            2 => Some(Self::Topic),
            4 => Some(Self::Broker),
            16 => Some(Self::ClientMetrics),
            32 => Some(Self::Group),
            _ => None,
        }
    }

    /// The number in records and requests.
    pub fn to_wire(self) -> i8 {
        self as i8
    }
}

/// The values that were set for one resource, by key.
pub type Overrides = BTreeMap<Arc<str>, Arc<str>>;

/// The overrides of the resources of one kind, by name.
type Resources = SharedMap<Arc<str>, Arc<Overrides>>;

/// All dynamic configs. A resource without overrides is not held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigsImage {
    topics: Resources,
    brokers: Resources,
    client_metrics: Resources,
    groups: Resources,
}

impl ConfigsImage {
    /// The overrides of a resource; `None` if it has none.
    pub fn of(&self, kind: ResourceKind, name: &str) -> Option<&Overrides> {
        self.resources(kind).get(name).map(|overrides| &**overrides)
    }

    /// One value that was set for a resource.
    pub fn get(&self, kind: ResourceKind, name: &str, key: &str) -> Option<&Arc<str>> {
        self.of(kind, name)?.get(key)
    }

    /// The resources of a kind that have overrides, by ascending name.
    pub fn iter(&self, kind: ResourceKind) -> impl Iterator<Item = (&Arc<str>, &Overrides)> {
        let resources = self.resources(kind).iter();
        resources.map(|(name, overrides)| (name, &**overrides))
    }

    fn resources(&self, kind: ResourceKind) -> &Resources {
        match kind {
            ResourceKind::Topic => &self.topics,
            ResourceKind::Broker => &self.brokers,
            ResourceKind::ClientMetrics => &self.client_metrics,
            ResourceKind::Group => &self.groups,
        }
    }

    fn resources_mut(&mut self, kind: ResourceKind) -> &mut Resources {
        match kind {
            ResourceKind::Topic => &mut self.topics,
            ResourceKind::Broker => &mut self.brokers,
            ResourceKind::ClientMetrics => &mut self.client_metrics,
            ResourceKind::Group => &mut self.groups,
        }
    }

    pub(in crate::metadata) fn set(
        &mut self,
        record: &ConfigRecord,
        changes: &mut dyn FnMut(Change),
    ) -> Result<(), ReplayError> {
        let kind = ResourceKind::from_wire(record.resource_type);
        let kind = kind.ok_or_else(|| ReplayError::InvalidField {
            record: "ConfigRecord",
            field: "ResourceType",
            value: record.resource_type.to_string(),
        })?;
        let name = &*record.resource_name;
        let resources = self.resources_mut(kind);
        match &record.value {
            Some(value) => {
                if !resources.contains(name) {
                    resources.insert(Arc::from(name), Arc::default());
                }
                let overrides = resources.get_mut(name).expect("it was inserted above");
                Arc::make_mut(overrides).insert(Arc::from(&*record.name), Arc::from(&**value));
            }
            None => {
                let Some(overrides) = resources.get_mut(name) else {
                    return Ok(());
                };
                let overrides = Arc::make_mut(overrides);
                overrides.remove(&*record.name);
                if overrides.is_empty() {
                    resources.remove(name);
                }
            }
        }
        changes(Change::Config {
            kind,
            name: Arc::from(name),
        });
        Ok(())
    }

    /// Forgets what was set for a topic that is deleted.
    pub(in crate::metadata) fn remove_topic(
        &mut self,
        name: &Arc<str>,
        changes: &mut dyn FnMut(Change),
    ) {
        if self.topics.remove(name).is_some() {
            changes(Change::Config {
                kind: ResourceKind::Topic,
                name: Arc::clone(name),
            });
        }
    }
}
