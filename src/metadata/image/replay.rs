//! What each kind of record does to the image.

use crate::metadata::image::{Change, MetadataImage, ReplayError};
use crate::model::{BrokerId, ProducerId};
use crate::protocol::messages::metadata_records::{MetadataRecord, RemoveTopicRecord};

impl MetadataImage {
    /// Applies one record, and tells what it changed.
    ///
    /// The records that mark metadata transactions change nothing: whoever reads the log acts on them.
    /// After an error the image may hold a part of the record's effect, and must be dropped.
    pub fn replay(
        &mut self,
        record: &MetadataRecord,
        changes: &mut dyn FnMut(Change),
    ) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::RegisterBroker(record) => self.brokers.register(record, changes),
            MetadataRecord::UnregisterBroker(record) => {
                self.brokers.unregister(record, changes)?;
            }
            MetadataRecord::Topic(record) => self.topics.create(record, changes)?,
            MetadataRecord::Partition(record) => self.topics.set_partition(record, changes)?,
            MetadataRecord::Config(record) => self.configs.set(record, changes)?,
            MetadataRecord::PartitionChange(record) => {
                self.topics.change_partition(record, changes)?;
            }
            MetadataRecord::FenceBroker(record) => {
                let id = BrokerId(record.id);
                self.brokers.set_fenced(id, record.epoch, true, changes)?;
            }
            MetadataRecord::UnfenceBroker(record) => {
                let id = BrokerId(record.id);
                self.brokers.set_fenced(id, record.epoch, false, changes)?;
            }
            MetadataRecord::RemoveTopic(record) => self.remove_topic(record, changes)?,
            MetadataRecord::DelegationToken(record) => {
                self.delegation_tokens.set(record, changes);
            }
            MetadataRecord::UserScramCredential(record) => self.scram.set(record, changes),
            MetadataRecord::FeatureLevel(record) => self.features.set_level(record, changes)?,
            MetadataRecord::ClientQuota(record) => self.client_quotas.set(record, changes),
            MetadataRecord::ProducerIds(record) => {
                self.next_producer_id = Some(ProducerId(record.next_producer_id));
                changes(Change::ProducerIds);
            }
            MetadataRecord::BrokerRegistrationChange(record) => {
                self.brokers.change(record, changes)?;
            }
            MetadataRecord::AccessControlEntry(record) => self.acls.set(record, changes),
            MetadataRecord::RemoveAccessControlEntry(record) => self.acls.remove(record, changes),
            MetadataRecord::RemoveUserScramCredential(record) => {
                self.scram.remove(record, changes);
            }
            MetadataRecord::RemoveDelegationToken(record) => {
                self.delegation_tokens.remove(record, changes);
            }
            MetadataRecord::RegisterController(record) => {
                self.controllers.register(record, changes);
            }
            MetadataRecord::UnregisterController(record) => {
                self.controllers.unregister(record, changes)?;
            }
            MetadataRecord::ClearElr(record) => self.topics.clear_elr(record, changes)?,
            MetadataRecord::NoOp(_)
            | MetadataRecord::ZkMigrationState(_)
            | MetadataRecord::BeginTransaction(_)
            | MetadataRecord::EndTransaction(_)
            | MetadataRecord::AbortTransaction(_) => {}
        }
        Ok(())
    }

    fn remove_topic(
        &mut self,
        record: &RemoveTopicRecord,
        changes: &mut dyn FnMut(Change),
    ) -> Result<(), ReplayError> {
        let topic = self.topics.remove(record, changes)?;
        self.configs.remove_topic(&topic.name, changes);
        Ok(())
    }
}
