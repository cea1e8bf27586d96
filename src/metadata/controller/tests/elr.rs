//! Eligible leader replicas (KIP-966): who may lead when the last replicas in sync are gone.

use super::configs::{SET, alter, op, resource};
use super::{World, registration, settings};
use crate::metadata::controller::bootstrap_records;
use crate::metadata::image::{LeaderRecovery, PartitionImage};
use crate::model::{BrokerId, TopicId, Uuid};
use crate::protocol::messages::metadata_records::{
    ClearElrRecord, MetadataRecord, PartitionChangeRecord,
};

const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;
pub(super) const MIN_ISR: &str = "min.insync.replicas";

fn ids(brokers: &[BrokerId]) -> Vec<i32> {
    brokers.iter().map(|id| id.0).collect()
}

/// Leader, in-sync set, eligible leaders and last known leader of partition 0.
pub(super) fn state(world: &World, topic: TopicId) -> (i32, Vec<i32>, Vec<i32>, Vec<i32>) {
    let partition = image(world, topic);
    (
        partition.leader.0,
        ids(&partition.isr),
        ids(&partition.elr),
        ids(&partition.last_known_elr),
    )
}

pub(super) fn image(world: &World, topic: TopicId) -> &PartitionImage {
    let topics = world.controller.image().topics();
    topics.partition(&topic, 0).unwrap()
}

pub(super) fn fence(world: &mut World, broker: i32) {
    world.heartbeat(broker, |request| request.want_fence = true);
}

pub(super) fn set_min_isr(
    world: &mut World,
    topic: &'static str,
    value: &'static str,
) -> Vec<MetadataRecord> {
    alter(
        world,
        vec![resource(TOPIC, topic, vec![op(MIN_ISR, SET, Some(value))])],
    )
    .0
}

/// Three brokers with a replica each, of which two must be in sync.
pub(super) fn world() -> (World, TopicId) {
    three(World::with_brokers(3))
}

/// As [`world`], in a cluster without the feature.
pub(super) fn world_without() -> (World, TopicId) {
    let mut world = World::founded(settings(), &bootstrap_records()[..1]);
    for broker in 1..=3 {
        world.register(broker);
        world.heartbeat(broker, |_| {});
    }
    three(world)
}

fn three(mut world: World) -> (World, TopicId) {
    let topic = world.create_assigned("t", &[&[1, 2, 3]]);
    set_min_isr(&mut world, "t", "2");
    (world, topic)
}

/// Another process of the broker registers, which says that it stopped in order in this epoch.
pub(super) fn restart(world: &mut World, broker: i32, previous_epoch: i64) -> Vec<MetadataRecord> {
    restart_in(world, broker, previous_epoch, super::directory(broker))
}

fn restart_in(
    world: &mut World,
    broker: i32,
    previous_epoch: i64,
    directory: Uuid,
) -> Vec<MetadataRecord> {
    let mut request = registration(broker, 100 + u8::try_from(broker).unwrap());
    request.previous_broker_epoch = previous_epoch;
    request.log_dirs = vec![directory];
    world.now += super::SESSION;
    let decision = world
        .controller
        .register_broker(&request, world.now)
        .unwrap();
    world.apply(decision).0
}

fn restart_cleanly(world: &mut World, broker: i32) {
    let epoch = world.epoch(broker);
    restart(world, broker, epoch);
    world.heartbeat(broker, |_| {});
}

fn restart_after_a_crash(world: &mut World, broker: i32) {
    restart(world, broker, -1);
    world.heartbeat(broker, |_| {});
}

#[test]
fn who_leaves_below_the_minimum_is_eligible_until_enough_are_in_sync_again() {
    let (mut world, topic) = world();

    fence(&mut world, 1);
    assert_eq!(state(&world, topic), (2, vec![2, 3], vec![], vec![]));
    fence(&mut world, 2);
    assert_eq!(state(&world, topic), (3, vec![3], vec![2], vec![]));
    fence(&mut world, 3);
    assert_eq!(state(&world, topic), (-1, vec![], vec![2, 3], vec![3]));

    world.heartbeat(1, |_| {});
    assert_eq!(state(&world, topic).0, -1, "broker 1 lacks records");
    world.heartbeat(2, |_| {});
    assert_eq!(state(&world, topic), (2, vec![2], vec![3], vec![]));
    assert_eq!(
        image(&world, topic).leader_recovery,
        LeaderRecovery::Recovered
    );
    world.heartbeat(3, |_| {});
    join(&mut world, topic, &[2, 3]);
    assert_eq!(state(&world, topic), (2, vec![2, 3], vec![], vec![]));
}

/// The leader asks for this in-sync set.
pub(super) fn join(world: &mut World, topic_id: TopicId, isr: &[i32]) {
    use crate::protocol::messages::alter_partition::{
        AlterPartitionRequest, BrokerState, RequestPartitionData, RequestTopicData,
    };
    let partition = image(world, topic_id);
    let leader = partition.leader.0;
    let isr = isr.iter().map(|id| BrokerState {
        broker_id: *id,
        broker_epoch: world.epoch(*id),
    });
    let data = RequestPartitionData {
        partition_index: 0,
        leader_epoch: partition.leader_epoch.0,
        partition_epoch: partition.partition_epoch,
        new_isr_with_epochs: isr.collect(),
        ..RequestPartitionData::default()
    };
    let request = AlterPartitionRequest {
        broker_id: leader,
        broker_epoch: world.epoch(leader),
        topics: vec![RequestTopicData {
            topic_id,
            partitions: vec![data],
        }],
    };
    let decision = world.controller.alter_partition(&request).unwrap();
    world.apply(decision);
}

#[test]
fn the_last_in_sync_replica_that_crashed_does_not_lead_before_an_eligible_one_is_back() {
    let (mut world, topic) = world();
    fence(&mut world, 1);
    fence(&mut world, 2);
    fence(&mut world, 3);

    restart_after_a_crash(&mut world, 3);

    assert_eq!(state(&world, topic), (-1, vec![], vec![2], vec![3]));
    restart_cleanly(&mut world, 2);
    assert_eq!(state(&world, topic), (2, vec![2], vec![], vec![]));
}

#[test]
fn a_crash_that_nobody_saw_costs_the_in_sync_set_its_member() {
    let (mut world, topic) = world();

    restart_after_a_crash(&mut world, 1);
    assert_eq!(state(&world, topic), (2, vec![2, 3], vec![], vec![]));
    restart_after_a_crash(&mut world, 2);

    assert_eq!(state(&world, topic), (3, vec![3], vec![], vec![]));
}

#[test]
fn a_crash_takes_the_broker_out_of_all_its_partitions_also_as_the_last_one() {
    let mut world = World::with_brokers(2);
    let alone = world.create_assigned("alone", &[&[1]]);
    let both = world.create_assigned("both", &[&[1, 2], &[2, 1]]);
    fence(&mut world, 1);
    assert_eq!(state(&world, alone), (-1, vec![], vec![1], vec![1]));

    restart(&mut world, 1, -1);

    assert_eq!(state(&world, alone), (-1, vec![], vec![], vec![1]));
    assert_eq!(state(&world, both), (2, vec![2], vec![], vec![]));
    assert_eq!(world.controller.index.in_sync_on(BrokerId(1)).count(), 0);
    assert_eq!(world.controller.index.eligible_on(BrokerId(1)).count(), 0);
}

#[test]
fn a_broker_that_stopped_in_order_leads_again() {
    let (mut world, topic) = world();
    fence(&mut world, 1);
    fence(&mut world, 2);
    fence(&mut world, 3);

    restart_cleanly(&mut world, 3);

    assert_eq!(state(&world, topic), (3, vec![3], vec![2], vec![]));
}

#[test]
fn the_mark_of_an_earlier_stop_is_no_clean_stop() {
    let (mut world, topic) = world();
    let first = world.epoch(3);
    restart_cleanly(&mut world, 3);
    fence(&mut world, 1);
    fence(&mut world, 2);

    restart(&mut world, 3, first);

    assert!(!state(&world, topic).1.contains(&3));
    assert!(!state(&world, topic).2.contains(&3));
}

#[test]
fn a_registration_that_is_sent_again_is_no_crash() {
    let (mut world, topic) = world();
    let before = state(&world, topic);

    world.register(1);

    assert_eq!(state(&world, topic), before);
}

#[test]
fn the_last_leader_leads_if_nobody_is_eligible_and_has_to_recover() {
    let (mut world, topic) = world();
    for broker in 1..=3 {
        fence(&mut world, broker);
    }
    for broker in 1..=2 {
        restart_after_a_crash(&mut world, broker);
        assert_eq!(state(&world, topic).0, -1);
    }

    restart_after_a_crash(&mut world, 3);

    assert_eq!(state(&world, topic), (3, vec![3], vec![], vec![]));
    assert_eq!(
        image(&world, topic).leader_recovery,
        LeaderRecovery::Recovering
    );
}

#[test]
fn the_last_leader_with_another_disk_does_not_lead() {
    let (mut world, topic) = world();
    for broker in 1..=3 {
        fence(&mut world, broker);
    }
    let other = Uuid::from_bytes([0x55; 16]);
    restart_in(&mut world, 3, -1, other);
    world.heartbeat(3, |_| {});
    for broker in 1..=2 {
        restart_after_a_crash(&mut world, broker);
    }

    world.assign_of(3, (topic, 0), other);

    assert_eq!(state(&world, topic), (-1, vec![], vec![], vec![]));
    allow_unclean(&mut world);
    assert_eq!(state(&world, topic).0, -1, "by time, not at once");
}

fn allow_unclean(world: &mut World) {
    let allowed = op("unclean.leader.election.enable", SET, Some("true"));
    alter(world, vec![resource(TOPIC, "t", vec![allowed])]);
}

#[test]
fn the_only_replica_leads_with_another_disk_as_nobody_has_more() {
    let mut world = World::with_brokers(1);
    let topic = world.create_assigned("t", &[&[1]]);
    let other = Uuid::from_bytes([0x55; 16]);
    restart_in(&mut world, 1, -1, other);
    world.heartbeat(1, |_| {});

    world.assign_of(1, (topic, 0), other);

    assert_eq!(state(&world, topic), (1, vec![1], vec![], vec![]));
}

#[test]
fn an_unclean_election_forgets_who_was_eligible() {
    let (mut world, topic) = world();
    fence(&mut world, 1);
    fence(&mut world, 2);
    allow_unclean(&mut world);
    world.heartbeat(1, |_| {});

    fence(&mut world, 3);

    assert_eq!(state(&world, topic), (1, vec![1], vec![], vec![]));
    assert_eq!(
        image(&world, topic).leader_recovery,
        LeaderRecovery::Recovering
    );
}

#[test]
fn a_minimum_above_the_replicas_there_are_means_all_of_them() {
    let (mut world, topic) = world();
    set_min_isr(&mut world, "t", "9");

    fence(&mut world, 1);

    assert_eq!(state(&world, topic), (2, vec![2, 3], vec![1], vec![]));
}

#[test]
fn the_minimum_of_the_cluster_counts_for_topics_without_their_own() {
    let mut world = World::with_brokers(3);
    let topic = world.create_assigned("t", &[&[1, 2, 3]]);
    let of_cluster = vec![op(MIN_ISR, SET, Some("3"))];
    let (records, _) = alter(&mut world, vec![resource(BROKER, "", of_cluster)]);
    assert_eq!(records[1], ClearElrRecord::default().into());

    fence(&mut world, 1);

    assert_eq!(state(&world, topic), (2, vec![2, 3], vec![1], vec![]));
}

#[test]
fn another_minimum_ends_who_is_eligible_where_somebody_leads() {
    let (mut world, topic) = world();
    fence(&mut world, 1);
    fence(&mut world, 2);
    assert_eq!(state(&world, topic).2, [2]);

    let records = set_min_isr(&mut world, "t", "1");

    let clear = ClearElrRecord {
        topic_name: "t".into(),
    };
    assert_eq!(records[1..], [clear.into()]);
    assert_eq!(state(&world, topic), (3, vec![3], vec![], vec![]));
    assert_eq!(world.controller.index.eligible_on(BrokerId(2)).count(), 0);
}

#[test]
fn another_minimum_does_not_leave_a_partition_without_anybody_who_may_lead() {
    let (mut world, topic) = world();
    for broker in 1..=3 {
        fence(&mut world, broker);
    }

    set_min_isr(&mut world, "t", "1");

    assert_eq!(state(&world, topic), (-1, vec![], vec![2, 3], vec![3]));
    world.heartbeat(2, |_| {});
    // It commits by itself from now on: broker 3 is not eligible any more.
    assert_eq!(state(&world, topic), (2, vec![2], vec![], vec![]));
}

#[test]
fn a_replica_that_a_cancelled_reassignment_added_is_not_eligible() {
    let mut world = World::with_brokers(4);
    let topic = world.create_assigned("t", &[&[1, 2, 3]]);
    set_min_isr(&mut world, "t", "2");
    let change = PartitionChangeRecord {
        topic_id: topic,
        partition_id: 0,
        replicas: Some(vec![1, 2, 3, 4]),
        adding_replicas: Some(vec![4]),
        isr: Some(vec![1, 4]),
        ..PartitionChangeRecord::default()
    };
    world.controller.replay(&[change.into()]).unwrap();

    super::reassignments::reassign(&mut world, 0, None, true);

    assert_eq!(state(&world, topic), (1, vec![1], vec![], vec![]));
}

#[test]
fn without_the_feature_the_last_one_in_sync_stays_though_it_crashed() {
    let (mut world, topic) = world_without();
    for broker in 1..=3 {
        fence(&mut world, broker);
    }
    assert_eq!(state(&world, topic), (-1, vec![3], vec![], vec![]));

    restart_after_a_crash(&mut world, 3);

    assert_eq!(state(&world, topic), (3, vec![3], vec![], vec![]));
}

#[test]
fn without_the_feature_the_last_one_in_sync_leads_with_another_disk_as_with_kafka() {
    let (mut world, topic) = world_without();
    for broker in 1..=3 {
        fence(&mut world, broker);
    }
    let other = Uuid::from_bytes([0x55; 16]);
    restart_in(&mut world, 3, -1, other);
    world.heartbeat(3, |_| {});
    assert_eq!(state(&world, topic).0, -1);

    world.assign_of(3, (topic, 0), other);

    assert_eq!(state(&world, topic), (3, vec![3], vec![], vec![]));
}
