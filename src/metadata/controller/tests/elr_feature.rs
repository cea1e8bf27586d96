//! Eligible leader replicas as a feature: what turning them on and off does, and what configs are refused.

use super::configs::{DELETE, SET, alter, op, resource};
use super::elr::{BROKER, MIN_ISR, fence, restart, set_min_isr, state, world, world_without};
use super::{World, settings};
use crate::metadata::image::{METADATA_VERSION, MetadataVersion, feature_level};
use crate::protocol::ErrorCode;
use crate::protocol::messages::metadata_records::{
    ClearElrRecord, ConfigRecord, FeatureLevelRecord, MetadataRecord,
};
use crate::protocol::messages::update_features::{FeatureUpdateKey, UpdateFeaturesRequest};

fn update(world: &mut World, level: i16, upgrade_type: i8) -> Vec<MetadataRecord> {
    let request = UpdateFeaturesRequest {
        feature_updates: vec![FeatureUpdateKey {
            feature: "eligible.leader.replicas.version".into(),
            max_version_level: level,
            upgrade_type,
            ..FeatureUpdateKey::default()
        }],
        ..UpdateFeaturesRequest::default()
    };
    let decision = world.controller.update_features(&request, 2);
    assert_eq!(decision.answer.error_code, ErrorCode::NONE);
    world.apply(decision).0
}

fn min_isr_of_broker(name: &'static str, value: Option<&'static str>) -> MetadataRecord {
    ConfigRecord {
        resource_type: BROKER,
        resource_name: name.into(),
        name: MIN_ISR.into(),
        value: value.map(Into::into),
    }
    .into()
}

fn level(feature_level: i16) -> MetadataRecord {
    FeatureLevelRecord {
        name: "eligible.leader.replicas.version".into(),
        feature_level,
    }
    .into()
}

#[test]
fn turning_it_on_gives_the_cluster_a_minimum_and_takes_it_from_brokers() {
    let (mut world, topic) = world_without();
    let own = vec![op(MIN_ISR, SET, Some("3"))];
    alter(&mut world, vec![resource(BROKER, "1", own)]);

    let records = update(&mut world, 1, 1);

    let expected = [
        min_isr_of_broker("", Some("1")),
        min_isr_of_broker("1", None),
        level(1),
    ];
    assert_eq!(records, expected);
    assert_eq!(update(&mut world, 1, 1), [level(1)]);
    fence(&mut world, 1);
    fence(&mut world, 2);
    assert_eq!(state(&world, topic), (3, vec![3], vec![2], vec![]));
}

#[test]
fn the_last_one_in_sync_from_before_it_was_on_is_the_last_leader() {
    let (mut world, topic) = world_without();
    for broker in 1..=3 {
        fence(&mut world, broker);
    }
    update(&mut world, 1, 1);

    restart(&mut world, 3, -1);

    assert_eq!(state(&world, topic), (-1, vec![], vec![], vec![3]));
}

#[test]
fn turning_it_off_leaves_those_in_sync_that_may_lead() {
    let (mut world, topic) = world();
    let alone = world.create_assigned("alone", &[&[1]]);
    let led = world.create_assigned("led", &[&[3, 2]]);
    set_min_isr(&mut world, "led", "2");
    fence(&mut world, 2);
    assert_eq!(state(&world, led), (3, vec![3], vec![2], vec![]));
    fence(&mut world, 1);
    fence(&mut world, 3);
    restart(&mut world, 1, -1);
    world.heartbeat(3, |_| {});
    fence(&mut world, 3);

    let records = update(&mut world, 0, 2);

    assert_eq!(
        records[records.len() - 2..],
        [ClearElrRecord::default().into(), level(0)]
    );
    assert_eq!(state(&world, alone), (-1, vec![1], vec![], vec![]));
    assert!(state(&world, topic).1.contains(&3));
    assert!(state(&world, topic).2.is_empty());
    world.heartbeat(3, |_| {});
    assert_eq!(state(&world, topic).0, 3);
    assert_eq!(state(&world, led).0, 3);
}

#[test]
fn brokers_have_no_minimum_of_their_own_and_the_cluster_keeps_one() {
    let (mut world, _) = world();
    let cases = [
        (
            "1",
            op(MIN_ISR, SET, Some("2")),
            "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
        ),
        (
            "",
            op(MIN_ISR, DELETE, None),
            "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
        ),
    ];
    for (broker, change, message) in cases {
        let (records, answer) = alter(&mut world, vec![resource(BROKER, broker, vec![change])]);

        assert_eq!(records, []);
        assert_eq!(answer[0], (ErrorCode::INVALID_CONFIG, message.to_owned()));
    }
}

#[test]
fn it_needs_records_that_can_hold_eligible_leaders() {
    let older = feature_level(METADATA_VERSION, MetadataVersion::FIRST_WITH_ELR.0 - 1);
    let world = World::founded(settings(), &[older]);
    let request = UpdateFeaturesRequest {
        feature_updates: vec![FeatureUpdateKey {
            feature: "eligible.leader.replicas.version".into(),
            max_version_level: 1,
            upgrade_type: 1,
            ..FeatureUpdateKey::default()
        }],
        ..UpdateFeaturesRequest::default()
    };

    let decision = world.controller.update_features(&request, 2);

    assert_eq!(decision.records, []);
    let message = decision.answer.error_message.unwrap_or_default();
    assert!(
        message.ends_with(
            "eligible.leader.replicas.version could not be set to 1 because it depends on \
             metadata.version level 23"
        ),
        "{message}"
    );
}
