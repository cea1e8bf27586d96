//! The topics, by name and by id, each with its partitions.

use std::sync::Arc;

use crate::metadata::image::partition::PartitionImage;
use crate::metadata::image::{Change, ReplayError, SharedMap};
use crate::model::TopicId;
use crate::protocol::messages::metadata_records::{
    ClearElrRecord, PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord,
};

/// One topic.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicImage {
    /// The topic's name.
    pub name: Arc<str>,
    /// The topic's id. A later topic of the same name has another.
    pub id: TopicId,
    /// The topic's partitions by index, which goes up from 0 without gaps.
    pub partitions: SharedMap<i32, Arc<PartitionImage>>,
}

impl TopicImage {
    /// The partition `index`, if there is one.
    pub fn partition(&self, index: i32) -> Option<&PartitionImage> {
        self.partitions.get(&index).map(|partition| &**partition)
    }
}

/// All topics.
///
/// The map by name holds ids only, so that a change of a partition touches one map.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicsImage {
    ids: SharedMap<Arc<str>, TopicId>,
    topics: SharedMap<TopicId, Arc<TopicImage>>,
    partition_count: usize,
}

impl TopicsImage {
    /// The topic named `name`.
    pub fn by_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.get(self.ids.get(name)?)
    }

    /// The topic with the id `id`.
    pub fn by_id(&self, id: &TopicId) -> Option<&Arc<TopicImage>> {
        self.topics.get(id)
    }

    /// The id of the topic named `name`.
    pub fn id_of(&self, name: &str) -> Option<TopicId> {
        self.ids.get(name).copied()
    }

    /// One partition of a topic by its id.
    pub fn partition(&self, topic: &TopicId, index: i32) -> Option<&Arc<PartitionImage>> {
        self.topics.get(topic)?.partitions.get(&index)
    }

    /// All topics, by ascending name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.iter_from("")
    }

    /// The topics whose names are not before `name`, by ascending name.
    pub fn iter_from(&self, name: &str) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.ids
            .iter_from(name)
            .filter_map(|(_, id)| self.topics.get(id))
    }

    /// How many topics there are.
    pub fn len(&self) -> usize {
        self.topics.len()
    }

    /// Whether there are no topics.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// How many partitions all topics have together.
    pub fn partition_count(&self) -> usize {
        self.partition_count
    }

    pub(in crate::metadata) fn create(
        &mut self,
        record: &TopicRecord,
        changes: &mut dyn FnMut(Change),
    ) -> Result<(), ReplayError> {
        let id = record.topic_id;
        let existing = self
            .id_of(&record.name)
            .or(self.topics.contains(&id).then_some(id));
        if let Some(existing) = existing {
            return Err(ReplayError::DuplicateTopic {
                name: record.name.to_string(),
                id: existing,
            });
        }
        let name: Arc<str> = Arc::from(&*record.name);
        let topic = TopicImage {
            name: Arc::clone(&name),
            id,
            partitions: SharedMap::default(),
        };
        self.ids.insert(name, id);
        self.topics.insert(id, Arc::new(topic));
        changes(Change::TopicCreated(id));
        Ok(())
    }

    pub(in crate::metadata) fn remove(
        &mut self,
        record: &RemoveTopicRecord,
        changes: &mut dyn FnMut(Change),
    ) -> Result<Arc<TopicImage>, ReplayError> {
        let id = record.topic_id;
        let topic = self
            .topics
            .remove(&id)
            .ok_or(ReplayError::UnknownTopic(id))?;
        self.ids.remove(&*topic.name);
        self.partition_count -= topic.partitions.len();
        changes(Change::TopicDeleted(Arc::clone(&topic)));
        Ok(topic)
    }

    pub(in crate::metadata) fn set_partition(
        &mut self,
        record: &PartitionRecord,
        changes: &mut dyn FnMut(Change),
    ) -> Result<(), ReplayError> {
        let partition = PartitionImage::from_record(record)?;
        self.put(record.topic_id, record.partition_id, partition, changes)
    }

    pub(in crate::metadata) fn change_partition(
        &mut self,
        record: &PartitionChangeRecord,
        changes: &mut dyn FnMut(Change),
    ) -> Result<(), ReplayError> {
        let (topic, index) = (record.topic_id, record.partition_id);
        let partition = self
            .partition(&topic, index)
            .ok_or(ReplayError::UnknownPartition {
                topic,
                partition: index,
            })?
            .merge(record)?;
        self.put(topic, index, partition, changes)
    }

    /// Clears the eligible leaders of one topic, or of all topics if the record names none.
    pub(in crate::metadata) fn clear_elr(
        &mut self,
        record: &ClearElrRecord,
        changes: &mut dyn FnMut(Change),
    ) -> Result<(), ReplayError> {
        let topics: Vec<TopicId> = if record.topic_name.is_empty() {
            self.topics.iter().map(|(id, _)| *id).collect()
        } else {
            let id = self.id_of(&record.topic_name);
            let unknown = || ReplayError::UnknownTopicName(record.topic_name.to_string());
            vec![id.ok_or_else(unknown)?]
        };
        for id in topics {
            for (index, partition) in self.partitions_without_elr(&id) {
                self.put(id, index, partition, changes)?;
            }
        }
        Ok(())
    }

    fn partitions_without_elr(&self, topic: &TopicId) -> Vec<(i32, PartitionImage)> {
        let partitions = self.topics.get(topic).map(|topic| topic.partitions.iter());
        partitions
            .into_iter()
            .flatten()
            .filter_map(|(index, partition)| Some((*index, partition.without_elr()?)))
            .collect()
    }

    fn put(
        &mut self,
        topic: TopicId,
        index: i32,
        partition: PartitionImage,
        changes: &mut dyn FnMut(Change),
    ) -> Result<(), ReplayError> {
        let image = self
            .topics
            .get_mut(&topic)
            .ok_or(ReplayError::UnknownTopic(topic))?;
        let previous = Arc::make_mut(image)
            .partitions
            .insert(index, Arc::new(partition));
        self.partition_count += usize::from(previous.is_none());
        changes(Change::Partition {
            topic,
            index,
            previous,
        });
        Ok(())
    }
}
