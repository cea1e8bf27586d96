//! AlterPartition: what a leader may ask for, and what becomes of it.

use super::{World, directory};
use crate::model::{BrokerId, TopicId, Uuid};
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_partition::{
    AlterPartitionRequest, BrokerState, RequestPartitionData, RequestTopicData,
    ResponsePartitionData,
};
use crate::protocol::messages::broker_heartbeat::BrokerHeartbeatRequest;
use crate::protocol::messages::metadata_records::{MetadataRecord, PartitionChangeRecord};

const OTHER_TOPIC: TopicId = Uuid::from_bytes([0x77; 16]);

/// Three brokers and the topic `t`, whose partition 0 broker 1 leads. Broker 3 has left the in-sync set,
/// and is back.
struct Case {
    world: World,
    topic: TopicId,
}

impl Case {
    fn new() -> Self {
        let mut world = World::with_brokers(3);
        let topic = world.create_assigned("t", &[&[1, 2, 3]]);
        fence(&mut world, 3);
        world.heartbeat(3, |_| {});
        Self { world, topic }
    }

    /// What broker 1 asks for: the set with the epochs of its brokers.
    fn proposal(&self, isr: &[i32]) -> RequestPartitionData {
        let topics = self.world.controller.image().topics();
        let partition = topics.partition(&self.topic, 0).unwrap();
        let state = |id: &i32| BrokerState {
            broker_id: *id,
            broker_epoch: self.world.epoch(*id),
        };
        RequestPartitionData {
            partition_index: 0,
            leader_epoch: partition.leader_epoch.0,
            new_isr_with_epochs: isr.iter().map(state).collect(),
            partition_epoch: partition.partition_epoch,
            ..RequestPartitionData::default()
        }
    }

    fn request(&self, partitions: Vec<RequestPartitionData>) -> AlterPartitionRequest {
        AlterPartitionRequest {
            broker_id: 1,
            broker_epoch: self.world.epoch(1),
            topics: vec![RequestTopicData {
                topic_id: self.topic,
                partitions,
            }],
        }
    }

    fn ask(
        &mut self,
        request: &AlterPartitionRequest,
    ) -> (Vec<MetadataRecord>, Vec<ResponsePartitionData>) {
        let decision = self.world.controller.alter_partition(request).unwrap();
        let (records, answer) = self.world.apply(decision);
        assert_eq!(answer.error_code, ErrorCode::NONE);
        let topics = answer.topics.into_iter();
        let partitions = topics.flat_map(|topic| topic.partitions);
        (records, partitions.collect())
    }

    /// Asks for one change, and returns the error; a change that is refused leaves no record.
    fn code(&mut self, proposal: RequestPartitionData) -> ErrorCode {
        let request = self.request(vec![proposal]);
        let (records, answers) = self.ask(&request);
        let code = answers[0].error_code;
        assert_eq!(records.is_empty(), code.is_error());
        code
    }

    fn change(&self, set: impl FnOnce(&mut PartitionChangeRecord)) -> MetadataRecord {
        let mut change = PartitionChangeRecord {
            partition_id: 0,
            topic_id: self.topic,
            ..PartitionChangeRecord::default()
        };
        set(&mut change);
        change.into()
    }
}

fn fence(world: &mut World, broker: i32) {
    world.heartbeat(broker, |request| request.want_fence = true);
}

#[test]
fn an_in_sync_set_grows_and_the_answer_has_the_new_state() {
    let mut case = Case::new();
    let proposal = case.proposal(&[1, 2, 3]);

    let request = case.request(vec![proposal.clone()]);
    let (records, answers) = case.ask(&request);

    assert_eq!(
        records,
        [case.change(|change| change.isr = Some(vec![1, 2, 3]))]
    );
    let expected = ResponsePartitionData {
        partition_index: 0,
        error_code: ErrorCode::NONE,
        leader_id: 1,
        leader_epoch: proposal.leader_epoch,
        isr: vec![1, 2, 3],
        leader_recovery_state: 0,
        partition_epoch: proposal.partition_epoch + 1,
    };
    assert_eq!(answers, [expected]);
}

#[test]
fn an_in_sync_set_shrinks_to_its_leader_without_a_new_leader_epoch() {
    let mut case = Case::new();
    let proposal = case.proposal(&[1]);

    let request = case.request(vec![proposal.clone()]);
    let (records, answers) = case.ask(&request);

    assert_eq!(records, [case.change(|change| change.isr = Some(vec![1]))]);
    assert_eq!(answers[0].leader_epoch, proposal.leader_epoch);
}

#[test]
fn a_set_that_is_there_already_needs_no_record_and_keeps_the_epoch() {
    let mut case = Case::new();
    let proposal = case.proposal(&[1, 2]);

    let request = case.request(vec![proposal.clone()]);
    let (records, answers) = case.ask(&request);

    assert_eq!(records, []);
    assert_eq!(answers[0].error_code, ErrorCode::NONE);
    assert_eq!(answers[0].partition_epoch, proposal.partition_epoch);
}

#[test]
fn after_a_set_in_another_order_or_a_leader_alone_no_earlier_request_is_taken() {
    for isr in [&[2, 1][..], &[1]] {
        let mut case = Case::new();
        if isr == [1] {
            let shrinks = case.proposal(&[1]);
            assert_eq!(case.code(shrinks), ErrorCode::NONE);
        }
        let earlier = case.proposal(&[1, 2, 3]);

        let same = case.proposal(isr);
        let request = case.request(vec![same]);
        let (_, answers) = case.ask(&request);

        assert_eq!(answers[0].error_code, ErrorCode::NONE);
        assert_eq!(answers[0].isr, isr);
        assert_eq!(answers[0].partition_epoch, earlier.partition_epoch + 1);
        assert_eq!(case.code(earlier), ErrorCode::INVALID_UPDATE_VERSION);
    }
}

#[test]
fn another_process_of_the_broker_is_refused_as_a_whole() {
    let case = Case::new();
    let mut request = case.request(vec![case.proposal(&[1])]);
    request.broker_epoch += 1;

    let refusal = case.world.controller.alter_partition(&request).unwrap_err();

    assert_eq!(refusal.code, ErrorCode::STALE_BROKER_EPOCH);
}

#[test]
fn an_unknown_topic_or_partition_is_told_apart() {
    let mut case = Case::new();
    for unknown in [OTHER_TOPIC, Uuid::ZERO] {
        let mut request = case.request(vec![case.proposal(&[1])]);
        request.topics[0].topic_id = unknown;
        let (records, answers) = case.ask(&request);
        assert_eq!((records.len(), answers.len()), (0, 1));
        assert_eq!(answers[0].error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    }

    let mut proposal = case.proposal(&[1]);
    proposal.partition_index = 9;
    assert_eq!(case.code(proposal), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn epochs_are_checked_in_kafkas_order() {
    let steps = [
        (1, 0, ErrorCode::NOT_CONTROLLER),
        (0, 1, ErrorCode::NOT_CONTROLLER),
        (-1, 1, ErrorCode::NOT_CONTROLLER),
        (-1, 0, ErrorCode::FENCED_LEADER_EPOCH),
        (-1, -1, ErrorCode::FENCED_LEADER_EPOCH),
        (0, -1, ErrorCode::INVALID_UPDATE_VERSION),
        (0, 0, ErrorCode::NONE),
    ];
    for (leader_epoch, partition_epoch, expected) in steps {
        let mut case = Case::new();
        let mut proposal = case.proposal(&[1]);
        proposal.leader_epoch += leader_epoch;
        proposal.partition_epoch += partition_epoch;

        assert_eq!(case.code(proposal), expected);
    }
}

#[test]
fn only_the_leader_may_ask() {
    let mut case = Case::new();
    let mut request = case.request(vec![case.proposal(&[1])]);
    request.broker_id = 2;
    request.broker_epoch = case.world.epoch(2);
    // The epoch of the partition is old, too: that is looked at later.
    request.topics[0].partitions[0].partition_epoch -= 1;

    let (records, answers) = case.ask(&request);

    assert_eq!(records, []);
    assert_eq!(answers[0].error_code, ErrorCode::INVALID_REQUEST);
}

#[test]
fn a_set_of_others_or_of_nobody_or_without_the_leader_is_invalid() {
    let mut case = Case::new();
    let mut stranger = case.proposal(&[1]);
    stranger.new_isr_with_epochs.push(BrokerState {
        broker_id: 9,
        broker_epoch: 1,
    });
    let mut nobody = case.proposal(&[1]);
    nobody.new_isr_with_epochs.clear();
    let twice = case.proposal(&[1, 2, 2]);
    let headless = case.proposal(&[2, 3]);

    for proposal in [stranger, nobody, twice, headless] {
        assert_eq!(case.code(proposal), ErrorCode::INVALID_REQUEST);
    }
}

#[test]
fn brokers_that_are_gone_or_go_or_are_another_process_may_not_join() {
    let mut fenced = Case::new();
    let proposal = fenced.proposal(&[1, 2, 3]);
    fence(&mut fenced.world, 3);
    assert_eq!(fenced.code(proposal), ErrorCode::INELIGIBLE_REPLICA);

    let mut stopping = Case::new();
    // A broker that leads something stops in steps.
    stopping.world.create_assigned("led", &[&[3]]);
    let proposal = stopping.proposal(&[1, 2, 3]);
    let stop = |request: &mut BrokerHeartbeatRequest| request.want_shut_down = true;
    stopping.world.heartbeat(3, stop);
    assert_eq!(stopping.code(proposal), ErrorCode::INELIGIBLE_REPLICA);

    let mut replaced = Case::new();
    let mut proposal = replaced.proposal(&[1, 2, 3]);
    proposal.new_isr_with_epochs[2].broker_epoch -= 1;
    assert_eq!(replaced.code(proposal), ErrorCode::INELIGIBLE_REPLICA);
}

#[test]
fn who_joins_has_a_broker_epoch_and_who_stays_needs_none() {
    let mut case = Case::new();
    let mut joins = case.proposal(&[1, 2, 3]);
    joins.new_isr_with_epochs[2].broker_epoch = -1;
    let mut stays = case.proposal(&[1, 2, 3]);
    stays.new_isr_with_epochs[1].broker_epoch = -1;

    assert_eq!(case.code(joins), ErrorCode::INELIGIBLE_REPLICA);
    assert_eq!(case.code(stays), ErrorCode::NONE);
}

#[test]
fn version_2_names_no_epochs() {
    let mut case = Case::new();
    let proposal = RequestPartitionData {
        new_isr: vec![1, 2, 3],
        new_isr_with_epochs: Vec::new(),
        ..case.proposal(&[])
    };

    assert_eq!(case.code(proposal), ErrorCode::NONE);
}

#[test]
fn a_partition_that_is_named_again_is_decided_once() {
    let mut case = Case::new();
    let request = case.request(vec![case.proposal(&[1]), case.proposal(&[1, 2, 3])]);

    let (records, answers) = case.ask(&request);

    assert_eq!(records.len(), 1);
    let codes: Vec<_> = answers.iter().map(|answer| answer.error_code).collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::INVALID_UPDATE_VERSION]);
}

#[test]
fn a_leader_recovers_once_and_alone() {
    let mut case = Case::new();
    let recovering = case.change(|change| {
        change.isr = Some(vec![1]);
        change.leader = 1;
        change.leader_recovery_state = 1;
    });
    case.world.controller.replay(&[recovering]).unwrap();
    let mut together = case.proposal(&[1, 2]);
    together.leader_recovery_state = 1;
    let mut unknown = case.proposal(&[1]);
    unknown.leader_recovery_state = 7;
    assert_eq!(case.code(together), ErrorCode::INVALID_REQUEST);
    assert_eq!(case.code(unknown), ErrorCode::INVALID_REQUEST);

    let request = case.request(vec![case.proposal(&[1, 2])]);
    let (records, answers) = case.ask(&request);
    let mut again = case.proposal(&[1]);
    again.leader_recovery_state = 1;

    let expected = case.change(|change| {
        change.isr = Some(vec![1, 2]);
        change.leader_recovery_state = 0;
    });
    assert_eq!(records, [expected]);
    assert_eq!(answers[0].leader_recovery_state, 0);
    assert_eq!(case.code(again), ErrorCode::INVALID_REQUEST);
}

#[test]
fn the_last_new_replica_in_sync_completes_a_reassignment() {
    let mut case = Case::new();
    // From 1, 2 to 1, 3: broker 3 is added, broker 2 goes.
    let begun = case.change(|change| {
        change.adding_replicas = Some(vec![3]);
        change.removing_replicas = Some(vec![2]);
    });
    case.world.controller.replay(&[begun]).unwrap();

    let request = case.request(vec![case.proposal(&[1, 2, 3])]);
    let (records, answers) = case.ask(&request);

    let expected = case.change(|change| {
        change.replicas = Some(vec![1, 3]);
        change.isr = Some(vec![1, 3]);
        change.adding_replicas = Some(Vec::new());
        change.removing_replicas = Some(Vec::new());
        change.directories = Some(vec![directory(1), directory(3)]);
        // The epoch rises, so that broker 2 counts no more.
        change.leader = 1;
    });
    assert_eq!(records, [expected]);
    assert_eq!(answers[0].error_code, ErrorCode::NONE);
    assert_eq!(
        (answers[0].leader_id, &answers[0].isr[..]),
        (1, &[1, 3][..])
    );
}

#[test]
fn a_leader_that_its_own_change_removes_learns_that_another_is_elected() {
    let mut case = Case::new();
    let begun = case.change(|change| {
        change.adding_replicas = Some(vec![3]);
        change.removing_replicas = Some(vec![1]);
    });
    case.world.controller.replay(&[begun]).unwrap();

    let request = case.request(vec![case.proposal(&[1, 2, 3])]);
    let (records, answers) = case.ask(&request);

    assert_eq!(records.len(), 1, "the change is made all the same");
    assert_eq!(answers[0].error_code, ErrorCode::NEW_LEADER_ELECTED);
    let topics = case.world.controller.image().topics();
    let partition = topics.partition(&case.topic, 0).unwrap();
    assert_eq!(partition.leader, BrokerId(2));
    assert_eq!(*partition.replicas, [BrokerId(2), BrokerId(3)]);
}

#[test]
fn one_request_changes_many_partitions_in_one_decision() {
    let mut world = World::with_brokers(2);
    let replicas: Vec<&[i32]> = vec![&[1, 2]; 5_000];
    let topic = world.create_assigned("many", &replicas);
    let mut case = Case { world, topic };
    let proposal = case.proposal(&[1]);
    let proposals = (0..5_000).map(|partition_index| RequestPartitionData {
        partition_index,
        ..proposal.clone()
    });

    let request = case.request(proposals.collect());
    let (records, answers) = case.ask(&request);

    assert_eq!((records.len(), answers.len()), (5_000, 5_000));
    assert!(answers.iter().all(|answer| answer.isr == [1]));
}

#[test]
fn a_replica_whose_directory_is_gone_does_not_join() {
    for gone in [Uuid::LOST_DIRECTORY, directory(200)] {
        let mut case = Case::new();
        let topics = case.world.controller.image().topics();
        let partition = topics.partition(&case.topic, 0).unwrap();
        let mut directories = partition.directories.to_vec();
        directories[2] = gone;
        let lost = case.change(|change| change.directories = Some(directories));
        case.world.controller.replay(&[lost]).unwrap();

        let joins = case.proposal(&[1, 2, 3]);
        assert_eq!(case.code(joins), ErrorCode::INELIGIBLE_REPLICA, "{gone:?}");
        let stays = case.proposal(&[1]);
        assert_eq!(case.code(stays), ErrorCode::NONE, "{gone:?}");
    }
}
