//! What the configs say of a topic's partitions, as the controller sees them.

use super::Controller;
use super::partition_change::TopicRules;
use crate::config::keys;
use crate::config::{Layers, Value};
use crate::metadata::image::ResourceKind;

const UNCLEAN_ELECTION: &str = "unclean.leader.election.enable";
/// The key for topics, and the broker's for topics without a value of their own.
pub(super) const MIN_IN_SYNC: &str = "min.insync.replicas";

impl Controller {
    /// What holds for a topic's partitions.
    pub(super) fn rules_of(&self, topic: &str) -> TopicRules {
        TopicRules {
            unclean_allowed: self.allows_unclean_election(topic),
            min_in_sync: as_count(self.topic_value(topic, MIN_IN_SYNC)),
        }
    }

    /// Whether a replica that is not in sync may lead a topic's partitions.
    pub(super) fn allows_unclean_election(&self, topic: &str) -> bool {
        let value = self.topic_value(topic, UNCLEAN_ELECTION);
        value.and_then(|value| value.as_bool()).unwrap_or(false)
    }

    /// `min.insync.replicas` of this node's static settings, which a cluster starts with.
    pub fn static_min_in_sync(&self) -> usize {
        let key = keys::topic_key(MIN_IN_SYNC).expect("the table has all topic keys");
        as_count(Layers::of(&self.settings.settings).resource_default(key))
    }

    fn topic_value(&self, topic: &str, name: &str) -> Option<Value> {
        let own = self.image.configs().get(ResourceKind::Topic, topic, name);
        let key = keys::topic_key(name).expect("the table has all topic keys");
        match own.and_then(|text| key.parse(text).ok()) {
            Some(value) => Some(value),
            None => self.layers().resource_default(key),
        }
    }
}

/// A number of replicas, at least 1.
fn as_count(value: Option<Value>) -> usize {
    let count = value.and_then(|value| value.as_i64()).unwrap_or(1);
    usize::try_from(count).unwrap_or(1).max(1)
}
