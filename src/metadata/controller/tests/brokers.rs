//! Registration, heartbeats, fencing, shutdown, and blocks of producer ids.

use std::time::Duration;

use super::{CLUSTER, SESSION, World, directory, registration, settings};
use crate::model::{BrokerId, TopicId, Uuid};
use crate::protocol::ErrorCode;
use crate::protocol::messages::allocate_producer_ids::AllocateProducerIdsRequest;
use crate::protocol::messages::broker_heartbeat::BrokerHeartbeatRequest;
use crate::protocol::messages::broker_registration::{BrokerRegistrationRequest, Feature};
use crate::protocol::messages::metadata_records::broker::{BrokerEndpoint, BrokerFeature};
use crate::protocol::messages::metadata_records::{
    BrokerRegistrationChangeRecord, MetadataRecord, PartitionChangeRecord, ProducerIdsRecord,
    RegisterBrokerRecord,
};
use crate::protocol::messages::unregister_broker::UnregisterBrokerRequest;

fn change(
    broker_id: i32,
    broker_epoch: i64,
    set: impl FnOnce(&mut BrokerRegistrationChangeRecord),
) -> MetadataRecord {
    let mut change = BrokerRegistrationChangeRecord {
        broker_id,
        broker_epoch,
        ..BrokerRegistrationChangeRecord::default()
    };
    set(&mut change);
    change.into()
}

fn fence(change: &mut BrokerRegistrationChangeRecord) {
    change.fenced = 1;
}

fn unfence(change: &mut BrokerRegistrationChangeRecord) {
    change.fenced = -1;
}

fn partition_change(
    topic_id: Uuid,
    set: impl FnOnce(&mut PartitionChangeRecord),
) -> MetadataRecord {
    let mut change = PartitionChangeRecord {
        partition_id: 0,
        topic_id,
        ..PartitionChangeRecord::default()
    };
    set(&mut change);
    change.into()
}

fn refused(world: &mut World, request: &BrokerRegistrationRequest) -> ErrorCode {
    world
        .controller
        .register_broker(request, world.now)
        .unwrap_err()
        .code
}

/// The partition whose only replica leaves, and keeps what it has.
fn left_by_1(topic: TopicId) -> MetadataRecord {
    partition_change(topic, |change| {
        change.leader = -1;
        change.isr = Some(vec![]);
        change.eligible_leader_replicas = Some(vec![1]);
        change.last_known_elr = Some(vec![1]);
    })
}

#[test]
fn a_registration_is_fenced_and_its_epoch_is_its_offset() {
    let mut world = World::empty(settings());
    let offset = world.controller.next_offset();

    let records = world.register(1);

    let expected = RegisterBrokerRecord {
        broker_id: 1,
        incarnation_id: Uuid::from_bytes([1; 16]),
        broker_epoch: offset.0,
        end_points: vec![BrokerEndpoint {
            name: "PLAINTEXT".into(),
            host: "localhost".into(),
            port: 9092,
            security_protocol: 0,
        }],
        features: vec![
            BrokerFeature {
                name: "metadata.version".into(),
                min_supported_version: 7,
                max_supported_version: 30,
            },
            BrokerFeature {
                name: "eligible.leader.replicas.version".into(),
                min_supported_version: 0,
                max_supported_version: 1,
            },
        ],
        fenced: true,
        log_dirs: vec![directory(1)],
        ..RegisterBrokerRecord::default()
    };
    assert_eq!(records, [expected.into()]);
}

#[test]
fn a_broker_is_unfenced_once_it_has_read_its_registration() {
    let mut world = World::empty(settings());
    world.register(1);
    let epoch = world.epoch(1);

    let (records, answer) =
        world.heartbeat(1, |request| request.current_metadata_offset = epoch - 1);
    assert_eq!(records, []);
    assert!(!answer.is_caught_up && answer.is_fenced);

    let (records, answer) = world.heartbeat(1, |request| request.want_fence = true);
    assert_eq!(records, []);
    assert!(answer.is_caught_up && answer.is_fenced);

    let (records, answer) = world.heartbeat(1, |_| {});
    assert_eq!(records, [change(1, epoch, unfence)]);
    assert!(answer.is_caught_up && !answer.is_fenced && !answer.should_shut_down);

    let (records, _) = world.heartbeat(1, |_| {});
    assert_eq!(records, []);
}

#[test]
fn fencing_moves_leadership_and_unfencing_gives_it_back() {
    let mut world = World::with_brokers(2);
    let alone = world.create_assigned("alone", &[&[1]]);
    let shared = world.create_assigned("shared", &[&[1, 2]]);
    let epoch = world.epoch(1);

    let (mut records, _) = world.heartbeat(1, |request| request.want_fence = true);

    let last = records.pop().unwrap();
    assert_eq!(last, change(1, epoch, fence));
    let mut expected = vec![
        (alone, left_by_1(alone)),
        (
            shared,
            partition_change(shared, |change| {
                change.leader = 2;
                change.isr = Some(vec![2]);
            }),
        ),
    ];
    expected.sort_by_key(|(id, _)| *id);
    assert_eq!(
        records,
        expected
            .into_iter()
            .map(|(_, record)| record)
            .collect::<Vec<_>>()
    );

    let (records, _) = world.heartbeat(1, |_| {});

    assert_eq!(
        records,
        [
            change(1, epoch, unfence),
            partition_change(alone, |change| {
                change.leader = 1;
                change.isr = Some(vec![1]);
                change.eligible_leader_replicas = Some(vec![]);
                change.last_known_elr = Some(vec![]);
            }),
        ]
    );
    let image = world.controller.image();
    let partition = image.topics().partition(&alone, 0).unwrap();
    assert_eq!(
        partition.leader_epoch.0, 2,
        "offline and back are two elections"
    );
}

#[test]
fn a_broker_alone_hands_over_and_stops() {
    let mut world = World::with_brokers(1);
    let topic = world.create_assigned("t", &[&[1]]);
    let epoch = world.epoch(1);
    let stop = |request: &mut BrokerHeartbeatRequest| request.want_shut_down = true;

    let (records, answer) = world.heartbeat(1, stop);
    assert_eq!(
        records,
        [
            change(1, epoch, |change| change.in_controlled_shutdown = 1),
            left_by_1(topic),
        ]
    );
    assert!(!answer.should_shut_down && !answer.is_fenced);

    let (records, answer) = world.heartbeat(1, stop);
    assert_eq!(records, [change(1, epoch, fence)]);
    assert!(answer.should_shut_down && answer.is_fenced);
}

#[test]
fn a_broker_stops_only_when_the_others_know() {
    let mut world = World::with_brokers(2);
    world.create_assigned("t", &[&[1, 2]]);
    let stop = |request: &mut BrokerHeartbeatRequest| request.want_shut_down = true;
    world.heartbeat(2, |_| {});
    world.heartbeat(1, stop);

    let (records, answer) = world.heartbeat(1, stop);
    assert_eq!(records, []);
    assert!(
        !answer.should_shut_down,
        "broker 2 has not read that broker 1 leads no more"
    );

    world.heartbeat(2, |_| {});
    let (_, answer) = world.heartbeat(1, stop);
    assert!(answer.should_shut_down);
}

#[test]
fn a_broker_that_leads_nothing_stops_at_once() {
    let mut world = World::with_brokers(1);
    let epoch = world.epoch(1);

    let (records, answer) = world.heartbeat(1, |request| request.want_shut_down = true);

    assert_eq!(records, [change(1, epoch, fence)]);
    assert!(answer.should_shut_down);
}

#[test]
fn a_silent_broker_is_fenced_when_its_session_ends() {
    let mut world = World::with_brokers(1);
    let topic = world.create_assigned("t", &[&[1]]);
    assert_eq!(world.controller.next_deadline(), Some(world.now + SESSION));
    let almost = world.now + SESSION - Duration::from_millis(1);
    assert!(world.controller.fence_expired_broker(almost).is_none());

    let (id, decision) = world
        .controller
        .fence_expired_broker(world.now + SESSION)
        .unwrap();

    assert_eq!(id, BrokerId(1));
    let epoch = world.epoch(1);
    let (records, ()) = world.apply(decision);
    assert_eq!(records, [left_by_1(topic), change(1, epoch, fence),]);
    assert!(
        world
            .controller
            .fence_expired_broker(world.now + SESSION)
            .is_none()
    );
    assert_eq!(world.controller.next_deadline(), None);
}

#[test]
fn a_new_process_with_the_same_directories_replaces_the_old_at_once() {
    let mut world = World::with_brokers(1);
    let topic = world.create_assigned("t", &[&[1]]);
    let next = world.controller.next_offset();

    let decision = world
        .controller
        .register_broker(&registration(1, 0x11), world.now)
        .unwrap();

    assert_eq!(decision.answer.broker_epoch, next.0);
    let (records, _) = world.apply(decision);
    assert_eq!(records.len(), 2);
    // It does not say that the one before has stopped in order.
    let left = partition_change(topic, |change| {
        change.leader = -1;
        change.isr = Some(vec![]);
        change.last_known_elr = Some(vec![1]);
    });
    assert_eq!(records[0], left);
    assert!(matches!(&records[1], MetadataRecord::RegisterBroker(record) if record.fenced));
    world.heartbeat(1, |_| {});
    let partition = world
        .controller
        .image()
        .topics()
        .partition(&topic, 0)
        .unwrap();
    assert_eq!((partition.leader.0, partition.leader_epoch.0), (1, 2));
}

#[test]
fn another_process_with_other_directories_waits_for_the_session_to_end() {
    let mut world = World::with_brokers(1);
    let mut request = registration(1, 0x11);
    request.log_dirs = vec![directory(9)];

    assert_eq!(
        refused(&mut world, &request),
        ErrorCode::DUPLICATE_BROKER_REGISTRATION
    );

    world.now += SESSION;
    assert!(
        world
            .controller
            .register_broker(&request, world.now)
            .is_ok()
    );
}

#[test]
fn the_same_process_may_amend_its_registration() {
    let world = World::with_brokers(1);
    let epoch = world.epoch(1);

    let decision = world
        .controller
        .register_broker(&registration(1, 1), world.now)
        .unwrap();

    assert_eq!(decision.answer.broker_epoch, epoch);
    let [MetadataRecord::RegisterBroker(record)] = decision.records.as_slice() else {
        panic!("{:?}", decision.records);
    };
    assert_eq!((record.broker_epoch, record.fenced), (epoch, false));
}

#[test]
fn each_fault_of_a_registration_has_kafkas_code() {
    let with = |set: &dyn Fn(&mut BrokerRegistrationRequest)| {
        let mut request = registration(2, 2);
        set(&mut request);
        request
    };
    let invalid = ErrorCode::INVALID_REGISTRATION;
    let cases = [
        (
            with(&|request| request.cluster_id = "other".into()),
            ErrorCode::INCONSISTENT_CLUSTER_ID,
        ),
        (with(&|request| request.log_dirs.clear()), invalid),
        (with(&|request| request.log_dirs = vec![Uuid::ONE]), invalid),
        (
            with(&|request| request.log_dirs.push(directory(2))),
            invalid,
        ),
        (
            with(&|request| request.log_dirs.push(directory(1))),
            invalid,
        ),
        (with(&|request| request.features.clear()), invalid),
        (
            with(&|request| request.features[0].max_supported_version = 29),
            ErrorCode::UNSUPPORTED_VERSION,
        ),
        (
            with(&|request| {
                request.features.push(Feature {
                    name: "group.version".into(),
                    min_supported_version: 1,
                    max_supported_version: 1,
                })
            }),
            ErrorCode::UNSUPPORTED_VERSION,
        ),
        (
            with(&|request| request.is_migrating_zk_broker = true),
            ErrorCode::BROKER_ID_NOT_REGISTERED,
        ),
        (
            with(&|request| request.listeners[0].security_protocol = 7),
            invalid,
        ),
    ];
    for (request, code) in cases {
        let mut world = World::with_brokers(1);

        assert_eq!(refused(&mut world, &request), code, "{request:?}");
    }
}

#[test]
fn a_heartbeat_of_another_incarnation_is_stale() {
    let mut world = World::with_brokers(1);
    let mut request = BrokerHeartbeatRequest {
        broker_id: 1,
        broker_epoch: world.epoch(1) + 1,
        ..BrokerHeartbeatRequest::default()
    };
    let refusal = world
        .controller
        .broker_heartbeat(&request, world.now)
        .unwrap_err();
    assert_eq!(refusal.code, ErrorCode::STALE_BROKER_EPOCH);

    request.broker_id = 9;
    let refusal = world
        .controller
        .broker_heartbeat(&request, world.now)
        .unwrap_err();
    assert_eq!(refusal.code, ErrorCode::STALE_BROKER_EPOCH);
}

#[test]
fn a_directory_that_went_offline_takes_its_leaders_along() {
    let mut world = World::empty(settings());
    let mut request = registration(1, 1);
    request.log_dirs.push(directory(9));
    let decision = world
        .controller
        .register_broker(&request, world.now)
        .unwrap();
    world.apply(decision);
    world.heartbeat(1, |_| {});
    let lost = world.create_assigned("lost", &[&[1]]);
    let kept = world.create_assigned("kept", &[&[1]]);
    for (topic, directory) in [(lost, directory(9)), (kept, directory(1))] {
        let assign = partition_change(topic, |change| change.directories = Some(vec![directory]));
        world.controller.replay(&[assign]).unwrap();
    }

    let (records, _) = world.heartbeat(1, |request| request.offline_log_dirs = vec![directory(9)]);

    let epoch = world.epoch(1);
    assert_eq!(
        records,
        [
            left_by_1(lost),
            change(1, epoch, |change| change.log_dirs = vec![directory(1)]),
        ]
    );
}

#[test]
fn cordoned_directories_are_noted_when_they_change() {
    let mut world = World::with_brokers(1);
    let epoch = world.epoch(1);
    let cordon = |request: &mut BrokerHeartbeatRequest| request.cordoned_log_dirs = Some(vec![]);

    let (records, _) = world.heartbeat(1, cordon);
    assert_eq!(
        records,
        [change(1, epoch, |change| change.cordoned_log_dirs = Some(vec![]))]
    );

    let (records, _) = world.heartbeat(1, cordon);
    assert_eq!(records, []);
}

#[test]
fn blocks_of_producer_ids_follow_each_other() {
    let mut world = World::with_brokers(1);
    let request = AllocateProducerIdsRequest {
        broker_id: 1,
        broker_epoch: world.epoch(1),
    };
    for first in [0, 1_000, 2_000] {
        let decision = world.controller.allocate_producer_ids(&request).unwrap();

        let (records, answer) = world.apply(decision);

        assert_eq!(
            (answer.producer_id_start, answer.producer_id_len),
            (first, 1_000)
        );
        let expected = ProducerIdsRecord {
            broker_id: 1,
            broker_epoch: request.broker_epoch,
            next_producer_id: first + 1_000,
        };
        assert_eq!(records, [expected.into()]);
    }
    let stale = AllocateProducerIdsRequest {
        broker_epoch: 99,
        ..request
    };
    let refusal = world.controller.allocate_producer_ids(&stale).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::STALE_BROKER_EPOCH);
}

#[test]
fn an_unregistered_broker_leaves_no_session_behind() {
    let mut world = World::with_brokers(1);
    assert_eq!(CLUSTER, world.controller.settings.cluster_id);

    world.heartbeat(1, |request| request.want_fence = true);
    let request = UnregisterBrokerRequest { broker_id: 1 };
    let decision = world.controller.unregister_broker(&request).unwrap();
    world.apply(decision);

    assert!(world.controller.image().brokers().is_empty());
    assert_eq!(world.controller.next_deadline(), None);
    let refusal = world.controller.unregister_broker(&request).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::BROKER_ID_NOT_REGISTERED);
}
