//! Replicas whose log is lost: they are neither in sync nor eligible, and lead again only once they have joined,
//! or where nobody has led since and the log is whole after all.

use super::elr::{fence, image, join, set_min_isr, state, world};
use super::reassignments::{UNCLEAN, elect};
use super::{World, directory};
use crate::metadata::image::LeaderRecovery;
use crate::model::{BrokerId, TopicId, Uuid};
use crate::protocol::ErrorCode;

#[test]
fn a_lost_replica_is_not_eligible_and_leads_again_only_by_joining() {
    let (mut world, topic) = world();
    fence(&mut world, 1);
    fence(&mut world, 2);

    world.assign_of(3, (topic, 0), Uuid::LOST_DIRECTORY);

    assert_eq!(state(&world, topic), (-1, vec![], vec![2], vec![3]));
    world.assign_of(3, (topic, 0), Uuid::from_bytes([3; 16]));
    assert_eq!(state(&world, topic), (-1, vec![], vec![2], vec![]));
    world.heartbeat(2, |_| {});
    assert_eq!(state(&world, topic), (2, vec![2], vec![], vec![]));
    join(&mut world, topic, &[2, 3]);
    assert_eq!(state(&world, topic), (2, vec![2, 3], vec![], vec![]));
}

/// Broker 3 was the last in sync when its log was lost, and nobody else may lead.
fn last_is_lost() -> (World, TopicId) {
    let (mut world, topic) = world();
    set_min_isr(&mut world, "t", "1");
    fence(&mut world, 1);
    fence(&mut world, 2);
    assert_eq!(state(&world, topic), (3, vec![3], vec![], vec![]));
    world.assign_of(3, (topic, 0), Uuid::LOST_DIRECTORY);
    world.heartbeat(2, |_| {});
    assert_eq!(state(&world, topic), (-1, vec![], vec![], vec![3]));
    (world, topic)
}

#[test]
fn the_last_leader_leads_again_when_its_lost_log_is_whole_after_all() {
    let (mut world, topic) = last_is_lost();

    world.assign_of(3, (topic, 0), Uuid::UNASSIGNED_DIRECTORY);

    assert_eq!(state(&world, topic), (3, vec![3], vec![], vec![]));
    let recovery = image(&world, topic).leader_recovery;
    assert_eq!(recovery, LeaderRecovery::Recovering);
    world.assign_of(3, (topic, 0), directory(3));
    assert_eq!(state(&world, topic), (3, vec![3], vec![], vec![]));
}

#[test]
fn the_last_leader_whose_lost_log_is_whole_leads_once_it_is_unfenced() {
    let (mut world, topic) = last_is_lost();
    fence(&mut world, 3);

    world.assign_of(3, (topic, 0), Uuid::UNASSIGNED_DIRECTORY);
    assert_eq!(state(&world, topic), (-1, vec![], vec![], vec![3]));

    world.heartbeat(3, |_| {});
    assert_eq!(state(&world, topic), (3, vec![3], vec![], vec![]));
}

#[test]
fn a_lost_log_that_was_made_anew_leads_nothing() {
    let (mut world, topic) = last_is_lost();

    // It says where the log lies, and not that it is the one that was lost.
    world.assign_of(3, (topic, 0), directory(3));
    assert_eq!(state(&world, topic), (-1, vec![], vec![], vec![]));

    world.assign_of(3, (topic, 0), Uuid::UNASSIGNED_DIRECTORY);
    assert_eq!(state(&world, topic).0, -1);
}

#[test]
fn a_lost_log_is_not_called_whole_once_another_has_led() {
    let (mut world, topic) = last_is_lost();
    elect(&mut world, UNCLEAN, Some(&[0]));
    assert_eq!(state(&world, topic), (2, vec![2], vec![], vec![]));

    let late = world.assign_of(3, (topic, 0), Uuid::UNASSIGNED_DIRECTORY);

    assert_eq!(late, (vec![], ErrorCode::NONE));
    let directory = image(&world, topic).directory_of(BrokerId(3));
    assert_eq!(directory, Some(Uuid::LOST_DIRECTORY));
}

#[test]
fn a_lost_log_leads_nothing_either_when_the_feature_is_turned_off() {
    let (mut world, topic) = last_is_lost();

    let records = world.controller.before_elr_level(0);
    world.controller.replay(&records).unwrap();

    assert_eq!(state(&world, topic), (-1, vec![], vec![], vec![]));
}

#[test]
fn a_lost_replica_cannot_join_before_it_has_a_directory() {
    let (mut world, topic) = world();
    world.assign_of(3, (topic, 0), Uuid::LOST_DIRECTORY);
    assert_eq!(state(&world, topic), (1, vec![1, 2], vec![], vec![]));

    join(&mut world, topic, &[1, 2, 3]);

    assert_eq!(state(&world, topic).1, [1, 2]);
}

#[test]
fn a_lost_replica_costs_no_other_partition() {
    let (mut world, topic) = world();
    let other = world.create_assigned("other", &[&[3, 1]]);

    world.assign_of(3, (topic, 0), Uuid::LOST_DIRECTORY);

    assert_eq!(state(&world, other), (3, vec![3, 1], vec![], vec![]));
}
