//! Which level of each feature the cluster has finalised, and which levels this version serves.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::metadata::image::{Change, ReplayError};
use crate::protocol::messages::metadata_records::{FeatureLevelRecord, MetadataRecord};

/// The name of the feature that says which records the metadata log may hold.
pub const METADATA_VERSION: &str = "metadata.version";

/// The name of the quorum's own feature. Its level lives in control records, never in the image.
pub const KRAFT_VERSION: &str = "kraft.version";

/// The name of the feature that says whether partitions have eligible leader replicas (KIP-966).
pub const ELR_VERSION: &str = "eligible.leader.replicas.version";

/// All features that there are, served or not.
pub const FEATURES: [&str; 7] = [
    METADATA_VERSION,
    KRAFT_VERSION,
    ELR_VERSION,
    "group.version",
    "share.version",
    "streams.version",
    "transaction.version",
];

/// The features that this version serves at a level above 0: name, lowest and highest level.
///
/// A feature that is absent is served at level 0 only, which means "off".
pub const SUPPORTED_FEATURES: &[(&str, i16, i16)] = &[
    (
        METADATA_VERSION,
        MetadataVersion::MIN.0,
        MetadataVersion::LATEST.0,
    ),
    (ELR_VERSION, 0, 1),
];

/// The level of `metadata.version`: which records, and which versions of them, may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetadataVersion(pub i16);

impl MetadataVersion {
    /// 3.3-IV3, the first that Kafka 4 reads.
    pub const MIN: Self = Self(7);
    /// 4.3-IV0, the last that Apache Kafka 4.3.1 reads; new logs are written at it.
    pub const LATEST: Self = Self(30);

    /// 4.0-IV1, the first whose partition records have eligible leader replicas.
    pub const FIRST_WITH_ELR: Self = Self(23);

    /// The names of the levels from [`Self::MIN`] on.
    const NAMES: [&'static str; 24] = [
        "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2",
        "3.7-IV0", "3.7-IV1", "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0",
        "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0", "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0",
    ];

    /// Levels at which, compared to the one before, records changed: a downgrade across one of
    /// them would lose metadata.
    const RECORDS_CHANGED: [i16; 9] = [7, 8, 11, 13, 14, 15, 17, 23, 30];

    /// Whether followers name their broker's epoch in a Fetch (KIP-903).
    pub fn fetches_with_broker_epoch(self) -> bool {
        self.0 >= 10
    }

    /// Whether metadata transactions (KIP-868) may be written.
    pub fn has_transactions(self) -> bool {
        self.0 >= 13
    }

    /// Whether controllers register (KIP-919).
    pub fn registers_controllers(self) -> bool {
        self.0 >= 15
    }

    /// Whether replicas are assigned to log directories (KIP-858).
    pub fn assigns_directories(self) -> bool {
        self.0 >= 17
    }

    /// Whether partitions may have eligible leader replicas (KIP-966).
    pub fn allows_elr(self) -> bool {
        self >= Self::FIRST_WITH_ELR
    }

    /// Whether log directories can be cordoned (KIP-1066).
    pub fn cordons_directories(self) -> bool {
        self.0 >= 30
    }

    /// Whether the leader epoch must rise when the in-sync set shrinks (KAFKA-15021).
    pub fn isr_shrink_raises_leader_epoch(self) -> bool {
        self.0 < 12
    }

    /// Whether records changed between two levels, in either direction.
    pub fn records_differ(self, other: Self) -> bool {
        let (low, high) = (self.min(other), self.max(other));
        Self::RECORDS_CHANGED
            .iter()
            .any(|level| low.0 < *level && *level <= high.0)
    }

    /// The version in which `record` is written at this level.
    pub fn record_version(self, record: &MetadataRecord) -> i16 {
        match record {
            MetadataRecord::RegisterBroker(_) if self.cordons_directories() => 4,
            MetadataRecord::RegisterBroker(_) if self.assigns_directories() => 3,
            MetadataRecord::RegisterBroker(_) if self.0 >= 8 => 2,
            MetadataRecord::RegisterBroker(_) => 1,
            MetadataRecord::Partition(_) | MetadataRecord::PartitionChange(_) => {
                if self.allows_elr() {
                    2
                } else {
                    i16::from(self.assigns_directories())
                }
            }
            // The lowest version that has all fields in use, as Kafka writes it.
            MetadataRecord::BrokerRegistrationChange(change) => {
                if change.cordoned_log_dirs.is_some() {
                    3
                } else if !change.log_dirs.is_empty() {
                    2
                } else {
                    i16::from(change.in_controlled_shutdown != 0)
                }
            }
            _ => 0,
        }
    }
}

impl fmt::Display for MetadataVersion {
    /// The name that Kafka's tools use, such as `4.3-IV0`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = usize::try_from(self.0 - Self::MIN.0);
        match index.ok().and_then(|index| Self::NAMES.get(index)) {
            Some(name) => formatter.write_str(name),
            None => self.0.fmt(formatter),
        }
    }
}

/// The lowest and highest level of a feature that this version serves; 0 to 0 if it does not
/// know the feature.
pub fn supported_range(feature: &str) -> (i16, i16) {
    SUPPORTED_FEATURES
        .iter()
        .find(|(name, _, _)| *name == feature)
        .map_or((0, 0), |(_, min, max)| (*min, *max))
}

/// The finalised features.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeaturesImage {
    metadata_version: Option<MetadataVersion>,
    others: Arc<BTreeMap<Arc<str>, i16>>,
}

impl FeaturesImage {
    /// The level of `metadata.version`; `None` in a log that has no record yet.
    pub fn metadata_version(&self) -> Option<MetadataVersion> {
        self.metadata_version
    }

    /// The finalised level of any feature; 0 if it is off.
    pub fn level(&self, feature: &str) -> i16 {
        if feature == METADATA_VERSION {
            return self.metadata_version.map_or(0, |version| version.0);
        }
        self.others.get(feature).copied().unwrap_or(0)
    }

    /// Whether partitions have eligible leader replicas (KIP-966).
    pub fn has_elr(&self) -> bool {
        self.level(ELR_VERSION) > 0
    }

    /// All finalised features by name with their levels, those at level 0 left out.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i16)> {
        let version = self
            .metadata_version
            .map(|level| (METADATA_VERSION, level.0));
        version.into_iter().chain(self.others())
    }

    /// The finalised features without `metadata.version`.
    pub(in crate::metadata) fn others(&self) -> impl Iterator<Item = (&str, i16)> {
        self.others.iter().map(|(name, level)| (&**name, *level))
    }

    pub(in crate::metadata) fn set_level(
        &mut self,
        record: &FeatureLevelRecord,
        changes: &mut dyn FnMut(Change),
    ) -> Result<(), ReplayError> {
        let (name, level) = (&*record.name, record.feature_level);
        // Old logs have the quorum's level by mistake (KAFKA-18979): the quorum itself knows it.
        if name == KRAFT_VERSION {
            return Ok(());
        }
        let (min, max) = supported_range(name);
        if !(min..=max).contains(&level) {
            return Err(ReplayError::UnsupportedFeature {
                name: name.to_owned(),
                level,
                min,
                max,
            });
        }
        if name == METADATA_VERSION {
            self.metadata_version = Some(MetadataVersion(level));
        } else if level == 0 {
            Arc::make_mut(&mut self.others).remove(name);
        } else {
            Arc::make_mut(&mut self.others).insert(Arc::from(name), level);
        }
        changes(Change::Feature(Arc::from(name)));
        Ok(())
    }
}
