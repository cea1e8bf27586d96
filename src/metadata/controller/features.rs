//! UpdateFeatures: raises and lowers levels, all that the request names or none.

use std::collections::BTreeMap;

use super::Controller;
use super::decision::{Decision, Refusal};
use super::request::{Circumstances, ControllerRequest};
use crate::metadata::image::{
    ELR_VERSION, FEATURES, FeatureRange, KRAFT_VERSION, METADATA_VERSION, MetadataVersion,
    feature_level, supported_range,
};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::metadata_records::MetadataRecord;
use crate::protocol::messages::update_features::{
    FeatureUpdateKey, UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

/// The last version whose responses have a result for each feature.
const LAST_WITH_RESULTS: i16 = 1;

/// Which way a level may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Upgrade,
    SafeDowngrade,
    UnsafeDowngrade,
}

impl Direction {
    fn of(update: &FeatureUpdateKey, version: i16) -> Option<Self> {
        if version == 0 {
            // The versions that had this flag knew no safe downgrade: the flag means an unsafe one.
            return Some(if update.allow_downgrade {
                Self::UnsafeDowngrade
            } else {
                Self::Upgrade
            });
        }
        match update.upgrade_type {
            1 => Some(Self::Upgrade),
            2 => Some(Self::SafeDowngrade),
            3 => Some(Self::UnsafeDowngrade),
            _ => None,
        }
    }
}

impl ControllerRequest for UpdateFeaturesRequest {
    fn decide(
        &self,
        controller: &mut Controller,
        circumstances: Circumstances<'_>,
    ) -> Result<Decision<UpdateFeaturesResponse>, Refusal> {
        Ok(controller.update_features(self, circumstances.context.version))
    }

    fn refuse(&self, refusal: &Refusal) -> UpdateFeaturesResponse {
        UpdateFeaturesResponse {
            error_code: refusal.code,
            error_message: refusal.text(),
            ..UpdateFeaturesResponse::default()
        }
    }

    fn timeout_ms(&self) -> i32 {
        self.timeout_ms
    }
}

impl Controller {
    /// Decides which levels change. `version` is that of the request.
    pub(super) fn update_features(
        &self,
        request: &UpdateFeaturesRequest,
        version: i16,
    ) -> Decision<UpdateFeaturesResponse> {
        let updates = request.feature_updates.iter();
        // Where several updates name a feature, the last counts.
        let updates: BTreeMap<&str, &FeatureUpdateKey> =
            updates.map(|update| (&*update.feature, update)).collect();
        let mut records = Vec::new();
        let metadata_version = updates.get(METADATA_VERSION);
        let metadata_version = metadata_version.map_or_else(
            || self.image.metadata_version(),
            |update| MetadataVersion(update.max_version_level),
        );
        for update in updates.values() {
            match self.update_feature(update, version, metadata_version) {
                Ok(new) => records.extend(new),
                Err(refusal) => return Decision::answer(refused(&refusal)),
            }
        }
        if request.validate_only {
            records.clear();
        }
        let results = request.feature_updates.iter();
        let results = results.map(|update| UpdatableFeatureResult {
            feature: update.feature.clone(),
            ..UpdatableFeatureResult::default()
        });
        Decision {
            records,
            answer: UpdateFeaturesResponse {
                results: if version <= LAST_WITH_RESULTS {
                    results.collect()
                } else {
                    Vec::new()
                },
                ..UpdateFeaturesResponse::default()
            },
        }
    }

    /// The records of one update. `metadata_version` is the level after the request.
    fn update_feature(
        &self,
        update: &FeatureUpdateKey,
        version: i16,
        metadata_version: MetadataVersion,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let (name, level) = (&*update.feature, update.max_version_level);
        let invalid = |message: &str| {
            let message = format!("Invalid update version {level} for feature {name}. {message}");
            Err(Refusal::new(ErrorCode::INVALID_UPDATE_VERSION, message))
        };
        let Some(direction) = Direction::of(update, version) else {
            return invalid("The controller does not support the given upgrade type.");
        };
        if level < 0 {
            return invalid("A feature version cannot be less than 0.");
        }
        if let Some(reason) = self.reason_not_supported(name, level) {
            return invalid(&reason);
        }
        if !FEATURES.contains(&name) {
            return invalid(&format!("Feature {name} not found."));
        }
        let current = self.image.features().level(name);
        if level < current && direction == Direction::Upgrade {
            return invalid(
                "Can't downgrade the version of this feature without setting the upgrade type to \
                 either safe or unsafe downgrade.",
            );
        }
        if level > current && direction != Direction::Upgrade {
            return invalid("Can't downgrade to a newer version.");
        }
        if name == METADATA_VERSION {
            check_metadata_downgrade(MetadataVersion(current), MetadataVersion(level), direction)?;
        }
        let mut records = Vec::new();
        if name == ELR_VERSION {
            if level > 0 && !metadata_version.allows_elr() {
                let least = MetadataVersion::FIRST_WITH_ELR.0;
                return invalid(&format!(
                    "{name} could not be set to {level} because it depends on {METADATA_VERSION} \
                     level {least}"
                ));
            }
            records = self.before_elr_level(level);
        }
        // The quorum's level is not kept in a record. As only 0 is served, it never changes.
        if name != KRAFT_VERSION {
            records.push(feature_level(name, level));
        }
        Ok(records)
    }

    /// Why a node of the cluster cannot serve a level; `None` if all can.
    fn reason_not_supported(&self, name: &str, level: i16) -> Option<String> {
        let node = self.settings.node_id;
        let (min, max) = supported_range(name);
        if let Some(reason) = not_supported(level, format!("Local controller {node}"), min, max) {
            return Some(reason);
        }
        for broker in self.image.brokers().iter() {
            let (min, max) = range_of(&broker.features, name);
            let who = format!("Broker {}", broker.id);
            if let Some(reason) = not_supported(level, who, min, max) {
                return Some(reason);
            }
        }
        // Below 3.7-IV0 controllers do not register, so that nothing is known of the others.
        if !self.image.metadata_version().registers_controllers() {
            return None;
        }
        for controller in self
            .image
            .controllers()
            .iter()
            .filter(|other| other.id != node)
        {
            let (min, max) = range_of(&controller.features, name);
            let who = format!("Controller {}", controller.id);
            if let Some(reason) = not_supported(level, who, min, max) {
                return Some(reason);
            }
        }
        let controllers = self.image.controllers();
        // A voter that is down, or of an older release, must not come back to a log that it cannot read.
        let mut quorum = self.settings.quorum.iter().filter(|id| **id != node);
        let unknown = quorum.find(|id| controllers.get(**id).is_none())?;
        Some(format!(
            "controller {unknown} has not registered, and may not support this feature"
        ))
    }
}

fn range_of(features: &[FeatureRange], name: &str) -> (i16, i16) {
    let served = features.iter().find(|feature| *feature.name == *name);
    served.map_or((0, 0), |feature| (feature.min, feature.max))
}

fn not_supported(level: i16, who: String, min: i16, max: i16) -> Option<String> {
    if (min..=max).contains(&level) {
        return None;
    }
    if max == 0 {
        return Some(who + " does not support this feature.");
    }
    let range = if min == max {
        min.to_string()
    } else {
        format!("{min}-{max}")
    };
    Some(format!("{who} only supports versions {range}"))
}

fn check_metadata_downgrade(
    current: MetadataVersion,
    wanted: MetadataVersion,
    direction: Direction,
) -> Result<(), Refusal> {
    if wanted >= current || !current.records_differ(wanted) {
        return Ok(());
    }
    let reason = if direction == Direction::UnsafeDowngrade {
        "Unsafe metadata downgrade is not supported in this version."
    } else {
        "Refusing to perform the requested downgrade because it might delete metadata information."
    };
    Err(Refusal::new(
        ErrorCode::INVALID_UPDATE_VERSION,
        format!(
            "Unsupported metadata.version downgrade from {} to {}. {reason}",
            current.0, wanted.0
        ),
    ))
}

fn refused(refusal: &Refusal) -> UpdateFeaturesResponse {
    let message = refusal.message.as_deref().unwrap_or(refusal.code.name());
    UpdateFeaturesResponse {
        error_code: refusal.code,
        error_message: Some(
            format!(
                "The update failed for all features since the following feature had an error: \
                 {message}"
            )
            .into(),
        ),
        ..UpdateFeaturesResponse::default()
    }
}
