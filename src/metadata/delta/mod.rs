//! The difference between two images: what a publisher must act on.
//!
//! A delta is made by replaying records onto a base, or by comparing the base with what a snapshot holds.
//! It tells *which* things changed, net of what was undone within it; the two images tell what they were
//! and what they are.

mod changes;
mod difference;
mod local;

use std::sync::Arc;

pub use changes::{Changes, TopicChange};
pub use local::{LocalChanges, LocalPartition};

use crate::metadata::image::{MetadataImage, PartitionImage, Provenance, ReplayError, TopicImage};
use crate::model::BrokerId;
use crate::protocol::messages::metadata_records::MetadataRecord;

/// What changed between two images.
#[derive(Clone, Debug)]
pub struct MetadataDelta {
    base: MetadataImage,
    image: MetadataImage,
    changes: Changes,
}

/// A partition that was created or changed.
#[derive(Clone, Copy, Debug)]
pub struct ChangedPartition<'a> {
    /// The partition's topic, as it is now.
    pub topic: &'a Arc<TopicImage>,
    /// The partition's index.
    pub index: i32,
    /// The partition in the base; `None` if it is new.
    pub previous: Option<&'a Arc<PartitionImage>>,
    /// The partition after the change.
    pub current: &'a Arc<PartitionImage>,
}

impl MetadataDelta {
    /// A delta without changes, for records to be replayed onto `base`.
    pub fn new(base: MetadataImage) -> Self {
        Self {
            image: base.clone(),
            base,
            changes: Changes::default(),
        }
    }

    /// The change from `base` to the state that a snapshot's records give.
    ///
    /// # Errors
    /// A record cannot be replayed.
    pub fn from_snapshot<'a>(
        base: MetadataImage,
        records: impl IntoIterator<Item = &'a MetadataRecord>,
    ) -> Result<Self, ReplayError> {
        let mut image = MetadataImage::default();
        for record in records {
            image.replay(record, &mut |_| {})?;
        }
        Ok(Self {
            changes: difference::between(&base, &image),
            base,
            image,
        })
    }

    /// Applies one more record.
    ///
    /// # Errors
    /// The record cannot be replayed; the delta must be dropped.
    pub fn replay(&mut self, record: &MetadataRecord) -> Result<(), ReplayError> {
        let (base, changes) = (&self.base, &mut self.changes);
        self.image
            .replay(record, &mut |change| changes.note(base, change))
    }

    /// Sets up to where in the log the new image goes.
    pub fn set_provenance(&mut self, provenance: Provenance) {
        self.image.set_provenance(provenance);
    }

    /// The image before the change.
    pub fn base(&self) -> &MetadataImage {
        &self.base
    }

    /// The image after the change.
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    /// What changed, as sets of keys.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Whether nothing changed but the provenance.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The topics that were created, by ascending id.
    pub fn created_topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        let created = self
            .changes
            .topics
            .iter()
            .filter(|(_, change)| change.created);
        created.filter_map(|(id, _)| self.image.topics().by_id(id))
    }

    /// The topics of the base that exist no more, as they were in the base.
    pub fn deleted_topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        let deleted = self.changes.deleted_topics.iter();
        deleted.filter_map(|id| self.base.topics().by_id(id))
    }

    /// The partitions that were created or changed, without those of deleted topics.
    pub fn changed_partitions(&self) -> impl Iterator<Item = ChangedPartition<'_>> {
        self.changes
            .topics
            .iter()
            .filter_map(|(id, change)| Some((self.image.topics().by_id(id)?, change)))
            .flat_map(move |(topic, change)| {
                let indexes = change.partitions.iter();
                indexes.filter_map(move |index| self.changed_partition(topic, *index))
            })
    }

    fn changed_partition<'a>(
        &'a self,
        topic: &'a Arc<TopicImage>,
        index: i32,
    ) -> Option<ChangedPartition<'a>> {
        Some(ChangedPartition {
            topic,
            index,
            previous: self.base.topics().partition(&topic.id, index),
            current: topic.partitions.get(&index)?,
        })
    }

    /// What this change means for the replicas on one broker.
    pub fn local_changes(&self, broker: BrokerId) -> LocalChanges {
        local::of(self, broker)
    }
}

#[cfg(test)]
mod tests;
