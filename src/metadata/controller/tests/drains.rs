//! Drained brokers: leaders leave, new ones do not come, unless nobody else could lead.

use std::sync::Arc;

use super::configs::{DELETE, SET, alter, ok, op, resource};
use super::{Controller, World, settings, topic};
use crate::metadata::image::ResourceKind;
use crate::model::{BrokerId, TopicId};
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_partition::{
    AlterPartitionRequest, BrokerState, RequestPartitionData, RequestTopicData,
};
use crate::protocol::messages::elect_leaders::{ElectLeadersRequest, TopicPartitions};
use crate::protocol::messages::metadata_records::{MetadataRecord, PartitionChangeRecord};

const DRAIN: &str = "broker.drain";

fn broker_config(world: &mut World, broker: &'static str, operation: i8) {
    let value = (operation == SET).then_some("true");
    let drain = vec![op(DRAIN, operation, value)];
    let kind = ResourceKind::Broker.to_wire();
    let (_, outcomes) = alter(world, vec![resource(kind, broker, drain)]);
    assert_eq!(outcomes, [ok()]);
}

fn drain(world: &mut World, broker: &'static str) {
    broker_config(world, broker, SET);
}

/// Takes all steps of handing over: the records of each.
fn hand_over(world: &mut World) -> Vec<Vec<MetadataRecord>> {
    let mut steps = Vec::new();
    while world.controller.is_handing_over() {
        let decision = world.controller.hand_over_drained();
        steps.extend(decision.map(|decision| world.apply(decision).0));
    }
    assert!(world.controller.hand_over_drained().is_none());
    steps
}

fn fence(world: &mut World, broker: i32) {
    world.heartbeat(broker, |request| request.want_fence = true);
}

/// The leader and the in-sync set of a partition.
fn state(world: &World, topic: TopicId, index: i32) -> (i32, Vec<i32>) {
    let topics = world.controller.image().topics();
    let partition = topics.partition(&topic, index).unwrap();
    let isr = partition.isr.iter().map(|id| id.0).collect();
    (partition.leader.0, isr)
}

/// The leader of partition 0 asks for an in-sync set, and gets this answer.
fn ask_for_isr(world: &mut World, topic: TopicId, isr: &[i32]) -> ErrorCode {
    let topics = world.controller.image().topics();
    let partition = topics.partition(&topic, 0).unwrap();
    let state = |id: &i32| BrokerState {
        broker_id: *id,
        broker_epoch: world.epoch(*id),
    };
    let request = AlterPartitionRequest {
        broker_id: partition.leader.0,
        broker_epoch: world.epoch(partition.leader.0),
        topics: vec![RequestTopicData {
            topic_id: topic,
            partitions: vec![RequestPartitionData {
                leader_epoch: partition.leader_epoch.0,
                partition_epoch: partition.partition_epoch,
                new_isr_with_epochs: isr.iter().map(state).collect(),
                ..RequestPartitionData::default()
            }],
        }],
    };
    let decision = world.controller.alter_partition(&request).unwrap();
    let (_, answer) = world.apply(decision);
    answer.topics[0].partitions[0].error_code
}

/// Asks for the preferred leader of partition 0, and gets this answer.
fn elect_preferred(world: &mut World, name: &'static str) -> ErrorCode {
    let request = ElectLeadersRequest {
        topic_partitions: Some(vec![TopicPartitions {
            topic: name.into(),
            partitions: vec![0],
        }]),
        ..ElectLeadersRequest::default()
    };
    let decision = world.controller.elect_leaders(&request).unwrap();
    let (_, answer) = world.apply(decision);
    answer.replica_election_results[0].partition_result[0].error_code
}

#[test]
fn all_that_a_drained_broker_leads_goes_to_others_a_thousand_at_once() {
    let mut world = World::with_brokers(3);
    let replicas: Vec<&[i32]> = vec![&[1, 2, 3]; 2_500];
    let many = world.create_assigned("many", &replicas);

    drain(&mut world, "1");
    let steps = hand_over(&mut world);

    let sizes: Vec<usize> = steps.iter().map(Vec::len).collect();
    assert_eq!(sizes, [1_000, 1_000, 500]);
    let expected = (0..2_500).map(|partition_id| {
        MetadataRecord::from(PartitionChangeRecord {
            partition_id,
            topic_id: many,
            leader: 2,
            ..PartitionChangeRecord::default()
        })
    });
    assert!(steps.into_iter().flatten().eq(expected), "no in-sync set");
    assert!(!world.controller.index.leads_any(BrokerId(1)));
}

#[test]
fn a_drained_broker_leads_what_nobody_else_can_lead_until_somebody_can() {
    let mut world = World::with_brokers(3);
    let only = world.create_assigned("only", &[&[1]]);
    let alone = world.create_assigned("alone", &[&[1, 2]]);
    fence(&mut world, 2);
    world.heartbeat(2, |_| {});

    drain(&mut world, "1");
    assert_eq!(hand_over(&mut world), Vec::<Vec<MetadataRecord>>::new());
    assert_eq!(state(&world, only, 0), (1, vec![1]));
    assert_eq!(state(&world, alone, 0), (1, vec![1]));

    let code = ask_for_isr(&mut world, alone, &[1, 2]);
    assert_eq!(code, ErrorCode::NEW_LEADER_ELECTED);
    assert_eq!(state(&world, alone, 0), (2, vec![1, 2]));
}

#[test]
fn a_drained_broker_leads_when_all_others_go() {
    let mut world = World::with_brokers(3);
    let topic = world.create_assigned("t", &[&[2, 1, 3]]);
    drain(&mut world, "1");
    hand_over(&mut world);

    fence(&mut world, 2);
    assert_eq!(state(&world, topic, 0), (3, vec![1, 3]));
    fence(&mut world, 3);
    assert_eq!(state(&world, topic, 0), (1, vec![1]));

    world.heartbeat(3, |_| {});
    assert_eq!(state(&world, topic, 0), (1, vec![1]), "it is not in sync");
    ask_for_isr(&mut world, topic, &[1, 3]);
    assert_eq!(state(&world, topic, 0), (3, vec![1, 3]));
}

#[test]
fn of_drained_brokers_alone_the_leader_stays() {
    let mut world = World::with_brokers(2);
    let topic = world.create_assigned("t", &[&[1, 2]]);
    drain(&mut world, "2");
    drain(&mut world, "1");

    assert_eq!(hand_over(&mut world).len(), 0);
    assert_eq!(state(&world, topic, 0).0, 1);

    broker_config(&mut world, "2", DELETE);
    hand_over(&mut world);
    assert_eq!(state(&world, topic, 0).0, 2, "it is drained no more");
}

#[test]
fn a_preferred_leader_comes_back_only_when_it_is_drained_no_more() {
    let mut world = World::with_brokers(2);
    let topic = world.create_assigned("t", &[&[1, 2]]);
    drain(&mut world, "1");
    hand_over(&mut world);

    let code = elect_preferred(&mut world, "t");
    assert_eq!(code, ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE);
    world.now += settings().elections.preferred.unwrap();
    assert!(world.controller.elect_periodically(world.now).is_none());

    broker_config(&mut world, "1", DELETE);
    hand_over(&mut world);
    assert_eq!(state(&world, topic, 0).0, 2, "nothing moves by itself");
    assert_eq!(elect_preferred(&mut world, "t"), ErrorCode::NONE);
    assert_eq!(state(&world, topic, 0).0, 1);
}

#[test]
fn new_partitions_go_to_others_as_far_as_these_suffice_and_are_led_by_them() {
    let mut world = World::with_brokers(3);
    drain(&mut world, "1");
    hand_over(&mut world);
    let create = |world: &mut World, name, factor| {
        let (_, results) = world.create(vec![topic(name, 20, factor)]);
        results[0].topic_id
    };
    let replicas = |world: &World, id, index| {
        let topics = world.controller.image().topics();
        topics.partition(&id, index).unwrap().replicas.clone()
    };

    let of_two = create(&mut world, "of-two", 2);
    let of_three = create(&mut world, "of-three", 3);
    for index in 0..20 {
        assert!(!replicas(&world, of_two, index).contains(&BrokerId(1)));
        let replicas = replicas(&world, of_three, index);
        assert_ne!(replicas[0], BrokerId(1), "it would be preferred");
        assert_ne!(state(&world, of_three, index).0, 1);
    }
    let assigned = world.create_assigned("assigned", &[&[1, 2]]);
    assert_eq!(state(&world, assigned, 0), (2, vec![1, 2]));
    let only = world.create_assigned("only", &[&[1]]);
    assert_eq!(state(&world, only, 0), (1, vec![1]), "it was asked for");

    drain(&mut world, "2");
    drain(&mut world, "3");
    let of_drained = create(&mut world, "of-drained", 3);
    assert!(state(&world, of_drained, 0).0 > 0);
}

#[test]
fn a_drained_broker_is_better_for_a_new_replica_than_one_that_is_down() {
    let mut world = World::with_brokers(4);
    drain(&mut world, "1");
    fence(&mut world, 4);

    let (_, results) = world.create(vec![topic("t", 20, 3)]);

    for index in 0..20 {
        let (leader, mut isr) = state(&world, results[0].topic_id, index);
        isr.sort_unstable();
        assert_eq!(isr, [1, 2, 3]);
        assert_ne!(leader, 1);
    }
}

#[test]
fn the_next_controller_goes_on_with_it() {
    let mut world = World::with_brokers(2);
    let topic = world.create_assigned("t", &[&[1, 2]]);
    drain(&mut world, "1");
    let image = world.controller.image().clone();
    let next_offset = world.controller.next_offset();

    world.controller = Controller::new(Arc::new(settings()), image, next_offset, world.now);
    hand_over(&mut world);

    assert_eq!(state(&world, topic, 0).0, 2);
}

#[test]
fn an_unclean_leader_is_a_drained_broker_only_if_no_other_lives() {
    let mut world = World::with_brokers(3);
    let topic = world.create_assigned("t", &[&[3, 1, 2]]);
    let allowed = vec![op("unclean.leader.election.enable", SET, Some("true"))];
    alter(
        &mut world,
        vec![resource(ResourceKind::Topic.to_wire(), "t", allowed)],
    );
    for broker in [1, 2] {
        fence(&mut world, broker);
        world.heartbeat(broker, |_| {});
    }
    drain(&mut world, "1");
    hand_over(&mut world);
    assert_eq!(state(&world, topic, 0), (3, vec![3]));

    fence(&mut world, 3);

    assert_eq!(state(&world, topic, 0), (2, vec![2]));
}

#[test]
fn one_broker_is_drained_and_no_default_of_all() {
    let mut world = World::with_brokers(1);
    let kind = ResourceKind::Broker.to_wire();
    for (name, value) in [("", "true"), ("1", "maybe")] {
        let drain = vec![op(DRAIN, SET, Some(value))];
        let (records, outcomes) = alter(&mut world, vec![resource(kind, name, drain)]);
        assert_eq!(outcomes[0].0, ErrorCode::INVALID_REQUEST, "{name}");
        assert_eq!(records, []);
    }
}
