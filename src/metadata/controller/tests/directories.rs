//! Where replicas lie, and what it means for leadership.

use super::{World, directory, registration, settings};
use crate::metadata::image::PartitionImage;
use crate::model::{BrokerId, DirectoryId, TopicId, Uuid};
use crate::protocol::ErrorCode;
use crate::protocol::messages::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, RequestDirectoryData, RequestPartitionData, RequestTopicData,
};
use crate::protocol::messages::metadata_records::{MetadataRecord, PartitionChangeRecord};

const SECOND: u8 = 0x21;

fn second() -> DirectoryId {
    Uuid::from_bytes([SECOND; 16])
}

/// A controller with brokers 1 and 2, of which 1 has two directories.
fn world() -> World {
    let mut world = World::empty(settings());
    for broker in 1..=2 {
        let mut request = registration(broker, u8::try_from(broker).unwrap());
        if broker == 1 {
            request.log_dirs.push(second());
        }
        let decision = world
            .controller
            .register_broker(&request, world.now)
            .unwrap();
        world.apply(decision);
        world.heartbeat(broker, |_| {});
    }
    world
}

impl World {
    /// Broker 1 tells of one replica: the records, and the answer for the replica.
    fn assign(
        &mut self,
        partition: (TopicId, i32),
        id: DirectoryId,
    ) -> (Vec<MetadataRecord>, ErrorCode) {
        self.assign_of(1, partition, id)
    }

    /// As [`Self::assign`], of any broker.
    pub(super) fn assign_of(
        &mut self,
        broker: i32,
        (topic_id, partition_index): (TopicId, i32),
        id: DirectoryId,
    ) -> (Vec<MetadataRecord>, ErrorCode) {
        let request = AssignReplicasToDirsRequest {
            broker_id: broker,
            broker_epoch: self.epoch(broker),
            directories: vec![RequestDirectoryData {
                id,
                topics: vec![RequestTopicData {
                    topic_id,
                    partitions: vec![RequestPartitionData { partition_index }],
                }],
            }],
        };
        let decision = self.controller.assign_replicas_to_dirs(&request).unwrap();
        let (records, answer) = self.apply(decision);
        let [told] = &answer.directories[..] else {
            panic!("{answer:?}");
        };
        assert_eq!((told.id, told.topics[0].topic_id), (id, topic_id));
        let partition = &told.topics[0].partitions[0];
        assert_eq!(partition.partition_index, partition_index);
        (records, partition.error_code)
    }

    fn state(&self, topic: TopicId) -> &PartitionImage {
        self.controller
            .image()
            .topics()
            .partition(&topic, 0)
            .unwrap()
    }
}

fn change(topic_id: TopicId, set: impl FnOnce(&mut PartitionChangeRecord)) -> MetadataRecord {
    let mut change = PartitionChangeRecord {
        partition_id: 0,
        topic_id,
        ..PartitionChangeRecord::default()
    };
    set(&mut change);
    change.into()
}

#[test]
fn a_replica_is_noted_where_its_broker_says_and_told_once() {
    let mut world = world();
    let topic = world.create_assigned("t", &[&[1, 2]]);
    let unassigned = [Uuid::UNASSIGNED_DIRECTORY, directory(2)];
    assert_eq!(*world.state(topic).directories, unassigned);

    let (records, code) = world.assign((topic, 0), second());
    assert_eq!(code, ErrorCode::NONE);
    let directories = vec![second(), directory(2)];
    let expected = change(topic, |change| change.directories = Some(directories));
    assert_eq!(records, [expected]);

    let again = world.assign((topic, 0), second());
    assert_eq!(again, (vec![], ErrorCode::NONE));
    assert_eq!(world.state(topic).leader, BrokerId(1));
}

#[test]
fn what_is_no_replica_of_the_broker_is_told_apart() {
    let mut world = world();
    let topic = world.create_assigned("t", &[&[2]]);
    let unknown = TopicId::from_bytes([0x77; 16]);

    for (partition, code) in [
        ((topic, 0), ErrorCode::NOT_LEADER_OR_FOLLOWER),
        ((topic, 1), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        ((unknown, 0), ErrorCode::UNKNOWN_TOPIC_ID),
    ] {
        assert_eq!(world.assign(partition, second()), (vec![], code));
    }
}

#[test]
fn another_incarnation_of_the_broker_is_stale() {
    let world = world();
    let request = AssignReplicasToDirsRequest {
        broker_id: 1,
        broker_epoch: world.epoch(1) + 1,
        directories: vec![],
    };

    let refused = world.controller.assign_replicas_to_dirs(&request);

    assert_eq!(refused.unwrap_err().code, ErrorCode::STALE_BROKER_EPOCH);
}

#[test]
fn a_replica_in_a_lost_directory_hands_its_leadership_over() {
    let mut world = world();
    let topic = world.create_assigned("t", &[&[1, 2]]);

    let (records, code) = world.assign((topic, 0), Uuid::LOST_DIRECTORY);

    assert_eq!(code, ErrorCode::NONE);
    let expected = change(topic, |change| {
        change.directories = Some(vec![Uuid::LOST_DIRECTORY, directory(2)]);
        change.leader = 2;
        change.isr = Some(vec![2]);
    });
    assert_eq!(records, [expected]);
}

#[test]
fn a_directory_that_the_broker_has_not_registered_counts_as_failed() {
    let mut world = world();
    let topic = world.create_assigned("t", &[&[1, 2]]);
    let unknown = Uuid::from_bytes([0x55; 16]);

    let (records, code) = world.assign((topic, 0), unknown);

    assert_eq!(code, ErrorCode::NONE);
    let expected = change(topic, |change| {
        change.directories = Some(vec![unknown, directory(2)]);
        change.leader = 2;
        change.isr = Some(vec![2]);
    });
    assert_eq!(records, [expected]);
}

#[test]
fn of_a_replica_that_is_told_twice_the_first_counts() {
    let mut world = world();
    let topic = world.create_assigned("t", &[&[1, 2]]);
    let told = |id| RequestDirectoryData {
        id,
        topics: vec![RequestTopicData {
            topic_id: topic,
            partitions: vec![RequestPartitionData { partition_index: 0 }; 1_000],
        }],
    };
    let request = AssignReplicasToDirsRequest {
        broker_id: 1,
        broker_epoch: world.epoch(1),
        directories: vec![told(second()), told(directory(1))],
    };

    let decision = world.controller.assign_replicas_to_dirs(&request).unwrap();

    assert_eq!(decision.records.len(), 1);
    world.apply(decision);
    assert_eq!(world.state(topic).directories[0], second());
}

#[test]
fn the_only_replica_leads_no_more_when_it_is_lost_and_again_when_it_is_found() {
    let mut world = world();
    let topic = world.create_assigned("t", &[&[1]]);

    world.assign((topic, 0), Uuid::LOST_DIRECTORY);
    assert_eq!(world.state(topic).leader, BrokerId::NONE);
    assert_eq!(*world.state(topic).elr, [BrokerId(1)]);

    let (records, _) = world.assign((topic, 0), second());
    let expected = change(topic, |change| {
        change.directories = Some(vec![second()]);
        change.leader = 1;
        change.isr = Some(vec![1]);
        change.eligible_leader_replicas = Some(vec![]);
        change.last_known_elr = Some(vec![]);
    });
    assert_eq!(records, [expected]);
}
