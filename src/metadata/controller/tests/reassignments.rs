//! ElectLeaders, AlterPartitionReassignments, UnregisterBroker: records and refusals.

use super::World;
use crate::model::{BrokerId, TopicId};
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use crate::protocol::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use crate::protocol::messages::metadata_records::{
    MetadataRecord, PartitionChangeRecord, UnregisterBrokerRecord,
};
use crate::protocol::messages::unregister_broker::UnregisterBrokerRequest;

const PREFERRED: i8 = 0;
pub(super) const UNCLEAN: i8 = 1;

pub(super) fn elect(
    world: &mut World,
    election_type: i8,
    partitions: Option<&[i32]>,
) -> (Vec<MetadataRecord>, Vec<(i32, ErrorCode)>) {
    let request = ElectLeadersRequest {
        election_type,
        topic_partitions: partitions.map(|partitions| {
            vec![TopicPartitions {
                topic: "t".into(),
                partitions: partitions.to_vec(),
            }]
        }),
        ..ElectLeadersRequest::default()
    };
    let decision = world.controller.elect_leaders(&request).unwrap();
    let (records, response) = world.apply(decision);
    let topics = response.replica_election_results.iter();
    let results = topics.flat_map(|topic| &topic.partition_result);
    let results = results.map(|result| (result.partition_id, result.error_code));
    (records, results.collect())
}

pub(super) fn reassign(
    world: &mut World,
    index: i32,
    replicas: Option<&[i32]>,
    may_change_factor: bool,
) -> (Vec<MetadataRecord>, ErrorCode) {
    let request = AlterPartitionReassignmentsRequest {
        allow_replication_factor_change: may_change_factor,
        topics: vec![ReassignableTopic {
            name: "t".into(),
            partitions: vec![ReassignablePartition {
                partition_index: index,
                replicas: replicas.map(<[i32]>::to_vec),
            }],
        }],
        ..AlterPartitionReassignmentsRequest::default()
    };
    let decision = world.controller.alter_partition_reassignments(&request);
    let (records, response) = world.apply(decision);
    (records, response.responses[0].partitions[0].error_code)
}

/// A state that the log of another controller may hold.
fn led_by(topic_id: TopicId, leader: i32) -> MetadataRecord {
    PartitionChangeRecord {
        topic_id,
        partition_id: 0,
        leader,
        ..PartitionChangeRecord::default()
    }
    .into()
}

fn leader(world: &World, topic: TopicId, index: i32) -> i32 {
    let topics = world.controller.image().topics();
    topics.partition(&topic, index).unwrap().leader.0
}

fn ids(ids: &[BrokerId]) -> Vec<i32> {
    ids.iter().map(|id| id.0).collect()
}

#[test]
fn the_preferred_leader_leads_again_once_it_is_in_sync() {
    let mut world = World::with_brokers(2);
    let topic = world.create_assigned("t", &[&[1, 2], &[2, 1]]);
    world.heartbeat(1, |request| request.want_fence = true);
    assert_eq!(leader(&world, topic, 0), 2);
    world.heartbeat(1, |_| {});

    let (records, results) = elect(&mut world, PREFERRED, Some(&[0, 1, 9]));

    // Broker 1 has left the in-sync set, so it may not lead yet.
    assert_eq!(records, []);
    assert_eq!(
        results,
        [
            (0, ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE),
            (1, ErrorCode::ELECTION_NOT_NEEDED),
            (9, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        ]
    );
}

#[test]
fn of_all_partitions_those_that_need_nothing_are_left_out() {
    let mut world = World::with_brokers(2);
    let topic = world.create_assigned("t", &[&[1, 2], &[2, 1]]);
    world.controller.replay(&[led_by(topic, 2)]).unwrap();

    let (records, results) = elect(&mut world, PREFERRED, None);

    assert_eq!(records.len(), 1);
    assert_eq!(results, [(0, ErrorCode::NONE)]);
    assert_eq!(leader(&world, topic, 0), 1);
}

#[test]
fn of_all_topics_also_those_that_need_nothing_are_named() {
    let mut world = World::with_brokers(1);
    world.create_assigned("t", &[&[1]]);
    let request = ElectLeadersRequest {
        topic_partitions: None,
        ..ElectLeadersRequest::default()
    };

    let answer = world.controller.elect_leaders(&request).unwrap().answer;

    let named = answer.replica_election_results.iter();
    let named: Vec<_> = named
        .map(|result| (&*result.topic, result.partition_result.len()))
        .collect();
    assert_eq!(named, [("t", 0)]);
}

#[test]
fn an_unclean_election_takes_whoever_is_alive() {
    let mut world = World::with_brokers(2);
    let topic = world.create_assigned("t", &[&[1, 2]]);
    world.heartbeat(2, |request| request.want_fence = true);
    world.heartbeat(1, |request| request.want_fence = true);
    let (_, dead) = elect(&mut world, UNCLEAN, Some(&[0]));
    world.heartbeat(2, |_| {});
    assert_eq!(leader(&world, topic, 0), -1);

    let (records, results) = elect(&mut world, UNCLEAN, Some(&[0]));
    let (_, again) = elect(&mut world, UNCLEAN, Some(&[0]));

    assert_eq!(dead, [(0, ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE)]);
    assert_eq!(
        (records.len(), &results[..]),
        (1, &[(0, ErrorCode::NONE)][..])
    );
    assert_eq!(leader(&world, topic, 0), 2);
    assert_eq!(again, [(0, ErrorCode::ELECTION_NOT_NEEDED)]);
}

#[test]
fn an_unknown_kind_of_election_is_refused() {
    let world = World::with_brokers(1);
    let request = ElectLeadersRequest {
        election_type: 7,
        ..ElectLeadersRequest::default()
    };

    let refusal = world.controller.elect_leaders(&request).unwrap_err();

    assert_eq!(refusal.code, ErrorCode::INVALID_REQUEST);
}

#[test]
fn the_end_of_a_move_that_never_began_is_refused_without_words() {
    let mut world = World::with_brokers(1);
    world.create_assigned("t", &[&[1]]);
    let request = AlterPartitionReassignmentsRequest {
        topics: vec![ReassignableTopic {
            name: "t".into(),
            partitions: vec![ReassignablePartition::default()],
        }],
        ..AlterPartitionReassignmentsRequest::default()
    };

    let decision = world.controller.alter_partition_reassignments(&request);

    let refused = &decision.answer.responses[0].partitions[0];
    assert_eq!(refused.error_code, ErrorCode::NO_REASSIGNMENT_IN_PROGRESS);
    assert_eq!(refused.error_message, None);
}

#[test]
fn a_move_to_the_same_replicas_or_in_another_order_ends_at_once() {
    let mut world = World::with_brokers(2);
    let topic = world.create_assigned("t", &[&[1, 2]]);

    let (same, code) = reassign(&mut world, 0, Some(&[1, 2]), true);
    assert_eq!((same, code), (Vec::new(), ErrorCode::NONE));
    let (records, code) = reassign(&mut world, 0, Some(&[2, 1]), true);
    assert_eq!((records.len(), code), (1, ErrorCode::NONE));

    let topics = world.controller.image().topics();
    let partition = topics.partition(&topic, 0).unwrap();
    assert_eq!(ids(&partition.replicas), [2, 1]);
    assert!(!partition.is_reassigning());
    assert_eq!(partition.leader.0, 1, "who leads goes on leading");
}

#[test]
fn a_replica_in_sync_is_dropped_at_once_and_a_leader_with_it() {
    let mut world = World::with_brokers(2);
    let topic = world.create_assigned("t", &[&[1, 2]]);

    let (_, refused) = reassign(&mut world, 0, Some(&[2]), false);
    let (records, code) = reassign(&mut world, 0, Some(&[2]), true);

    assert_eq!(refused, ErrorCode::INVALID_REPLICATION_FACTOR);
    assert_eq!((records.len(), code), (1, ErrorCode::NONE));
    let topics = world.controller.image().topics();
    let partition = topics.partition(&topic, 0).unwrap();
    assert_eq!(
        (ids(&partition.replicas), ids(&partition.isr)),
        (vec![2], vec![2])
    );
    assert_eq!(partition.leader.0, 2);
    assert_eq!(partition.directories.len(), 1);
}

#[test]
fn a_move_to_a_new_replica_goes_on_until_it_is_taken_back() {
    let mut world = World::with_brokers(2);
    let topic = world.create_assigned("t", &[&[1]]);

    let (_, none) = reassign(&mut world, 0, None, true);
    let (_, begun) = reassign(&mut world, 0, Some(&[2]), true);
    let image = world.controller.image();
    let partition = image.topics().partition(&topic, 0).unwrap().clone();
    let (_, ended) = reassign(&mut world, 0, None, true);

    assert_eq!(none, ErrorCode::NO_REASSIGNMENT_IN_PROGRESS);
    assert_eq!((begun, ended), (ErrorCode::NONE, ErrorCode::NONE));
    assert_eq!(ids(&partition.replicas), [2, 1]);
    assert_eq!(
        (ids(&partition.adding), ids(&partition.removing)),
        (vec![2], vec![1])
    );
    assert_eq!(partition.leader.0, 1);
    let image = world.controller.image();
    let partition = image.topics().partition(&topic, 0).unwrap();
    assert_eq!(ids(&partition.replicas), [1]);
    assert!(!partition.is_reassigning());
}

#[test]
fn a_move_to_brokers_that_there_are_not_is_refused() {
    let mut world = World::with_brokers(1);
    world.create_assigned("t", &[&[1]]);
    let mut code = |index, replicas: &[i32]| reassign(&mut world, index, Some(replicas), true).1;

    let invalid = ErrorCode::INVALID_REPLICA_ASSIGNMENT;
    assert_eq!(code(0, &[7]), invalid);
    assert_eq!(code(0, &[]), invalid);
    assert_eq!(code(0, &[1, 1]), invalid);
    assert_eq!(code(5, &[1]), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn a_registration_goes_only_when_its_broker_is_gone() {
    let mut world = World::with_brokers(2);
    world.create_assigned("t", &[&[1, 2]]);
    let unregister = |world: &World, id| {
        let request = UnregisterBrokerRequest { broker_id: id };
        world.controller.unregister_broker(&request)
    };
    let code = |world: &World, id| unregister(world, id).unwrap_err().code;

    assert_eq!(code(&world, 7), ErrorCode::BROKER_ID_NOT_REGISTERED);
    assert_eq!(code(&world, 2), ErrorCode::INVALID_REQUEST);
    let epoch = world.epoch(2);
    world.heartbeat(2, |request| request.want_fence = true);
    let decision = unregister(&world, 2).unwrap();
    let (records, _) = world.apply(decision);

    let gone = UnregisterBrokerRecord {
        broker_id: 2,
        broker_epoch: epoch,
    };
    assert_eq!(records.last(), Some(&MetadataRecord::from(gone)));
    assert!(
        world
            .controller
            .image()
            .brokers()
            .get(BrokerId(2))
            .is_none()
    );
}

#[test]
fn a_partition_that_a_request_moves_twice_stays_where_it_is() {
    let mut world = World::with_brokers(4);
    let id = world.create_assigned("t", &[&[1, 2], &[1, 2]]);
    let wanted = |partition_index, replicas: &[i32]| ReassignablePartition {
        partition_index,
        replicas: Some(replicas.to_vec()),
    };
    let topic = |partitions| ReassignableTopic {
        name: "t".into(),
        partitions,
    };
    let request = AlterPartitionReassignmentsRequest {
        topics: vec![
            topic(vec![wanted(0, &[3, 4]), wanted(1, &[2, 1])]),
            topic(vec![wanted(0, &[2])]),
        ],
        ..AlterPartitionReassignmentsRequest::default()
    };

    let decision = world.controller.alter_partition_reassignments(&request);
    let (_, answer) = world.apply(decision);

    let of =
        |topic: usize, partition: usize| answer.responses[topic].partitions[partition].error_code;
    let refused = ErrorCode::INVALID_REQUEST;
    assert_eq!(
        [of(0, 0), of(0, 1), of(1, 0)],
        [refused, ErrorCode::NONE, refused]
    );
    let state = |index| world.controller.image().topics().partition(&id, index);
    assert_eq!(*state(0).unwrap().replicas, [BrokerId(1), BrokerId(2)]);
    assert_eq!(*state(1).unwrap().replicas, [BrokerId(2), BrokerId(1)]);
}

#[test]
fn a_partition_that_is_named_again_is_elected_and_answered_once() {
    let mut world = World::with_brokers(2);
    let id = world.create_assigned("t", &[&[1, 2]]);
    world.controller.replay(&[led_by(id, 2)]).unwrap();
    let of_topic = TopicPartitions {
        topic: "t".into(),
        partitions: vec![0; 1_000],
    };
    let request = ElectLeadersRequest {
        topic_partitions: Some(vec![of_topic.clone(), of_topic]),
        ..ElectLeadersRequest::default()
    };

    let decision = world.controller.elect_leaders(&request).unwrap();

    assert_eq!(decision.records.len(), 1);
    let answered = decision.answer.replica_election_results.iter();
    let answered = answered.map(|topic| topic.partition_result.len());
    assert_eq!(answered.collect::<Vec<_>>(), [1, 0]);
}
