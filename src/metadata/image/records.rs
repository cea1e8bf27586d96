//! The image as records: the content of a snapshot, in the order in which Kafka writes it.

use crate::metadata::image::{
    METADATA_VERSION, MetadataImage, Overrides, ResourceKind, TopicImage,
};
use crate::protocol::messages::metadata_records::{
    ConfigRecord, FeatureLevelRecord, MetadataRecord, ProducerIdsRecord, TopicRecord,
};

impl MetadataImage {
    /// Records that, replayed into an empty image, give this one.
    ///
    /// `metadata.version` comes first, because it decides how the rest is read. Brokers and controllers
    /// follow, then each topic before its partitions, then the rest in an order that never changes.
    pub fn records(&self) -> impl Iterator<Item = MetadataRecord> {
        let version = self.metadata_version();
        let brokers = self.brokers.iter();
        let controllers = self.controllers.iter();
        self.feature_records()
            .chain(brokers.map(move |broker| broker.to_record(version).into()))
            .chain(controllers.map(|controller| controller.to_record().into()))
            .chain(
                self.topics
                    .iter()
                    .flat_map(|topic| self.topic_records(topic)),
            )
            .chain(self.config_records())
            .chain(self.client_quotas.records().map(MetadataRecord::from))
            .chain(self.producer_ids_record())
            .chain(self.acls.iter().map(|entry| (**entry).clone().into()))
            .chain(self.scram.iter().map(|entry| (**entry).clone().into()))
            .chain(
                self.delegation_tokens
                    .iter()
                    .map(|token| (**token).clone().into()),
            )
    }

    fn feature_records(&self) -> impl Iterator<Item = MetadataRecord> {
        let version = self.features.metadata_version();
        let version = version.map(|version| (METADATA_VERSION, version.0));
        version
            .into_iter()
            .chain(self.features.others())
            .map(|(name, level)| feature_level(name, level))
    }

    fn topic_records(&self, topic: &TopicImage) -> impl Iterator<Item = MetadataRecord> {
        let version = self.metadata_version();
        let id = topic.id;
        let head = TopicRecord {
            name: (&topic.name).into(),
            topic_id: id,
        };
        let partitions = topic.partitions.iter();
        std::iter::once(head.into()).chain(
            partitions.map(move |(index, state)| state.to_record(id, *index, version).into()),
        )
    }

    fn config_records(&self) -> impl Iterator<Item = MetadataRecord> {
        ResourceKind::ALL.into_iter().flat_map(move |kind| {
            let resources = self.configs.iter(kind);
            resources.flat_map(move |(name, overrides)| resource_records(kind, name, overrides))
        })
    }

    fn producer_ids_record(&self) -> Option<MetadataRecord> {
        let next = self.next_producer_id?;
        let record = ProducerIdsRecord {
            broker_id: -1,
            broker_epoch: -1,
            next_producer_id: next.0,
        };
        Some(record.into())
    }
}

fn resource_records(
    kind: ResourceKind,
    resource: &str,
    overrides: &Overrides,
) -> impl Iterator<Item = MetadataRecord> {
    overrides.iter().map(move |(key, value)| {
        ConfigRecord {
            resource_type: kind.to_wire(),
            resource_name: resource.to_owned().into(),
            name: key.into(),
            value: Some(value.into()),
        }
        .into()
    })
}

/// The record that finalises a feature at a level.
pub(in crate::metadata) fn feature_level(name: &str, level: i16) -> MetadataRecord {
    FeatureLevelRecord {
        name: name.to_owned().into(),
        feature_level: level,
    }
    .into()
}
