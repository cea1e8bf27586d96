//! CreateTopics: records, answers and refusals.

use super::{World, config, directory, settings, topic};
use crate::metadata::controller::ControllerSettings;
use crate::model::Uuid;
use crate::protocol::ErrorCode;
use crate::protocol::messages::broker_heartbeat::BrokerHeartbeatRequest;
use crate::protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest,
};
use crate::protocol::messages::metadata_records::{
    ConfigRecord, MetadataRecord, PartitionRecord, TopicRecord,
};

/// What one topic is refused with.
fn refused(world: &mut World, topic: CreatableTopic) -> (ErrorCode, String) {
    let (records, results) = world.create(vec![topic]);
    assert_eq!(records, []);
    let message = results[0].error_message.as_deref().unwrap_or_default();
    (results[0].error_code, message.to_owned())
}

fn assignment(partition_index: i32, broker_ids: &[i32]) -> CreatableReplicaAssignment {
    CreatableReplicaAssignment {
        partition_index,
        broker_ids: broker_ids.to_vec(),
    }
}

#[test]
fn a_topic_is_a_record_then_its_configs_then_its_partitions() {
    let mut world = World::with_brokers(1);

    let (records, results) = world.create(vec![CreatableTopic {
        configs: vec![
            config("retention.ms", Some("1000")),
            config("cleanup.policy", Some("compact")),
        ],
        ..topic("orders", 2, 1)
    }]);

    let id = results[0].topic_id;
    let config = |name: &'static str, value: &'static str| ConfigRecord {
        resource_type: 2,
        resource_name: "orders".into(),
        name: name.into(),
        value: Some(value.into()),
    };
    let partition = |partition_id| PartitionRecord {
        partition_id,
        topic_id: id,
        replicas: vec![1],
        isr: vec![1],
        leader: 1,
        leader_epoch: 0,
        partition_epoch: 0,
        directories: vec![directory(1)],
        ..PartitionRecord::default()
    };
    let expected: Vec<MetadataRecord> = vec![
        TopicRecord {
            name: "orders".into(),
            topic_id: id,
        }
        .into(),
        config("cleanup.policy", "compact").into(),
        config("retention.ms", "1000").into(),
        partition(0).into(),
        partition(1).into(),
    ];
    assert_eq!(records, expected);
    assert_eq!(
        id.as_bytes()[6] >> 4,
        4,
        "ids are random UUIDs of version 4"
    );
}

#[test]
fn the_answer_tells_what_the_topic_became() {
    let mut world = World::with_brokers(2);

    let (_, results) = world.create(vec![CreatableTopic {
        configs: vec![config("retention.ms", Some("1000"))],
        ..topic("orders", -1, 2)
    }]);

    let result = &results[0];
    assert_eq!((result.num_partitions, result.replication_factor), (3, 2));
    assert_eq!(result.topic_config_error_code, ErrorCode::NONE);
    let configs = result.configs.as_ref().unwrap();
    assert_eq!(configs.len(), 37, "all public topic keys");
    assert!(configs.is_sorted_by(|one, next| one.name < next.name));
    let of = |name: &str| configs.iter().find(|config| *config.name == *name).unwrap();
    let retention = of("retention.ms");
    assert_eq!(
        (retention.value.as_deref(), retention.config_source),
        (Some("1000"), 1)
    );
    let policy = of("cleanup.policy");
    assert_eq!(
        (policy.value.as_deref(), policy.config_source),
        (Some("delete"), 5)
    );
}

#[test]
fn counts_that_are_not_given_are_the_brokers_defaults() {
    let mut world = World::with_brokers(1);

    let (records, results) = world.create(vec![topic("orders", -1, -1)]);

    assert_eq!(
        (results[0].num_partitions, results[0].replication_factor),
        (3, 1)
    );
    assert_eq!(records.len(), 4);
}

fn assert_refused<const N: usize>(cases: [(CreatableTopic, ErrorCode, &str); N]) {
    for (topic, code, message) in cases {
        let mut world = World::with_brokers(2);

        assert_eq!(refused(&mut world, topic), (code, message.to_owned()));
    }
}

#[test]
fn each_fault_has_kafkas_code_and_message() {
    let unable = "Unable to replicate the partition 9 time(s): The target replication factor of 9 \
                  cannot be reached because only 2 broker(s) are registered or some brokers have \
                  all their log directories cordoned.";
    assert_refused([
        (
            topic("t", 0, 1),
            ErrorCode::INVALID_PARTITIONS,
            "Number of partitions was set to an invalid non-positive value.",
        ),
        (
            topic("t", -2, 1),
            ErrorCode::INVALID_PARTITIONS,
            "Number of partitions was set to an invalid non-positive value.",
        ),
        (
            topic("t", 1, 0),
            ErrorCode::INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ),
        (
            topic("t", 1, -2),
            ErrorCode::INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ),
        (
            topic("t", 1, 9),
            ErrorCode::INVALID_REPLICATION_FACTOR,
            unable,
        ),
        (
            topic("t/", 1, 1),
            ErrorCode::INVALID_TOPIC_EXCEPTION,
            "Topic name is invalid: 't/' contains one or more characters other than ASCII \
             alphanumerics, '.', '_' and '-'",
        ),
        (
            topic("__cluster_metadata", 1, 1),
            ErrorCode::INVALID_REQUEST,
            "Creation of internal topic __cluster_metadata is prohibited.",
        ),
        (
            CreatableTopic {
                configs: vec![config("retention.ms", None)],
                ..topic("t", 1, 1)
            },
            ErrorCode::INVALID_CONFIG,
            "Null value not supported for topic configs: retention.ms",
        ),
        (
            CreatableTopic {
                configs: vec![config("no.such", Some("1"))],
                ..topic("t", 1, 1)
            },
            ErrorCode::INVALID_CONFIG,
            "Unknown topic config name: no.such",
        ),
    ]);
}

#[test]
fn each_fault_of_a_manual_assignment_has_kafkas_code_and_message() {
    let manual = |assignments| CreatableTopic {
        assignments,
        ..topic("t", -1, -1)
    };
    assert_refused([
        (
            CreatableTopic {
                replication_factor: 1,
                ..manual(vec![assignment(0, &[1])])
            },
            ErrorCode::INVALID_REQUEST,
            "A manual partition assignment was specified, but replication factor was not set to -1.",
        ),
        (
            CreatableTopic {
                num_partitions: 1,
                ..manual(vec![assignment(0, &[1])])
            },
            ErrorCode::INVALID_REQUEST,
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        ),
        (
            manual(vec![assignment(0, &[1]), assignment(0, &[2])]),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "Found multiple manual partition assignments for partition 0",
        ),
        (
            manual(vec![assignment(0, &[1]), assignment(2, &[2])]),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "partitions should be a consecutive 0-based integer sequence",
        ),
        (
            manual(vec![assignment(0, &[])]),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes an empty replica list.",
        ),
        (
            manual(vec![assignment(0, &[1, 1])]),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes the broker 1 more than once.",
        ),
        (
            manual(vec![assignment(0, &[8])]),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes broker 8, but no such broker is registered.",
        ),
        (
            manual(vec![assignment(0, &[1]), assignment(1, &[1, 2])]),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes a partition with 2 replica(s), but this is \
             not consistent with previous partitions, which have 1 replica(s).",
        ),
    ]);
}

#[test]
fn a_name_is_taken_once_and_may_not_differ_in_dots_only() {
    let mut world = World::with_brokers(1);
    world.create(vec![topic("a.b", 1, 1)]);

    assert_eq!(
        refused(&mut world, topic("a.b", 1, 1)),
        (
            ErrorCode::TOPIC_ALREADY_EXISTS,
            "Topic 'a.b' already exists.".to_owned()
        )
    );
    assert_eq!(
        refused(&mut world, topic("a_b", 1, 1)),
        (
            ErrorCode::INVALID_TOPIC_EXCEPTION,
            "Topic 'a_b' collides with existing topic: a.b".to_owned()
        )
    );
}

#[test]
fn a_name_that_was_deleted_collides_no_more() {
    let mut world = World::with_brokers(1);
    let id = world.create_assigned("a.b", &[&[1]]);
    let remove = crate::protocol::messages::metadata_records::RemoveTopicRecord { topic_id: id };
    world.controller.replay(&[remove.into()]).unwrap();

    let (_, results) = world.create(vec![topic("a_b", 1, 1)]);

    assert_eq!(results[0].error_code, ErrorCode::NONE);
}

#[test]
fn one_refused_topic_does_not_stop_the_others() {
    let mut world = World::with_brokers(1);

    let (records, results) = world.create(vec![
        topic("twice", 1, 1),
        topic("bad", 0, 1),
        topic("good", 1, 1),
        topic("twice", 1, 1),
    ]);

    let results: Vec<_> = results
        .iter()
        .map(|result| {
            (
                &*result.name,
                result.error_code,
                result.error_message.as_deref(),
            )
        })
        .collect();
    let invalid = "Number of partitions was set to an invalid non-positive value.";
    assert_eq!(
        results,
        [
            ("bad", ErrorCode::INVALID_PARTITIONS, Some(invalid)),
            ("good", ErrorCode::NONE, None),
            (
                "twice",
                ErrorCode::INVALID_REQUEST,
                Some("Duplicate topic name.")
            ),
        ]
    );
    assert_eq!(records.len(), 2, "a topic and its partition");
}

#[test]
fn too_many_partitions_are_refused_as_a_whole() {
    let mut world = World::with_brokers(1);

    let (records, results) = world.create(vec![topic("a", 9_999, 1), topic("b", 2, 1)]);

    assert_eq!(records, []);
    for result in results {
        assert_eq!(result.error_code, ErrorCode::POLICY_VIOLATION);
        let message = result.error_message.unwrap();
        assert_eq!(
            &*message,
            "Excessively large number of partitions per request."
        );
    }
    let (records, _) = world.create(vec![topic("a", 9_999, 1), topic("b", 1, 1)]);
    assert_eq!(records.len(), 10_002);
}

#[test]
fn validating_only_checks_everything_and_changes_nothing() {
    let mut world = World::with_brokers(1);
    let request = CreateTopicsRequest {
        topics: vec![topic("good", 1, 1), topic("bad", 1, 2)],
        validate_only: true,
        ..CreateTopicsRequest::default()
    };

    let dice = &mut world.dice;
    let decision =
        world
            .controller
            .create_topics(&request, &mut |bytes| dice.fill(bytes), &mut |_| Ok(()));

    assert_eq!(decision.records, []);
    assert_eq!(decision.answer.topics[0].error_code, ErrorCode::NONE);
    assert_eq!(
        decision.answer.topics[1].error_code,
        ErrorCode::INVALID_REPLICATION_FACTOR
    );
}

#[test]
fn without_an_unfenced_broker_nothing_can_be_created() {
    let mut world = World::empty(settings());
    world.register(1);

    let (code, message) = refused(&mut world, topic("t", 1, 1));

    assert_eq!(code, ErrorCode::INVALID_REPLICATION_FACTOR);
    assert_eq!(
        message,
        "Unable to replicate the partition 1 time(s): All brokers are currently fenced, or have \
         all their log directories cordoned."
    );
    let manual = CreatableTopic {
        assignments: vec![assignment(0, &[1])],
        ..topic("t", -1, -1)
    };
    assert_eq!(
        refused(&mut world, manual).1,
        "All brokers specified in the manual partition assignment for partition 0 are fenced or \
         in controlled shutdown."
    );
}

#[test]
fn a_replica_on_a_fenced_broker_is_not_in_sync() {
    let mut world = World::with_brokers(2);
    world.heartbeat(2, |request: &mut BrokerHeartbeatRequest| {
        request.want_fence = true
    });

    let id = world.create_assigned("t", &[&[2, 1]]);

    let partition = world.controller.image().topics().partition(&id, 0).unwrap();
    assert_eq!(partition.leader.0, 1);
    assert_eq!(partition.isr.iter().map(|id| id.0).collect::<Vec<_>>(), [1]);
}

#[test]
fn replicas_on_a_broker_with_several_directories_are_not_assigned_to_one() {
    let mut world = World::empty(settings());
    let mut request = super::registration(1, 1);
    request.log_dirs.push(directory(9));
    let decision = world
        .controller
        .register_broker(&request, world.now)
        .unwrap();
    world.apply(decision);
    world.heartbeat(1, |_| {});

    let id = world.create_assigned("t", &[&[1]]);

    let partition = world.controller.image().topics().partition(&id, 0).unwrap();
    assert_eq!(*partition.directories, [Uuid::UNASSIGNED_DIRECTORY]);
}

#[test]
fn broker_settings_are_the_topics_defaults() {
    let static_layer = [("log.retention.hours".to_owned(), "2".to_owned())];
    let mut world = World::empty(ControllerSettings {
        settings: static_layer.into(),
        ..settings()
    });
    world.register(1);
    world.heartbeat(1, |_| {});

    let (_, results) = world.create(vec![topic("t", 1, 1)]);

    let configs = results[0].configs.as_ref().unwrap();
    let retention = configs
        .iter()
        .find(|config| &*config.name == "retention.ms")
        .unwrap();
    assert_eq!(retention.value.as_deref(), Some("7200000"));
}
