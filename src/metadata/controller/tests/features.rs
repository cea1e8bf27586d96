//! UpdateFeatures: what is finalised, and what is refused with which words.

use super::World;
use crate::protocol::ErrorCode;
use crate::protocol::messages::metadata_records::{FeatureLevelRecord, MetadataRecord};
use crate::protocol::messages::update_features::{
    FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

fn update(
    world: &World,
    feature: &'static str,
    level: i16,
    upgrade_type: i8,
) -> (Vec<MetadataRecord>, UpdateFeaturesResponse) {
    let request = UpdateFeaturesRequest {
        feature_updates: vec![FeatureUpdateKey {
            feature: feature.into(),
            max_version_level: level,
            upgrade_type,
            ..FeatureUpdateKey::default()
        }],
        ..UpdateFeaturesRequest::default()
    };
    let decision = world.controller.update_features(&request, 2);
    (decision.records, decision.answer)
}

#[test]
fn a_level_that_every_node_serves_is_finalised() {
    let world = World::with_brokers(1);

    let (records, answer) = update(&world, "metadata.version", 30, 1);

    let expected = FeatureLevelRecord {
        name: "metadata.version".into(),
        feature_level: 30,
    };
    assert_eq!(records, [expected.into()]);
    assert_eq!(answer.error_code, ErrorCode::NONE);
    assert!(answer.results.is_empty(), "version 2 has no results");
}

/// A feature, the level and the kind of its upgrade, and what Kafka says of it.
const FAULTS: [(&str, i16, i8, &str); 8] = [
    (
        "group.version",
        1,
        1,
        "Invalid update version 1 for feature group.version. Local controller 1 does not \
         support this feature.",
    ),
    (
        "nonsense",
        0,
        1,
        "Invalid update version 0 for feature nonsense. Feature nonsense not found.",
    ),
    (
        "metadata.version",
        31,
        1,
        "Invalid update version 31 for feature metadata.version. Local controller 1 only \
         supports versions 7-30",
    ),
    (
        "metadata.version",
        -1,
        2,
        "Invalid update version -1 for feature metadata.version. A feature version cannot be \
         less than 0.",
    ),
    (
        "metadata.version",
        29,
        1,
        "Invalid update version 29 for feature metadata.version. Can't downgrade the version \
         of this feature without setting the upgrade type to either safe or unsafe downgrade.",
    ),
    (
        "metadata.version",
        29,
        2,
        "Unsupported metadata.version downgrade from 30 to 29. Refusing to perform the \
         requested downgrade because it might delete metadata information.",
    ),
    (
        "metadata.version",
        29,
        3,
        "Unsupported metadata.version downgrade from 30 to 29. Unsafe metadata downgrade is \
         not supported in this version.",
    ),
    (
        "metadata.version",
        30,
        0,
        "Invalid update version 30 for feature metadata.version. The controller does not \
         support the given upgrade type.",
    ),
];

#[test]
fn each_fault_has_kafkas_message() {
    for (feature, level, upgrade_type, message) in FAULTS {
        let world = World::with_brokers(1);

        let (records, answer) = update(&world, feature, level, upgrade_type);

        assert_eq!(records, []);
        assert_eq!(answer.error_code, ErrorCode::INVALID_UPDATE_VERSION);
        let start = "The update failed for all features since the following feature had an error: ";
        assert_eq!(
            answer.error_message.as_deref(),
            Some(&*format!("{start}{message}"))
        );
    }
}

#[test]
fn older_versions_get_a_result_for_each_feature() {
    let world = World::with_brokers(1);
    let request = UpdateFeaturesRequest {
        feature_updates: vec![FeatureUpdateKey {
            feature: "metadata.version".into(),
            max_version_level: 30,
            ..FeatureUpdateKey::default()
        }],
        ..UpdateFeaturesRequest::default()
    };

    let answer = world.controller.update_features(&request, 1).answer;

    assert_eq!(&*answer.results[0].feature, "metadata.version");
    assert_eq!(answer.results[0].error_code, ErrorCode::NONE);
}
