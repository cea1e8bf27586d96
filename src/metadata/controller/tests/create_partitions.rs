//! CreatePartitions: records and refusals.

use super::{World, directory};
use crate::protocol::ErrorCode;
use crate::protocol::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
    CreatePartitionsTopicResult,
};
use crate::protocol::messages::metadata_records::{MetadataRecord, PartitionRecord};

fn grow(
    world: &mut World,
    topics: Vec<CreatePartitionsTopic>,
) -> (Vec<MetadataRecord>, Vec<CreatePartitionsTopicResult>) {
    let request = CreatePartitionsRequest {
        topics,
        ..CreatePartitionsRequest::default()
    };
    let dice = &mut world.dice;
    let decision = world.controller.create_partitions(
        &request,
        &mut |bytes| dice.fill(bytes),
        &mut |_| Ok(()),
    );
    let (records, response) = world.apply(decision);
    (records, response.results)
}

fn to(name: &'static str, count: i32, assignments: Option<&[&[i32]]>) -> CreatePartitionsTopic {
    let assigned = |brokers: &&[i32]| CreatePartitionsAssignment {
        broker_ids: brokers.to_vec(),
    };
    CreatePartitionsTopic {
        name: name.into(),
        count,
        assignments: assignments.map(|assignments| assignments.iter().map(assigned).collect()),
    }
}

#[test]
fn a_topic_grows_by_what_is_missing() {
    let mut world = World::with_brokers(1);
    let topic_id = world.create_assigned("t", &[&[1]]);

    let (records, results) = grow(&mut world, vec![to("t", 3, None)]);

    let partition = |partition_id| PartitionRecord {
        partition_id,
        topic_id,
        replicas: vec![1],
        isr: vec![1],
        leader: 1,
        leader_epoch: 0,
        partition_epoch: 0,
        directories: vec![directory(1)],
        ..PartitionRecord::default()
    };
    assert_eq!(records, [partition(1).into(), partition(2).into()]);
    assert_eq!(results[0].error_code, ErrorCode::NONE);
}

#[test]
fn new_partitions_can_be_assigned_by_hand() {
    let mut world = World::with_brokers(3);
    let topic_id = world.create_assigned("t", &[&[1, 2]]);

    let (records, _) = grow(&mut world, vec![to("t", 2, Some(&[&[3, 1]]))]);

    let expected = PartitionRecord {
        partition_id: 1,
        topic_id,
        replicas: vec![3, 1],
        isr: vec![3, 1],
        leader: 3,
        leader_epoch: 0,
        partition_epoch: 0,
        directories: vec![directory(3), directory(1)],
        ..PartitionRecord::default()
    };
    assert_eq!(records, [expected.into()]);
}

#[test]
fn each_fault_has_kafkas_code_and_message() {
    let cases = [
        (
            to("t", 2, None),
            ErrorCode::INVALID_PARTITIONS,
            "Topic already has 2 partition(s).",
        ),
        (
            to("t", 1, None),
            ErrorCode::INVALID_PARTITIONS,
            "The topic t currently has 2 partition(s); 1 would not be an increase.",
        ),
        (
            to("t", -5, None),
            ErrorCode::INVALID_PARTITIONS,
            "The topic t currently has 2 partition(s); -5 would not be an increase.",
        ),
        (to("no", 9, None), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ""),
        (
            to("t", 4, Some(&[&[1]])),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
        ),
        (
            to("t", 3, Some(&[&[1, 2]])),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes a partition with 2 replica(s), but this is \
             not consistent with previous partitions, which have 1 replica(s).",
        ),
        (
            to("t", 3, Some(&[&[7]])),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes broker 7, but no such broker is registered.",
        ),
        (
            to("t", i32::MAX, None),
            ErrorCode::POLICY_VIOLATION,
            "Excessively large number of partitions per request.",
        ),
    ];
    for (topic, code, message) in cases {
        let mut world = World::with_brokers(2);
        world.create_assigned("t", &[&[1], &[2]]);

        let (records, results) = grow(&mut world, vec![topic]);

        assert_eq!(records, []);
        assert_eq!(results[0].error_code, code);
        assert_eq!(
            results[0].error_message.as_deref().unwrap_or_default(),
            message
        );
    }
}

#[test]
fn a_topic_that_is_named_twice_is_refused_once() {
    let mut world = World::with_brokers(1);
    world.create_assigned("t", &[&[1]]);

    let (records, results) = grow(&mut world, vec![to("t", 2, None), to("t", 3, None)]);

    assert_eq!(records, []);
    assert_eq!(
        results,
        [CreatePartitionsTopicResult {
            name: "t".into(),
            error_code: ErrorCode::INVALID_REQUEST,
            error_message: Some("Duplicate topic name.".into()),
        }]
    );
}

#[test]
fn validating_only_changes_nothing() {
    let mut world = World::with_brokers(1);
    world.create_assigned("t", &[&[1]]);
    let request = CreatePartitionsRequest {
        topics: vec![to("t", 2, None)],
        validate_only: true,
        ..CreatePartitionsRequest::default()
    };

    let dice = &mut world.dice;
    let decision = world.controller.create_partitions(
        &request,
        &mut |bytes| dice.fill(bytes),
        &mut |_| Ok(()),
    );

    assert_eq!(decision.records, []);
    assert_eq!(decision.answer.results[0].error_code, ErrorCode::NONE);
}
