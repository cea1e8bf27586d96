//! Which partitions a broker takes part in, so that fencing it costs what it leads and follows, and not a
//! walk over all partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::metadata::image::{MetadataImage, PartitionImage, TopicImage};
use crate::model::{BrokerId, TopicId};

/// One partition, by its topic's id.
pub(super) type PartitionKey = (TopicId, i32);

/// The partitions by the brokers in their in-sync set and by their eligible leaders, and those without a leader, or without the preferred
/// one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PartitionIndex {
    in_sync: BTreeMap<BrokerId, BTreeSet<PartitionKey>>,
    /// The partitions by their eligible leader replicas.
    eligible: BTreeMap<BrokerId, BTreeSet<PartitionKey>>,
    leaderless: BTreeSet<PartitionKey>,
    /// The partitions that another replica leads than the preferred one, or none.
    imbalanced: BTreeSet<PartitionKey>,
    /// How many partitions each broker leads.
    led: BTreeMap<BrokerId, usize>,
}

impl PartitionIndex {
    pub(super) fn of(image: &MetadataImage) -> Self {
        let mut index = Self::default();
        for topic in image.topics().iter() {
            for (partition, state) in &topic.partitions {
                index.add((topic.id, *partition), state);
            }
        }
        index
    }

    /// The partitions that have `broker` in their in-sync set, ascending.
    pub(super) fn in_sync_on(&self, broker: BrokerId) -> impl Iterator<Item = PartitionKey> {
        self.in_sync.get(&broker).into_iter().flatten().copied()
    }

    /// As [`Self::in_sync_on`], those after `last`.
    pub(super) fn in_sync_after(
        &self,
        broker: BrokerId,
        last: Option<PartitionKey>,
    ) -> impl Iterator<Item = PartitionKey> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let partitions = self.in_sync.get(&broker).into_iter();
        partitions.flat_map(move |all| all.range((from, Bound::Unbounded)).copied())
    }

    /// The partitions that have `broker` among their eligible leader replicas, ascending.
    pub(super) fn eligible_on(&self, broker: BrokerId) -> impl Iterator<Item = PartitionKey> {
        self.eligible.get(&broker).into_iter().flatten().copied()
    }

    /// The partitions without a leader, ascending.
    pub(super) fn leaderless(&self) -> impl Iterator<Item = PartitionKey> {
        self.leaderless.iter().copied()
    }

    /// The partitions that their preferred replica does not lead, ascending.
    pub(super) fn imbalanced(&self) -> impl Iterator<Item = PartitionKey> {
        self.imbalanced.iter().copied()
    }

    /// Whether `broker` leads any partition.
    pub(super) fn leads_any(&self, broker: BrokerId) -> bool {
        self.led.contains_key(&broker)
    }

    pub(super) fn change(
        &mut self,
        key: PartitionKey,
        previous: Option<&PartitionImage>,
        current: &PartitionImage,
    ) {
        if let Some(previous) = previous {
            self.remove(key, previous);
        }
        self.add(key, current);
    }

    pub(super) fn remove_topic(&mut self, topic: &TopicImage) {
        for (partition, state) in &topic.partitions {
            self.remove((topic.id, *partition), state);
        }
    }

    fn add(&mut self, key: PartitionKey, state: &PartitionImage) {
        for (members, brokers) in [
            (&mut self.in_sync, &state.isr),
            (&mut self.eligible, &state.elr),
        ] {
            for broker in brokers {
                members.entry(*broker).or_default().insert(key);
            }
        }
        if state.has_leader() {
            *self.led.entry(state.leader).or_default() += 1;
        } else {
            self.leaderless.insert(key);
        }
        if state.leader != state.preferred_leader() {
            self.imbalanced.insert(key);
        }
    }

    fn remove(&mut self, key: PartitionKey, state: &PartitionImage) {
        for (members, brokers) in [
            (&mut self.in_sync, &state.isr),
            (&mut self.eligible, &state.elr),
        ] {
            for broker in brokers {
                if let Some(partitions) = members.get_mut(broker) {
                    partitions.remove(&key);
                    if partitions.is_empty() {
                        members.remove(broker);
                    }
                }
            }
        }
        if state.has_leader() {
            if let Some(count) = self.led.get_mut(&state.leader) {
                *count -= 1;
                if *count == 0 {
                    self.led.remove(&state.leader);
                }
            }
        } else {
            self.leaderless.remove(&key);
        }
        self.imbalanced.remove(&key);
    }
}
