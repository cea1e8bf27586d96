//! Which changes a request names, and which an answer ends.

use super::*;
use crate::model::{TopicId, Uuid};
use crate::protocol::messages::alter_partition::ResponseTopicData;
use crate::protocol::messages::metadata_records::{
    PartitionRecord, RegisterBrokerRecord, TopicRecord,
};

const LOCAL: BrokerId = BrokerId(1);
const EPOCH: i64 = 70;
const TOPIC: TopicId = Uuid::from_bytes([1; 16]);

fn partition(index: i32) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TOPIC,
        partition: index,
    }
}

/// A change of a partition of `TOPIC`, in leader epoch 5, on top of `partition_epoch`: broker 2 joins.
fn change(index: i32, partition_epoch: i32) -> IsrChange {
    IsrChange {
        partition: partition(index),
        leader_epoch: LeaderEpoch(5),
        partition_epoch,
        isr: vec![(LOCAL, -1), (BrokerId(2), 80)],
    }
}

/// Metadata in which the partitions of `TOPIC` have these epochs.
fn image(partition_epochs: &[i32]) -> MetadataImage {
    let mut image = MetadataImage::default();
    let topic = TopicRecord {
        name: "t".into(),
        topic_id: TOPIC,
    };
    image.replay(&topic.into(), &mut |_| {}).unwrap();
    for (partition_id, partition_epoch) in (0..).zip(partition_epochs) {
        let record = PartitionRecord {
            partition_id,
            topic_id: TOPIC,
            replicas: vec![1, 2],
            isr: vec![1],
            leader: 1,
            leader_epoch: 5,
            partition_epoch: *partition_epoch,
            directories: vec![Uuid::UNASSIGNED_DIRECTORY; 2],
            ..PartitionRecord::default()
        };
        image.replay(&record.into(), &mut |_| {}).unwrap();
    }
    image
}

/// The sender with the metadata that its node has seen.
struct Sender {
    pending: PendingIsrChanges,
    image: MetadataImage,
}

impl Sender {
    /// A sender that was handed these changes, on a node that has seen `partition_epochs`.
    fn new(partition_epochs: &[i32], changes: &[IsrChange]) -> Self {
        let mut pending = PendingIsrChanges::default();
        changes
            .iter()
            .for_each(|change| pending.add(change.clone()));
        Self {
            pending,
            image: image(partition_epochs),
        }
    }

    /// What the next request names: partitions with their epochs.
    fn next(&mut self) -> Vec<(i32, i32)> {
        let request = self.pending.next_request(LOCAL, EPOCH, &self.image);
        let topics = request.into_iter().flat_map(|request| request.topics);
        let partitions = topics.flat_map(|topic| topic.partitions);
        partitions
            .map(|data| (data.partition_index, data.partition_epoch))
            .collect()
    }

    /// The controller answers with an error for each partition.
    fn refused(&mut self, codes: &[(i32, ErrorCode)]) -> Vec<(IsrChange, IsrOutcome)> {
        let answers = codes
            .iter()
            .map(|(index, error_code)| ResponsePartitionData {
                partition_index: *index,
                error_code: *error_code,
                ..ResponsePartitionData::default()
            });
        self.answered(answers.collect())
    }

    fn answered(&mut self, partitions: Vec<ResponsePartitionData>) -> Vec<(IsrChange, IsrOutcome)> {
        let answer = AlterPartitionResponse {
            topics: vec![ResponseTopicData {
                topic_id: TOPIC,
                partitions,
            }],
            ..AlterPartitionResponse::default()
        };
        self.pending.answered(&answer, &self.image)
    }

    /// There is no answer, or none that says anything of the changes.
    fn lost(&mut self) -> Vec<(IsrChange, IsrOutcome)> {
        self.failed(ErrorCode::NOT_CONTROLLER)
    }

    fn failed(&mut self, error_code: ErrorCode) -> Vec<(IsrChange, IsrOutcome)> {
        let answer = AlterPartitionResponse {
            error_code,
            ..AlterPartitionResponse::default()
        };
        self.pending.answered(&answer, &self.image)
    }

    /// The set that the next request asks for.
    fn next_set(&mut self) -> Vec<i32> {
        let request = self.pending.next_request(LOCAL, EPOCH, &self.image);
        let asked = &request.unwrap().topics[0].partitions[0];
        let isr = asked.new_isr_with_epochs.iter();
        isr.map(|state| state.broker_id).collect()
    }
}

fn taken(index: i32, leader_epoch: i32, partition_epoch: i32) -> ResponsePartitionData {
    ResponsePartitionData {
        partition_index: index,
        leader_id: LOCAL.0,
        leader_epoch,
        isr: vec![1, 2],
        partition_epoch,
        ..ResponsePartitionData::default()
    }
}

#[test]
fn a_request_has_the_changes_by_topic_with_the_leaders_own_epoch() {
    let mut sender = Sender::new(&[3, 3], &[change(1, 3), change(0, 3)]);
    let mut other = change(0, 3);
    other.partition.topic_id = Uuid::from_bytes([2; 16]);
    sender.pending.add(other);

    let request = sender
        .pending
        .next_request(LOCAL, EPOCH, &sender.image)
        .unwrap();

    assert_eq!((request.broker_id, request.broker_epoch), (1, EPOCH));
    let counts: Vec<_> = request
        .topics
        .iter()
        .map(|it| it.partitions.len())
        .collect();
    assert_eq!(counts, [2, 1]);
    let first = &request.topics[0].partitions[0];
    assert_eq!((first.leader_epoch, first.partition_epoch), (5, 3));
    let epochs = first.new_isr_with_epochs.iter();
    let epochs: Vec<_> = epochs.map(|it| (it.broker_id, it.broker_epoch)).collect();
    assert_eq!(epochs, [(1, EPOCH), (2, 80)]);
}

#[test]
fn many_changes_go_in_several_requests() {
    let changes: Vec<_> = (0..12_000).map(|index| change(index, 3)).collect();
    let mut sender = Sender::new(&[], &changes);

    let mut counts = Vec::new();
    while !sender.pending.is_empty() {
        let named = sender.next();
        counts.push(named.len());
        let answers = named.iter().map(|(index, _)| taken(*index, 5, 4));
        assert_eq!(sender.answered(answers.collect()).len(), named.len());
    }

    assert_eq!(counts, [5_000, 5_000, 2_000]);
}

#[test]
fn what_the_controller_takes_is_told_with_its_set_and_epoch() {
    let mut sender = Sender::new(&[3], &[change(0, 3)]);
    sender.next();

    let ended = sender.answered(vec![taken(0, 5, 4)]);

    let outcome = IsrOutcome::Taken {
        isr: vec![LOCAL, BrokerId(2)],
        partition_epoch: 4,
    };
    assert_eq!(ended, [(change(0, 3), outcome)]);
    assert!(sender.pending.is_empty());
}

#[test]
fn an_unknown_outcome_stays_pending_and_is_asked_for_again() {
    let mut sender = Sender::new(&[3, 3, 3], &[change(0, 3), change(1, 3), change(2, 3)]);
    sender.next();

    assert_eq!(sender.lost(), []);
    assert_eq!(sender.pending.pause(), FIRST_PAUSE);
    assert_eq!(sender.next(), [(0, 3), (1, 3), (2, 3)]);

    // One is not named in the answer, and of one the controller knows less than the leader.
    let ended = sender.refused(&[
        (0, ErrorCode::NOT_CONTROLLER),
        (1, ErrorCode::UNKNOWN_SERVER_ERROR),
    ]);
    assert_eq!(ended, []);
    assert_eq!(sender.pending.pause(), 2 * FIRST_PAUSE);
    assert_eq!(sender.next(), [(0, 3), (1, 3), (2, 3)]);

    for _ in 0..40 {
        sender.lost();
        sender.next();
    }
    assert_eq!(sender.pending.pause(), LONGEST_PAUSE);
    let answers = (0..3).map(|index| taken(index, 5, 4)).collect();
    assert_eq!(sender.answered(answers).len(), 3);
    assert_eq!(sender.pending.pause(), Duration::ZERO);
}

const REFUSALS: [ErrorCode; 2] = [ErrorCode::INELIGIBLE_REPLICA, ErrorCode::INVALID_REQUEST];

#[test]
fn a_change_of_which_every_copy_was_answered_ends_as_refused() {
    for code in REFUSALS {
        let mut sender = Sender::new(&[3], &[change(0, 3)]);
        sender.next();
        sender.failed(ErrorCode::STALE_BROKER_EPOCH);
        sender.next();
        sender.refused(&[(0, ErrorCode::NOT_CONTROLLER)]);
        sender.next();

        let ended = sender.refused(&[(0, code)]);

        assert_eq!(ended, [(change(0, 3), IsrOutcome::Refused)], "{code:?}");
        assert!(sender.pending.is_empty());
    }
}

#[test]
fn a_refusal_ends_no_change_of_which_a_copy_may_yet_be_taken() {
    for code in REFUSALS {
        for lost in [ErrorCode::NOT_CONTROLLER, ErrorCode::REQUEST_TIMED_OUT] {
            let mut sender = Sender::new(&[3], &[change(0, 3)]);
            sender.next();
            sender.failed(lost);
            sender.next();
            sender.refused(&[(0, ErrorCode::UNKNOWN_TOPIC_ID)]);
            sender.next();

            assert_eq!(sender.refused(&[(0, code)]), [], "{code:?} after {lost:?}");
            assert!(!sender.pending.is_empty());
        }
    }
}

/// A sender whose change was refused, and of which a copy is still on its way.
fn with_copy_on_its_way() -> Sender {
    let mut sender = Sender::new(&[3], &[change(0, 3)]);
    sender.next();
    sender.lost();
    assert_eq!(sender.next_set(), [1, 2]);
    sender.refused(&[(0, ErrorCode::INELIGIBLE_REPLICA)]);
    sender
}

#[test]
fn a_copy_on_its_way_is_withdrawn_by_asking_for_the_set_that_holds() {
    let mut sender = with_copy_on_its_way();
    assert_eq!(sender.next_set(), [1]);
    sender.lost();
    assert_eq!(sender.next_set(), [1]);

    let raised = ResponsePartitionData {
        isr: vec![1],
        ..taken(0, 5, 4)
    };
    let ended = sender.answered(vec![raised]);

    let outcome = IsrOutcome::Taken {
        isr: vec![LOCAL],
        partition_epoch: 4,
    };
    assert_eq!(ended, [(change(0, 3), outcome)]);
    assert!(sender.pending.is_empty());
}

#[test]
fn a_set_of_several_is_asked_for_in_another_order() {
    let mut sender = with_copy_on_its_way();
    let record = PartitionRecord {
        partition_id: 0,
        topic_id: TOPIC,
        replicas: vec![1, 2, 3],
        isr: vec![1, 3],
        leader: 1,
        leader_epoch: 5,
        partition_epoch: 3,
        directories: vec![Uuid::UNASSIGNED_DIRECTORY; 3],
        ..PartitionRecord::default()
    };
    sender.image.replay(&record.into(), &mut |_| {}).unwrap();

    assert_eq!(sender.next_set(), [3, 1]);
}

#[test]
fn a_copy_that_was_taken_before_its_withdrawal_is_told_by_the_metadata() {
    let mut sender = with_copy_on_its_way();
    sender.next();

    let ended = sender.refused(&[(0, ErrorCode::INVALID_UPDATE_VERSION)]);

    assert_eq!(ended, []);
    assert!(sender.pending.is_empty());
}

#[test]
fn a_withdrawal_that_raises_no_epoch_ends_nothing_before_the_follower_has_another_process() {
    let mut sender = with_copy_on_its_way();
    let unchanged = || ResponsePartitionData {
        isr: vec![1],
        ..taken(0, 5, 3)
    };
    sender.next();
    assert_eq!(sender.answered(vec![unchanged()]), []);
    assert_eq!(sender.next_set(), [1]);

    let registration = RegisterBrokerRecord {
        broker_id: 2,
        broker_epoch: 81,
        ..RegisterBrokerRecord::default()
    };
    let registration = registration.into();
    sender.image.replay(&registration, &mut |_| {}).unwrap();

    let ended = sender.answered(vec![unchanged()]);
    assert_eq!(ended, [(change(0, 3), IsrOutcome::Refused)]);
}

#[test]
fn a_leader_that_knows_too_little_is_told_by_the_metadata_and_by_nothing_else() {
    for code in [
        ErrorCode::FENCED_LEADER_EPOCH,
        ErrorCode::INVALID_UPDATE_VERSION,
        ErrorCode::NEW_LEADER_ELECTED,
    ] {
        let mut sender = Sender::new(&[3], &[change(0, 3)]);
        sender.next();

        assert_eq!(sender.refused(&[(0, code)]), [], "{code:?}");
        assert!(sender.pending.is_empty(), "{code:?}");
    }
    for answer in [taken(0, 6, 4), taken(0, 5, 2)] {
        let mut sender = Sender::new(&[3], &[change(0, 3)]);
        sender.next();

        assert_eq!(sender.answered(vec![answer]), []);
        assert!(sender.pending.is_empty());
    }
}

#[test]
fn newer_metadata_ends_what_was_still_open() {
    let mut sender = Sender::new(&[3, 3], &[change(0, 3), change(1, 3)]);
    sender.next();
    sender.lost();
    sender.image = image(&[4, 3]);

    assert_eq!(sender.next(), [(1, 3)]);

    sender.lost();
    sender.image = image(&[4, 4]);
    assert_eq!(sender.next(), []);
    assert!(sender.pending.is_empty());
    assert_eq!(sender.pending.pause(), Duration::ZERO);
}

#[test]
fn a_partition_is_gone_only_when_controller_and_metadata_lack_it() {
    let mut sender = Sender::new(&[], &[change(0, 3)]);
    assert_eq!(sender.next(), [(0, 3)], "the image is older than the topic");

    sender.image = image(&[3]);
    sender.refused(&[(0, ErrorCode::UNKNOWN_TOPIC_ID)]);
    assert_eq!(sender.next(), [(0, 3)], "the controller was replaced");

    sender.refused(&[(0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)]);
    sender.image = image(&[]);
    assert_eq!(sender.next(), []);
    assert!(sender.pending.is_empty());
}

#[test]
fn a_newer_change_waits_for_the_one_under_way_and_takes_its_place() {
    let mut sender = Sender::new(&[3], &[change(0, 3)]);
    sender.next();
    sender.pending.add(change(0, 4));

    sender.lost();

    assert_eq!(sender.next(), [(0, 4)]);
    let ended = sender.answered(vec![taken(0, 5, 5)]);
    assert_eq!(ended[0].0, change(0, 4));
}

#[test]
fn an_answer_to_the_older_change_does_not_end_the_newer_one() {
    let mut sender = Sender::new(&[3], &[change(0, 3)]);
    sender.next();
    sender.pending.add(change(0, 4));

    let ended = sender.refused(&[(0, ErrorCode::INELIGIBLE_REPLICA)]);

    assert_eq!(ended, [(change(0, 3), IsrOutcome::Refused)]);
    assert_eq!(sender.next(), [(0, 4)]);
}
