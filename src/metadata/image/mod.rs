//! The metadata image: the state of the cluster at one offset of the metadata log.
//!
//! It is immutable for its readers and swapped whole; `clone` costs a few reference counts, and a
//! change copies only what it touches. [`MetadataImage::replay`] is the only thing that changes
//! one: start-up, the controller's decisions and the records of others take the same path.

mod access;
mod client_quotas;
mod cluster;
mod configs;
mod error;
mod features;
mod partition;
mod records;
mod replay;
mod shared_map;
mod topics;

use std::sync::Arc;

pub use access::{AclsImage, DelegationTokensImage, ScramImage};
pub use client_quotas::{ClientQuotasImage, QuotaEntity};
pub use cluster::{
    BrokerImage, BrokersImage, ControllerImage, ControllersImage, Endpoint, FeatureRange,
};
pub use configs::{ConfigsImage, Overrides, ResourceKind};
pub use error::ReplayError;
pub use features::{
    ELR_VERSION, FEATURES, FeaturesImage, KRAFT_VERSION, METADATA_VERSION, MetadataVersion,
    SUPPORTED_FEATURES, supported_range,
};
pub use partition::{LEADER_UNCHANGED, LeaderRecovery, PartitionImage};
pub(in crate::metadata) use records::feature_level;
pub use shared_map::SharedMap;
pub use topics::{TopicImage, TopicsImage};

use crate::model::{BrokerId, LeaderEpoch, Offset, ProducerId, Timestamp, TopicId, Uuid};

/// How far in the log an image goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The last offset that the image contains; -1 for the empty image.
    pub offset: Offset,
    /// The epoch of that offset.
    pub epoch: LeaderEpoch,
    /// When the last batch was appended.
    pub timestamp: Timestamp,
}

impl Default for Provenance {
    fn default() -> Self {
        Self {
            offset: Offset::NONE,
            epoch: LeaderEpoch::NONE,
            timestamp: Timestamp::NONE,
        }
    }
}

/// One thing that a replayed record changed. The image tells what it is now.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A topic exists; its partitions follow.
    TopicCreated(TopicId),
    /// A topic is deleted; this is what it was.
    TopicDeleted(Arc<TopicImage>),
    /// A partition was created or changed.
    Partition {
        /// The partition's topic.
        topic: TopicId,
        /// The partition's index.
        index: i32,
        /// What it was before; `None` if it is new.
        previous: Option<Arc<PartitionImage>>,
    },
    /// A broker registered, changed or went.
    Broker {
        /// The broker's id.
        id: BrokerId,
        /// What it was before; `None` if it is new.
        previous: Option<Arc<BrokerImage>>,
    },
    /// A controller registered or went.
    Controller(BrokerId),
    /// A resource's overrides changed.
    Config {
        /// The resource's kind.
        kind: ResourceKind,
        /// The resource's name.
        name: Arc<str>,
    },
    /// A feature was finalised at another level.
    Feature(Arc<str>),
    /// A quota of an entity was set or removed.
    ClientQuota(QuotaEntity),
    /// A block of producer ids was handed out.
    ProducerIds,
    /// An access control entry was set or removed.
    Acl(Uuid),
    /// A user's credential was set or removed.
    Scram {
        /// Kafka's number of the mechanism.
        mechanism: i8,
        /// The user.
        user: Arc<str>,
    },
    /// A delegation token was set or removed.
    DelegationToken(Arc<str>),
}

/// The state of the cluster at one offset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataImage {
    provenance: Provenance,
    features: FeaturesImage,
    brokers: BrokersImage,
    controllers: ControllersImage,
    topics: TopicsImage,
    configs: ConfigsImage,
    client_quotas: ClientQuotasImage,
    next_producer_id: Option<ProducerId>,
    acls: AclsImage,
    scram: ScramImage,
    delegation_tokens: DelegationTokensImage,
}

impl MetadataImage {
    /// How far in the log the image goes.
    pub fn provenance(&self) -> Provenance {
        self.provenance
    }

    /// The finalised features.
    pub fn features(&self) -> &FeaturesImage {
        &self.features
    }

    /// The level of `metadata.version`; the lowest level if the log has none yet.
    pub fn metadata_version(&self) -> MetadataVersion {
        let version = self.features.metadata_version();
        version.unwrap_or(MetadataVersion::MIN)
    }

    /// The registered brokers.
    pub fn brokers(&self) -> &BrokersImage {
        &self.brokers
    }

    /// The registered controllers.
    pub fn controllers(&self) -> &ControllersImage {
        &self.controllers
    }

    /// The topics.
    pub fn topics(&self) -> &TopicsImage {
        &self.topics
    }

    /// The dynamic configs.
    pub fn configs(&self) -> &ConfigsImage {
        &self.configs
    }

    /// The client quotas.
    pub fn client_quotas(&self) -> &ClientQuotasImage {
        &self.client_quotas
    }

    /// The first producer id of the next block; `None` if none was handed out yet.
    pub fn next_producer_id(&self) -> Option<ProducerId> {
        self.next_producer_id
    }

    /// The access control entries.
    pub fn acls(&self) -> &AclsImage {
        &self.acls
    }

    /// The SCRAM credentials.
    pub fn scram(&self) -> &ScramImage {
        &self.scram
    }

    /// The delegation tokens.
    pub fn delegation_tokens(&self) -> &DelegationTokensImage {
        &self.delegation_tokens
    }

    /// Says that the image goes up to another place in the log, with the same state.
    pub(in crate::metadata) fn set_provenance(&mut self, provenance: Provenance) {
        self.provenance = provenance;
    }
}

#[cfg(test)]
mod tests;
