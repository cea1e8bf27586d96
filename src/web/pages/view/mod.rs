//! What each page says, as data: made of the metadata image and of what brokers have told, and of nothing else. It
//! is what a page answers as JSON.

pub(super) mod brokers;
pub(super) mod groups;
pub(super) mod moves;
pub(super) mod overview;
pub(super) mod partitions;
pub(super) mod quorum;
pub(super) mod topics;
pub(super) mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::survey::{Config, Survey};
use crate::client::PartitionKey;
use crate::metadata::image::{MetadataImage, ResourceKind, TopicImage};

pub(super) const MIN_ISR: &str = "min.insync.replicas";

/// What is known when a page is made.
pub(super) struct Known {
    pub(super) image: Arc<MetadataImage>,
    pub(super) survey: Arc<Survey>,
    pub(super) cluster_id: String,
    /// The node that makes the page.
    pub(super) node_id: i32,
    /// `min.insync.replicas` of topics that have none of their own.
    pub(super) min_isr: usize,
    /// What was asked for this page alone.
    pub(super) details: Option<Arc<Details>>,
    /// Milliseconds of the wall clock.
    pub(super) now_ms: i64,
}

/// What is asked for the page of one broker or topic.
#[derive(Debug)]
pub(super) struct Details {
    /// Its configs, or why they are not known.
    pub(super) configs: Result<Vec<Config>, String>,
    /// The first offsets of a topic's partitions.
    pub(super) starts: BTreeMap<i32, i64>,
}

impl Known {
    /// How many replicas have to be in sync so that the topic takes what must not be lost.
    pub(super) fn min_isr(&self, topic: &TopicImage) -> usize {
        let configs = self.image.configs();
        let own = configs.get(ResourceKind::Topic, &topic.name, MIN_ISR);
        own.and_then(|text| text.parse().ok())
            .unwrap_or(self.min_isr)
    }

    /// How far a committed offset is behind the end of its partition, where that is known.
    pub(super) fn lag(&self, key: &PartitionKey, offset: i64) -> Option<i64> {
        let end = self.end(&key.0, key.1)?;
        Some((end - offset).max(0))
    }

    /// The end of a partition, where its leader has told it.
    pub(super) fn end(&self, topic: &str, partition: i32) -> Option<i64> {
        self.survey.ends.get(topic)?.get(&partition).copied()
    }
}

#[cfg(test)]
pub(super) mod testing {
    //! Clusters for tests.

    use crate::metadata::image::{LeaderRecovery, PartitionImage};
    use crate::model::{BrokerId, LeaderEpoch};

    /// Ids of brokers.
    pub(in crate::web::pages) fn ids(ids: &[i32]) -> Box<[BrokerId]> {
        ids.iter().copied().map(BrokerId).collect()
    }

    /// A partition with these replicas, of which these are in sync, led by the first of those.
    pub(in crate::web::pages) fn partition(replicas: &[i32], isr: &[i32]) -> PartitionImage {
        PartitionImage {
            replicas: ids(replicas),
            directories: Box::default(),
            isr: ids(isr),
            removing: Box::default(),
            adding: Box::default(),
            elr: Box::default(),
            last_known_elr: Box::default(),
            leader: isr.first().map_or(BrokerId::NONE, |id| BrokerId(*id)),
            leader_recovery: LeaderRecovery::Recovered,
            leader_epoch: LeaderEpoch(1),
            partition_epoch: 1,
        }
    }
}
