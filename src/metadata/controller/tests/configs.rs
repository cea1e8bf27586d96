//! IncrementalAlterConfigs and AlterConfigs: records and refusals.

use super::World;
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_configs::{self, AlterConfigsRequest};
use crate::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use crate::protocol::messages::metadata_records::{ConfigRecord, MetadataRecord};

pub(super) const SET: i8 = 0;
pub(super) const DELETE: i8 = 1;
pub(super) const APPEND: i8 = 2;
pub(super) const SUBTRACT: i8 = 3;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

type Outcome = (ErrorCode, String);

pub(super) fn op(
    name: &'static str,
    operation: i8,
    value: Option<&'static str>,
) -> AlterableConfig {
    AlterableConfig {
        name: name.into(),
        config_operation: operation,
        value: value.map(Into::into),
    }
}

pub(super) fn resource(
    kind: i8,
    name: &'static str,
    configs: Vec<AlterableConfig>,
) -> AlterConfigsResource {
    AlterConfigsResource {
        resource_type: kind,
        resource_name: name.into(),
        configs,
    }
}

pub(super) fn alter(
    world: &mut World,
    resources: Vec<AlterConfigsResource>,
) -> (Vec<MetadataRecord>, Vec<Outcome>) {
    let request = IncrementalAlterConfigsRequest {
        resources,
        validate_only: false,
    };
    let decision = world.controller.incremental_alter_configs(&request);
    let (records, response) = world.apply(decision);
    let outcomes = response.responses.iter().map(|result| {
        let message = result.error_message.as_deref().unwrap_or_default();
        (result.error_code, message.to_owned())
    });
    (records, outcomes.collect())
}

fn replace(
    world: &mut World,
    name: &'static str,
    configs: &[(&'static str, Option<&'static str>)],
) -> (Vec<MetadataRecord>, Outcome) {
    let configs = configs
        .iter()
        .map(|(name, value)| alter_configs::AlterableConfig {
            name: (*name).into(),
            value: value.map(Into::into),
        });
    let request = AlterConfigsRequest {
        resources: vec![alter_configs::AlterConfigsResource {
            resource_type: TOPIC,
            resource_name: name.into(),
            configs: configs.collect(),
        }],
        validate_only: false,
    };
    let decision = world.controller.alter_configs(&request);
    let (records, response) = world.apply(decision);
    let result = &response.responses[0];
    let message = result
        .error_message
        .as_deref()
        .unwrap_or_default()
        .to_owned();
    (records, (result.error_code, message))
}

pub(super) fn record(
    kind: i8,
    resource: &'static str,
    name: &'static str,
    value: Option<&'static str>,
) -> MetadataRecord {
    ConfigRecord {
        resource_type: kind,
        resource_name: resource.into(),
        name: name.into(),
        value: value.map(Into::into),
    }
    .into()
}

pub(super) fn ok() -> Outcome {
    (ErrorCode::NONE, String::new())
}

pub(super) fn world() -> World {
    let mut world = World::with_brokers(1);
    world.create_assigned("t", &[&[1]]);
    world
}

#[test]
fn values_are_set_and_removed_one_by_one() {
    let mut world = world();
    let set = vec![
        op("retention.ms", SET, Some("1")),
        op("segment.ms", SET, Some("2")),
    ];

    let (records, outcomes) = alter(&mut world, vec![resource(TOPIC, "t", set)]);

    assert_eq!(outcomes, [ok()]);
    assert_eq!(
        records,
        [
            record(TOPIC, "t", "retention.ms", Some("1")),
            record(TOPIC, "t", "segment.ms", Some("2")),
        ]
    );
    let delete = vec![op("retention.ms", DELETE, None)];
    let (records, _) = alter(&mut world, vec![resource(TOPIC, "t", delete)]);
    assert_eq!(records, [record(TOPIC, "t", "retention.ms", None)]);
}

#[test]
fn what_does_not_change_a_topic_is_no_record() {
    let mut world = world();
    let set = || {
        vec![resource(
            TOPIC,
            "t",
            vec![op("retention.ms", SET, Some("1"))],
        )]
    };
    alter(&mut world, set());

    let (records, outcomes) = alter(&mut world, set());

    assert_eq!((records, outcomes), (vec![], vec![ok()]));
    let absent = vec![op("segment.ms", DELETE, None)];
    let (records, _) = alter(&mut world, vec![resource(TOPIC, "t", absent)]);
    assert_eq!(records, []);
}

#[test]
fn a_brokers_value_is_a_record_even_if_it_stays() {
    let mut world = world();
    let set = || {
        vec![resource(
            BROKER,
            "",
            vec![op("message.max.bytes", SET, Some("5000"))],
        )]
    };
    alter(&mut world, set());

    let (records, _) = alter(&mut world, set());

    assert_eq!(
        records,
        [record(BROKER, "", "message.max.bytes", Some("5000"))]
    );
}

#[test]
fn lists_take_and_lose_entries() {
    let steps = [
        (APPEND, "compact", Some("delete,compact")),
        (APPEND, "compact", None),
        (SUBTRACT, "delete", Some("compact")),
        (SUBTRACT, "absent", None),
    ];
    let mut world = world();
    for (operation, value, expected) in steps {
        let change = vec![op("cleanup.policy", operation, Some(value))];

        let (records, outcomes) = alter(&mut world, vec![resource(TOPIC, "t", change)]);

        assert_eq!(outcomes, [ok()], "{operation} {value}");
        let expected = expected.map(|value| record(TOPIC, "t", "cleanup.policy", Some(value)));
        assert_eq!(
            records,
            expected.into_iter().collect::<Vec<_>>(),
            "{operation} {value}"
        );
    }
}

fn assert_refused<const N: usize>(cases: [(AlterConfigsResource, ErrorCode, &str); N]) {
    for (resource, code, message) in cases {
        let mut world = world();

        let (records, outcomes) = alter(&mut world, vec![resource]);

        assert_eq!(records, []);
        assert_eq!(outcomes, [(code, message.to_owned())]);
    }
}

#[test]
fn each_fault_of_a_topics_change_has_kafkas_code_and_message() {
    let invalid = ErrorCode::INVALID_REQUEST;
    assert_refused([
        (
            resource(
                TOPIC,
                "t",
                vec![
                    op("retention.ms", SET, Some("1")),
                    op("retention.ms", DELETE, None),
                ],
            ),
            invalid,
            "Error due to duplicate config keys",
        ),
        (
            resource(
                TOPIC,
                "t",
                vec![
                    op("retention.ms", SET, None),
                    op("segment.ms", APPEND, None),
                ],
            ),
            invalid,
            "Null value not supported for : retention.ms, segment.ms",
        ),
        (
            resource(TOPIC, "t", vec![op("retention.ms", APPEND, Some("1"))]),
            ErrorCode::INVALID_CONFIG,
            "Can't APPEND to key retention.ms because its type is not LIST.",
        ),
        (
            resource(TOPIC, "t", vec![op("no.such", SET, Some("1"))]),
            ErrorCode::INVALID_CONFIG,
            "Unknown topic config name: no.such",
        ),
        (
            resource(TOPIC, "t", vec![op("retention.ms", 9, Some("1"))]),
            invalid,
            "Unknown operations type 9",
        ),
        (
            resource(TOPIC, "no", vec![op("retention.ms", SET, Some("1"))]),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            "The topic 'no' does not exist.",
        ),
        (
            resource(TOPIC, "", vec![op("retention.ms", SET, Some("1"))]),
            invalid,
            "Default topic resources are not allowed.",
        ),
    ]);
}

#[test]
fn each_fault_of_a_brokers_change_has_kafkas_code_and_message() {
    let invalid = ErrorCode::INVALID_REQUEST;
    assert_refused([
        (
            resource(BROKER, "-7", vec![op("message.max.bytes", SET, Some("1"))]),
            invalid,
            "Node id must be an integer, but it is: -7",
        ),
        (
            resource(BROKER, "x", vec![op("message.max.bytes", SET, Some("1"))]),
            invalid,
            "Node id must be an integer, but it is: x",
        ),
        (
            resource(BROKER, "1", vec![op("node.id", SET, Some("1"))]),
            invalid,
            "Cannot update these configs dynamically: [node.id]",
        ),
        (
            resource(
                BROKER,
                "1",
                vec![op("message.max.bytes", APPEND, Some("1"))],
            ),
            ErrorCode::INVALID_CONFIG,
            "Config value append is not allowed for config key: message.max.bytes",
        ),
        (resource(3, "x", vec![]), invalid, "Unknown resource type 3"),
    ]);
}

#[test]
fn a_value_that_its_key_does_not_take_is_an_invalid_config() {
    let mut world = world();
    let change = vec![op("retention.ms", SET, Some("-7"))];

    let (records, outcomes) = alter(&mut world, vec![resource(TOPIC, "t", change)]);

    assert_eq!(records, []);
    assert_eq!(outcomes[0].0, ErrorCode::INVALID_CONFIG);
    assert!(outcomes[0].1.contains("retention.ms"), "{}", outcomes[0].1);
}

#[test]
fn values_are_judged_together_with_those_that_stay() {
    let mut world = world();
    let min = vec![op("min.compaction.lag.ms", SET, Some("5000"))];
    alter(&mut world, vec![resource(TOPIC, "t", min)]);
    let max = vec![op("max.compaction.lag.ms", SET, Some("4000"))];

    let (records, outcomes) = alter(&mut world, vec![resource(TOPIC, "t", max)]);

    assert_eq!(records, []);
    assert_eq!(outcomes[0].0, ErrorCode::INVALID_CONFIG);
}

#[test]
fn a_refused_resource_does_not_stop_the_others() {
    let mut world = world();
    let set = |name| resource(TOPIC, name, vec![op("retention.ms", SET, Some("1"))]);
    world.create_assigned("u", &[&[1]]);

    let (records, outcomes) = alter(&mut world, vec![set("u"), set("no"), set("t"), set("u")]);

    assert_eq!(records, [record(TOPIC, "t", "retention.ms", Some("1"))]);
    let codes: Vec<ErrorCode> = outcomes.iter().map(|(code, _)| *code).collect();
    assert_eq!(
        codes,
        [
            ErrorCode::INVALID_REQUEST,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            ErrorCode::NONE,
            ErrorCode::INVALID_REQUEST,
        ]
    );
    assert_eq!(outcomes[0].1, "Each resource must appear at most once.");
}

#[test]
fn validating_only_changes_nothing() {
    let mut world = world();
    let request = IncrementalAlterConfigsRequest {
        resources: vec![resource(
            TOPIC,
            "t",
            vec![op("retention.ms", SET, Some("1"))],
        )],
        validate_only: true,
    };

    let decision = world.controller.incremental_alter_configs(&request);
    world.apply(decision);

    assert!(
        world
            .controller
            .image()
            .configs()
            .iter(crate::metadata::image::ResourceKind::Topic)
            .next()
            .is_none()
    );
}

#[test]
fn the_older_form_replaces_all_values() {
    let mut world = world();
    let (records, outcome) = replace(
        &mut world,
        "t",
        &[("retention.ms", Some("1")), ("segment.ms", Some("2"))],
    );
    assert_eq!((records.len(), outcome), (2, ok()));

    let (records, outcome) = replace(
        &mut world,
        "t",
        &[("segment.ms", Some("2")), ("flush.ms", Some("3"))],
    );

    assert_eq!(outcome, ok());
    assert_eq!(
        records,
        [
            record(TOPIC, "t", "flush.ms", Some("3")),
            record(TOPIC, "t", "retention.ms", None),
        ]
    );
    let (records, _) = replace(&mut world, "t", &[]);
    assert_eq!(records.len(), 2);
    let image = world.controller.image();
    assert_eq!(
        image
            .configs()
            .of(crate::metadata::image::ResourceKind::Topic, "t"),
        None
    );
}

#[test]
fn the_older_form_takes_no_nulls() {
    let mut world = world();

    let (records, outcome) = replace(&mut world, "t", &[("retention.ms", None)]);

    assert_eq!(records, []);
    assert_eq!(outcome.0, ErrorCode::INVALID_REQUEST);
    assert_eq!(outcome.1, "Null value not supported for : retention.ms");
}

#[test]
fn an_unclean_election_is_allowed_by_topic_or_broker() {
    const KEY: &str = "unclean.leader.election.enable";
    let mut world = world();
    assert!(!world.controller.allows_unclean_election("t"));
    alter(
        &mut world,
        vec![resource(BROKER, "", vec![op(KEY, SET, Some("true"))])],
    );
    assert!(world.controller.allows_unclean_election("t"));
    alter(
        &mut world,
        vec![resource(TOPIC, "t", vec![op(KEY, SET, Some("false"))])],
    );
    assert!(!world.controller.allows_unclean_election("t"));
}
const GROUP: i8 = 32;

#[test]
fn a_groups_settings_are_checked_against_the_brokers_bounds() {
    let mut world = world();
    let set = |name, key, value| vec![resource(GROUP, name, vec![op(key, SET, Some(value))])];

    let (records, outcomes) = alter(
        &mut world,
        set("g", "consumer.heartbeat.interval.ms", "6000"),
    );
    assert_eq!(outcomes, [ok()]);
    assert_eq!(records.len(), 1);
    let (_, outcomes) = alter(&mut world, set("g", "consumer.heartbeat.interval.ms", "1"));
    assert_eq!(outcomes[0].0, ErrorCode::INVALID_CONFIG);
    let (_, outcomes) = alter(
        &mut world,
        set("", "consumer.heartbeat.interval.ms", "6000"),
    );
    assert_eq!(
        outcomes,
        [(
            ErrorCode::INVALID_REQUEST,
            "Default group resources are not allowed.".to_owned()
        )]
    );
}

#[test]
fn listeners_are_not_changed_while_the_broker_runs() {
    let mut world = world();
    let configs = vec![op("listeners", SET, Some("PLAINTEXT://:1,CONTROLLER://:2"))];

    let (records, outcomes) = alter(&mut world, vec![resource(BROKER, "1", configs)]);

    assert_eq!(records, []);
    assert_eq!(outcomes[0].0, ErrorCode::INVALID_REQUEST);
    assert!(outcomes[0].1.contains("at the start"), "{}", outcomes[0].1);
}
