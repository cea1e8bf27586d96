//! Which things changed, net: something that was created and deleted within one delta leaves no trace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::metadata::image::{Change, MetadataImage, QuotaEntity, ResourceKind};
use crate::model::{BrokerId, TopicId, Uuid};

/// What changed of one topic that exists after the change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicChange {
    /// Whether the topic is new: the base has none of that id.
    pub created: bool,
    /// The partitions that were created or changed.
    pub partitions: BTreeSet<i32>,
}

/// The keys of everything that changed. Their values stand in the images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Topics that were created, or of which partitions changed.
    pub topics: BTreeMap<TopicId, TopicChange>,
    /// Topics of the base that exist no more.
    pub deleted_topics: BTreeSet<TopicId>,
    /// Brokers that registered, changed or went.
    pub brokers: BTreeSet<BrokerId>,
    /// Controllers that registered or went.
    pub controllers: BTreeSet<BrokerId>,
    /// Resources whose overrides were set, also to the value they had: a broker reloads its
    /// key files when their paths are set again (KAFKA-14136).
    pub configs: BTreeSet<(ResourceKind, Arc<str>)>,
    /// Features whose level changed.
    pub features: BTreeSet<Arc<str>>,
    /// Entities whose quotas changed.
    pub client_quotas: BTreeSet<QuotaEntity>,
    /// Whether a block of producer ids was handed out.
    pub producer_ids: bool,
    /// Access control entries that were set or removed.
    pub acls: BTreeSet<Uuid>,
    /// Credentials that were set or removed: mechanism and user.
    pub scram: BTreeSet<(i8, Arc<str>)>,
    /// Delegation tokens that were set or removed.
    pub delegation_tokens: BTreeSet<Arc<str>>,
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn note(&mut self, base: &MetadataImage, change: Change) {
        match change {
            Change::TopicCreated(id) => {
                self.topics.entry(id).or_default().created = true;
            }
            Change::TopicDeleted(topic) => {
                // A topic that was created and deleted within the delta leaves no trace.
                self.topics.remove(&topic.id);
                if base.topics().by_id(&topic.id).is_some() {
                    self.deleted_topics.insert(topic.id);
                }
            }
            Change::Partition { topic, index, .. } => {
                self.topics
                    .entry(topic)
                    .or_default()
                    .partitions
                    .insert(index);
            }
            Change::Broker { id, .. } => {
                self.brokers.insert(id);
            }
            Change::Controller(id) => {
                self.controllers.insert(id);
            }
            Change::Config { kind, name } => {
                self.configs.insert((kind, name));
            }
            Change::Feature(name) => {
                self.features.insert(name);
            }
            Change::ClientQuota(entity) => {
                self.client_quotas.insert(entity);
            }
            Change::ProducerIds => self.producer_ids = true,
            Change::Acl(id) => {
                self.acls.insert(id);
            }
            Change::Scram { mechanism, user } => {
                self.scram.insert((mechanism, user));
            }
            Change::DelegationToken(id) => {
                self.delegation_tokens.insert(id);
            }
        }
    }
}
