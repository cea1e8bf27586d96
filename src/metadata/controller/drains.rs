//! Drained brokers: what they lead goes to others, and does not come back, as long as others can lead it.
//!
//! An operator sets `broker.drain` for a broker. That is a config record, so it survives restarts, and each
//! controller knows of it. A drained broker follows on and stays in sync; it leads where it is the only one that
//! can, since nobody else would serve the partition. Each election of a leader passes it over
//! ([`super::partition_change`]), new replicas go elsewhere ([`super::placement`]). Here is what leaders that are
//! there already take: a pass over what drained brokers lead, in steps, so that other decisions come in between.
//! It need not be repeated: who may lead instead later joins the in-sync set first, and that is an election.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::Controller;
use super::decision::Decision;
use super::partition_change::Movement;
use super::partition_index::PartitionKey;
use crate::config::{BROKER_DRAIN, keys};
use crate::metadata::image::{ConfigsImage, ResourceKind};
use crate::model::BrokerId;

/// The most leaders that one step moves, as in elections by time.
const MAX_PER_STEP: usize = 1_000;

/// The drained brokers, and how far their leaders were handed over.
#[derive(Debug, Default)]
pub(super) struct Drains {
    brokers: BTreeSet<BrokerId>,
    pass: Option<Pass>,
}

/// A pass over what drained brokers lead.
#[derive(Clone, Copy, Debug, Default)]
struct Pass {
    /// The last partition that was looked at, and the broker that it was looked at for.
    last: Option<(BrokerId, PartitionKey)>,
}

impl Drains {
    /// The drained brokers by these configs. A controller that begins to lead does not know how far the one
    /// before it came.
    pub(super) fn of(configs: &ConfigsImage) -> Self {
        let brokers = configs.iter(ResourceKind::Broker);
        let ids = brokers.filter_map(|(name, _)| name.parse().ok().map(BrokerId));
        let drained: BTreeSet<BrokerId> = ids.filter(|id| is_drained(configs, *id)).collect();
        Self {
            pass: (!drained.is_empty()).then(Pass::default),
            brokers: drained,
        }
    }

    /// Takes in that the configs of a broker have changed.
    pub(super) fn follow(&mut self, configs: &ConfigsImage, broker: &str) {
        let Ok(id) = broker.parse().map(BrokerId) else {
            return;
        };
        let was_drained = self.brokers.contains(&id);
        if is_drained(configs, id) {
            self.brokers.insert(id);
        } else {
            self.brokers.remove(&id);
        }
        // A broker that is drained no more may lead what another drained one had to.
        if was_drained || self.brokers.contains(&id) {
            self.pass = (!self.brokers.is_empty()).then(Pass::default);
        }
    }

    /// Whether a broker is drained.
    pub(super) fn contains(&self, broker: BrokerId) -> bool {
        self.brokers.contains(&broker)
    }

    /// The drained brokers.
    pub(super) fn brokers(&self) -> &BTreeSet<BrokerId> {
        &self.brokers
    }
}

fn is_drained(configs: &ConfigsImage, broker: BrokerId) -> bool {
    let set = configs.get(ResourceKind::Broker, &broker.to_string(), BROKER_DRAIN);
    let key = keys::broker_key(BROKER_DRAIN).expect("the table has the key");
    // Apache Kafka's controller takes any text for a key that it does not know.
    let value = set.and_then(|text| key.parse(text).ok());
    value.and_then(|value| value.as_bool()).unwrap_or(false)
}

impl Controller {
    /// Whether [`Self::hand_over_drained`] has something to look at.
    pub fn is_handing_over(&self) -> bool {
        self.drains.pass.is_some()
    }

    /// The next step of giving what drained brokers lead to others: the changes of some partitions. `None` if
    /// this step changes nothing, since nobody else may lead those.
    pub fn hand_over_drained(&mut self) -> Option<Decision<()>> {
        let pass = self.drains.pass?;
        let next = self.led_by_drained(pass);
        self.drains.pass = match next.last() {
            Some(last) if next.len() == MAX_PER_STEP => Some(Pass { last: Some(*last) }),
            _ => None,
        };
        let mut records = Vec::new();
        let partitions = next.into_iter().map(|(_, key)| key);
        self.leadership_changes(Movement::default(), partitions, &mut records);
        let answer = ();
        (!records.is_empty()).then_some(Decision { records, answer })
    }

    /// The next partitions that drained brokers lead, as many as one step takes.
    fn led_by_drained(&self, pass: Pass) -> Vec<(BrokerId, PartitionKey)> {
        let topics = self.image.topics();
        let from = pass
            .last
            .map_or(Bound::Unbounded, |(id, _)| Bound::Included(id));
        let brokers = self.drains.brokers.range((from, Bound::Unbounded));
        let led = brokers.flat_map(|broker| {
            let after = pass.last.filter(|(id, _)| id == broker).map(|(_, key)| key);
            let in_sync = self.index.in_sync_after(*broker, after);
            let led = in_sync.filter(|(topic, index)| {
                let partition = topics.partition(topic, *index);
                partition.is_some_and(|partition| partition.leader == *broker)
            });
            led.map(|key| (*broker, key))
        });
        led.take(MAX_PER_STEP).collect()
    }
}
