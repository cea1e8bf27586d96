//! What turning eligible leader replicas on and off takes (KIP-966), and what a new `min.insync.replicas`
//! does to those that there are.
//!
//! The controller and all leaders must count with the same `min.insync.replicas`: so it is a value of the
//! cluster or of a topic, and no broker may have its own.

use super::Controller;
use super::decision::Refusal;
use super::partition_change::is_change;
use super::topic_rules::MIN_IN_SYNC;
use crate::metadata::image::{PartitionImage, ResourceKind};
use crate::model::{BrokerId, Uuid};
use crate::protocol::Str;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::metadata_records::{
    ClearElrRecord, ConfigRecord, MetadataRecord, PartitionChangeRecord,
};

/// The record of the cluster's `min.insync.replicas`.
pub(super) fn cluster_min_in_sync(value: usize) -> MetadataRecord {
    min_in_sync_of_broker("", Some(value.to_string().into()))
}

fn min_in_sync_of_broker(name: &str, value: Option<Str>) -> MetadataRecord {
    ConfigRecord {
        resource_type: ResourceKind::Broker.to_wire(),
        resource_name: Str::copy_from(name),
        name: MIN_IN_SYNC.into(),
        value,
    }
    .into()
}

impl Controller {
    /// What comes before the record that sets the feature's level.
    pub(super) fn before_elr_level(&self, level: i16) -> Vec<MetadataRecord> {
        if level > 0 {
            self.records_before_elr()
        } else if self.image.features().has_elr() {
            self.records_after_elr()
        } else {
            Vec::new()
        }
    }

    /// Makes `min.insync.replicas` a value of the cluster, and takes it from single brokers.
    fn records_before_elr(&self) -> Vec<MetadataRecord> {
        let configs = self.image.configs();
        let of_cluster = configs.get(ResourceKind::Broker, "", MIN_IN_SYNC);
        let missing = of_cluster
            .is_none()
            .then(|| cluster_min_in_sync(self.static_min_in_sync()));
        let own = configs
            .iter(ResourceKind::Broker)
            .filter(|(name, values)| !name.is_empty() && values.contains_key(MIN_IN_SYNC));
        let removals = own.map(|(name, _)| min_in_sync_of_broker(name, None));
        missing.into_iter().chain(removals).collect()
    }

    /// Makes those that may lead without loss the in-sync set where that is empty: without the feature
    /// nobody else may lead. Kafka leaves such partitions without a leader, until one is elected uncleanly.
    fn records_after_elr(&self) -> Vec<MetadataRecord> {
        let mut records: Vec<MetadataRecord> = Vec::new();
        for (topic_id, partition_id) in self.index.leaderless() {
            let partition = self.image.topics().partition(&topic_id, partition_id);
            let partition = partition.expect("the index holds only partitions of the image");
            let isr = if partition.elr.is_empty() {
                &partition.last_known_elr
            } else {
                &partition.elr
            };
            // Without the feature a log that was made anew in the place of a lost one could lead.
            let is_there =
                |id: &&BrokerId| partition.directory_of(**id) != Some(Uuid::LOST_DIRECTORY);
            let isr: Vec<i32> = isr.iter().filter(is_there).map(|id| id.0).collect();
            if partition.isr.is_empty() && !isr.is_empty() {
                let change = PartitionChangeRecord {
                    partition_id,
                    topic_id,
                    isr: Some(isr),
                    ..PartitionChangeRecord::default()
                };
                records.push(change.into());
            }
        }
        records.push(ClearElrRecord::default().into());
        records
    }

    /// What follows the records of a config change: where `min.insync.replicas` changes, those eligible by
    /// the old value are eligible no more. A partition that has no leader keeps its own: nobody can have
    /// committed anything by the new value. (Kafka clears these, too: such a partition never gets a leader
    /// again, unless one is elected uncleanly.)
    pub(super) fn after_config_change(
        &self,
        kind: ResourceKind,
        name: &str,
        changes_min_in_sync: bool,
    ) -> Vec<MetadataRecord> {
        let topics = self.image.topics();
        if !changes_min_in_sync || !self.image.features().has_elr() {
            return Vec::new();
        }
        let (topic_name, only) = match kind {
            ResourceKind::Topic => (Str::copy_from(name), topics.id_of(name)),
            ResourceKind::Broker => (Str::EMPTY, None),
            ResourceKind::ClientMetrics | ResourceKind::Group => return Vec::new(),
        };
        let is_concerned = |id| only.is_none_or(|only| only == id);
        let leaderless = self.index.leaderless().filter(|(id, _)| is_concerned(*id));
        let kept = leaderless.filter_map(|(topic_id, partition_id)| {
            let partition = topics.partition(&topic_id, partition_id)?;
            Some(
                PartitionChangeRecord {
                    partition_id,
                    topic_id,
                    ..eligible_again(partition)?
                }
                .into(),
            )
        });
        std::iter::once(ClearElrRecord { topic_name }.into())
            .chain(kept)
            .collect()
    }

    /// Refuses a change of `min.insync.replicas` after which leaders would count with other values than the
    /// controller.
    ///
    /// # Errors
    /// INVALID_CONFIG, with Kafka's messages.
    pub(super) fn check_min_in_sync_of_broker(
        &self,
        broker: &str,
        value: Option<&Option<Str>>,
    ) -> Result<(), Refusal> {
        let Some(value) = value.filter(|_| self.image.features().has_elr()) else {
            return Ok(());
        };
        let refused = if !broker.is_empty() {
            format!("Broker-level {MIN_IN_SYNC} cannot be altered while ELR is enabled.")
        } else if value.is_none() {
            format!("Cluster-level {MIN_IN_SYNC} cannot be removed while ELR is enabled.")
        } else {
            return Ok(());
        };
        Err(Refusal::new(ErrorCode::INVALID_CONFIG, refused))
    }
}

/// Gives a partition what [`ClearElrRecord`] takes from it; `None` if that is nothing.
fn eligible_again(partition: &PartitionImage) -> Option<PartitionChangeRecord> {
    let raw = |ids: &[BrokerId]| {
        let ids: Vec<i32> = ids.iter().map(|id| id.0).collect();
        (!ids.is_empty()).then_some(ids)
    };
    let change = PartitionChangeRecord {
        eligible_leader_replicas: raw(&partition.elr),
        last_known_elr: raw(&partition.last_known_elr),
        ..PartitionChangeRecord::default()
    };
    is_change(&change).then_some(change)
}
