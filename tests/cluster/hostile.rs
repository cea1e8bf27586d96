//! What strangers say to a quorum: nothing of it moves its epoch, its leader or what is committed.

use broker::protocol::ErrorCode;
use broker::protocol::messages::begin_quorum_epoch::{self, BeginQuorumEpochRequest};
use broker::protocol::messages::end_quorum_epoch::{self, EndQuorumEpochRequest};
use broker::protocol::messages::envelope::EnvelopeRequest;
use broker::protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic, ReplicaState};
use broker::protocol::messages::fetch_snapshot::{
    FetchSnapshotRequest, RequestPartitionSnapshot, RequestTopicSnapshot, SnapshotId,
};
use broker::protocol::messages::update_raft_voter::{
    KRaftVersionFeature, Listener, UpdateRaftVoterRequest,
};
use broker::protocol::messages::vote::{self, VoteRequest};

use crate::nodes::{CLUSTER_ID, Maker, Nodes};
use crate::voice::{self, ask};

const LOG: &str = "__cluster_metadata";
const METADATA_TOPIC: broker::model::Uuid = broker::model::Uuid::METADATA_TOPIC;

fn vote(cluster: &str, candidate: i32, epoch: i32) -> VoteRequest {
    VoteRequest {
        cluster_id: Some(cluster.to_owned().into()),
        voter_id: -1,
        topics: vec![vote::RequestTopicData {
            topic_name: LOG.into(),
            partitions: vec![vote::RequestPartitionData {
                replica_epoch: epoch,
                replica_id: candidate,
                last_offset: i64::MAX,
                last_offset_epoch: epoch.saturating_sub(1).max(0),
                ..vote::RequestPartitionData::default()
            }],
        }],
    }
}

fn begin(leader: i32, epoch: i32) -> BeginQuorumEpochRequest {
    BeginQuorumEpochRequest {
        cluster_id: Some(CLUSTER_ID.into()),
        topics: vec![begin_quorum_epoch::RequestTopicData {
            topic_name: LOG.into(),
            partitions: vec![begin_quorum_epoch::RequestPartitionData {
                leader_id: leader,
                leader_epoch: epoch,
                ..begin_quorum_epoch::RequestPartitionData::default()
            }],
        }],
        ..BeginQuorumEpochRequest::default()
    }
}

fn end(leader: i32, epoch: i32) -> EndQuorumEpochRequest {
    EndQuorumEpochRequest {
        cluster_id: Some(CLUSTER_ID.into()),
        topics: vec![end_quorum_epoch::RequestTopicData {
            topic_name: LOG.into(),
            partitions: vec![end_quorum_epoch::RequestPartitionData {
                leader_id: leader,
                leader_epoch: epoch,
                ..end_quorum_epoch::RequestPartitionData::default()
            }],
        }],
        ..EndQuorumEpochRequest::default()
    }
}

fn fetch(replica: i32, epoch: i32, offset: i64) -> FetchRequest {
    FetchRequest {
        replica_state: ReplicaState {
            replica_id: replica,
            ..ReplicaState::default()
        },
        cluster_id: Some(CLUSTER_ID.into()),
        topics: vec![FetchTopic {
            topic_id: METADATA_TOPIC,
            partitions: vec![FetchPartition {
                current_leader_epoch: epoch,
                fetch_offset: offset,
                last_fetched_epoch: epoch,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    }
}

fn snapshot(epoch: i32, end_offset: i64, position: i64) -> FetchSnapshotRequest {
    FetchSnapshotRequest {
        cluster_id: Some(CLUSTER_ID.into()),
        topics: vec![RequestTopicSnapshot {
            name: LOG.into(),
            partitions: vec![RequestPartitionSnapshot {
                current_leader_epoch: epoch,
                snapshot_id: SnapshotId {
                    end_offset,
                    epoch: 1,
                },
                position,
                ..RequestPartitionSnapshot::default()
            }],
        }],
        ..FetchSnapshotRequest::default()
    }
}

/// Sends all that a stranger can think of to one node. Each gets an answer, which refuses it.
fn provoke(address: &str, leader: i32, epoch: i32) {
    for candidate in [i32::MIN, -1, 4, 77, i32::MAX] {
        for epoch in [i32::MIN, -1, 0, epoch, epoch + 1, i32::MAX] {
            let answer = ask(address, &vote(CLUSTER_ID, candidate, epoch)).expect("an answer");
            let partition = &answer.topics[0].partitions[0];
            assert!(partition.error_code.is_error() && !partition.vote_granted);
            let answer = ask(address, &begin(candidate, epoch)).expect("an answer");
            assert!(answer.topics[0].partitions[0].error_code.is_error());
            let answer = ask(address, &end(candidate, epoch)).expect("an answer");
            assert!(answer.topics[0].partitions[0].error_code.is_error());
        }
    }
    // A voter's name in an epoch that no election can have reached.
    for absurd in [i32::MIN, -1, i32::MAX, i32::MAX - 1] {
        let answer = ask(address, &vote(CLUSTER_ID, leader, absurd)).expect("an answer");
        assert!(answer.topics[0].partitions[0].error_code.is_error());
        let answer = ask(address, &begin(leader, absurd)).expect("an answer");
        assert!(answer.topics[0].partitions[0].error_code.is_error());
    }
    let other = vote("AAAAAAAAQACAAAAAAAAAAw", leader, epoch + 1);
    let answer = ask(address, &other).expect("an answer");
    assert_eq!(answer.error_code, ErrorCode::INCONSISTENT_CLUSTER_ID);

    for offset in [i64::MIN, -1, i64::MAX] {
        for fetch_epoch in [i32::MIN, -1, i32::MAX] {
            let answer = ask(address, &fetch(9, fetch_epoch, offset)).expect("an answer");
            assert!(answer.responses[0].partitions[0].error_code.is_error());
        }
        for position in [i64::MIN, -1, i64::MAX] {
            let asked = snapshot(epoch, offset, position);
            let answer = ask(address, &asked).expect("an answer");
            assert!(answer.topics[0].partitions[0].error_code.is_error());
        }
    }
    // A replica that claims to have far more than the leader is told where to cut, and moves nothing.
    let answer = ask(address, &fetch(9, epoch, 1 << 40)).expect("an answer");
    let partition = &answer.responses[0].partitions[0];
    assert!(partition.error_code.is_error() || partition.diverging_epoch.end_offset >= 0);

    let nonsense = EnvelopeRequest {
        request_data: vec![0xff; 40].into(),
        request_principal: Some(vec![0xff; 3].into()),
        client_host_address: vec![1].into(),
    };
    let answer = ask(address, &nonsense).expect("an answer");
    assert!(answer.error_code.is_error());
}

#[test]
fn a_leader_takes_note_of_its_voters_and_of_no_others() {
    let mut nodes = Nodes::controllers(61, &[Maker::Ours; 3], &[]).expect("they are ours");
    nodes.start_all();
    let all = nodes.ids();
    voice::write(&nodes, &all, 1);
    let leader = voice::leader(&nodes, &all);
    let epoch = voice::described_by(&nodes, leader)
        .expect("it leads")
        .leader_epoch;
    let tell = |voter: i32, epoch: i32, listener: &str| {
        let request = UpdateRaftVoterRequest {
            cluster_id: Some(CLUSTER_ID.into()),
            current_leader_epoch: epoch,
            voter_id: voter,
            voter_directory_id: METADATA_TOPIC,
            listeners: vec![Listener {
                name: listener.to_owned().into(),
                host: "c".into(),
                port: 1,
            }],
            kraft_version_feature: KRaftVersionFeature {
                min_supported_version: 0,
                max_supported_version: 1,
            },
        };
        let answer = ask(&nodes.controller(leader), &request).expect("an answer");
        assert_eq!(answer.current_leader.leader_id, leader);
        answer.error_code
    };

    assert_eq!(tell(1, epoch, "CONTROLLER"), ErrorCode::NONE);
    assert_eq!(tell(4, epoch, "CONTROLLER"), ErrorCode::VOTER_NOT_FOUND);
    assert_eq!(tell(1, epoch, "OTHER"), ErrorCode::INVALID_REQUEST);
    assert_eq!(
        tell(1, epoch - 1, "CONTROLLER"),
        ErrorCode::FENCED_LEADER_EPOCH
    );
    assert_eq!(
        tell(1, epoch + 1, "CONTROLLER"),
        ErrorCode::UNKNOWN_LEADER_EPOCH
    );
}

#[test]
fn nothing_that_a_stranger_says_moves_the_quorum() {
    let mut nodes = Nodes::controllers(60, &[Maker::Ours; 3], &[]).expect("they are ours");
    nodes.start_all();
    let all = nodes.ids();
    voice::write(&nodes, &all, 1);
    let leader = voice::leader(&nodes, &all);
    voice::wait_until_level(&nodes, &all);
    let before = voice::described_by(&nodes, leader).expect("it leads");

    for id in &all {
        provoke(&nodes.controller(*id), leader, before.leader_epoch);
    }

    let after = voice::described_by(&nodes, leader).expect("it still leads");
    assert_eq!(after.leader_epoch, before.leader_epoch);
    assert!(after.high_watermark >= before.high_watermark);
    voice::write(&nodes, &[leader], 2);
    for id in &all {
        voice::wait_until_read(&nodes, *id, 2);
    }
}
