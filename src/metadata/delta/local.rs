//! What a delta means for the replicas on one broker.

use std::sync::Arc;

use super::{ChangedPartition, MetadataDelta};
use crate::metadata::image::{PartitionImage, TopicImage};
use crate::model::{BrokerId, DirectoryId, TopicId, TopicPartition};

/// A replica on the broker whose role or epoch changed.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalPartition {
    /// The topic's id.
    pub topic_id: TopicId,
    /// The topic's name and the partition's index.
    pub partition: TopicPartition,
    /// The partition after the change.
    pub state: Arc<PartitionImage>,
    /// Whether a leader was elected: the leader epoch rose, or the partition is new here.
    pub is_new_leader_epoch: bool,
    /// Whether the replica is new on this broker.
    pub is_new: bool,
    /// The directory that the controller believes the replica to be in.
    pub directory: DirectoryId,
}

/// The changes to the replicas on one broker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalChanges {
    /// Replicas that the broker no longer has, of topics that still exist.
    pub removed: Vec<(TopicId, TopicPartition)>,
    /// Replicas of topics that exist no more.
    pub deleted: Vec<(TopicId, TopicPartition)>,
    /// Partitions that the broker leads in a new epoch.
    pub leaders: Vec<LocalPartition>,
    /// Partitions that the broker follows in a new epoch, or that have no leader.
    pub followers: Vec<LocalPartition>,
}

pub(super) fn of(delta: &MetadataDelta, broker: BrokerId) -> LocalChanges {
    let mut local = LocalChanges::default();
    for topic in delta.deleted_topics() {
        let held = topic
            .partitions
            .iter()
            .filter(|(_, state)| state.replicas.contains(&broker));
        local
            .deleted
            .extend(held.map(|(index, _)| (topic.id, name(topic, *index))));
    }
    for change in delta.changed_partitions() {
        local.add(&change, broker);
    }
    local
}

impl LocalChanges {
    /// Whether nothing changed for the broker.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, change: &ChangedPartition<'_>, broker: BrokerId) {
        let previous = change
            .previous
            .filter(|state| state.replicas.contains(&broker));
        let partition = name(change.topic, change.index);
        let Some(directory) = change.current.directory_of(broker) else {
            if previous.is_some() {
                self.removed.push((change.topic.id, partition));
            }
            return;
        };
        if previous.is_some_and(|state| state.partition_epoch == change.current.partition_epoch) {
            return;
        }
        let local = LocalPartition {
            topic_id: change.topic.id,
            partition,
            state: Arc::clone(change.current),
            is_new_leader_epoch: previous
                .is_none_or(|state| state.leader_epoch != change.current.leader_epoch),
            is_new: previous.is_none(),
            directory,
        };
        if change.current.leader == broker {
            self.leaders.push(local);
        } else {
            self.followers.push(local);
        }
    }
}

fn name(topic: &TopicImage, index: i32) -> TopicPartition {
    TopicPartition::new(Arc::clone(&topic.name), index)
}
