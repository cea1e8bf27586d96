//! Messages there and back, in every version; and what is refused.

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::model::Offset;
use crate::protocol::messages::{
    begin_quorum_epoch, end_quorum_epoch, fetch, fetch_snapshot, vote,
};
use crate::protocol::{Request as WireRequest, decode_whole, encode_whole};
use crate::raft::log_state::OffsetAndEpoch;
use crate::raft::message::{
    BeginQuorumEpochRequest, EndQuorumEpochRequest, FetchAnswer, FetchRequest,
    FetchSnapshotRequest, ResponseBody, SnapshotChunk, ToldHighWatermark, VoteRequest,
};
use crate::records::control::{self, Placement};

const ID: OffsetAndEpoch = OffsetAndEpoch::new(20, 4);

fn addresses() -> QuorumAddresses {
    let voter = |id: i32| Voter {
        id: BrokerId(id),
        host: format!("c{id}"),
        port: 9093,
    };
    QuorumAddresses {
        cluster_id: Str::from_static("ours"),
        voters: vec![voter(1), voter(2), voter(3)],
        listener: Str::from_static("CONTROLLER"),
    }
}

fn replica(id: i32) -> ReplicaKey {
    ReplicaKey {
        id: BrokerId(id),
        directory_id: Some(Uuid::from_bytes([id as u8; 16])),
    }
}

fn nameless(id: i32) -> ReplicaKey {
    ReplicaKey {
        id: BrokerId(id),
        directory_id: None,
    }
}

/// What arrives at the other end of a request that travels in `version`.
fn arrived<R: Incoming>(request: &R, version: i16) -> Request {
    let bytes = encode_whole(request, version);
    let request: R = decode_whole(bytes, version).unwrap();
    request
        .read(&addresses())
        .ok()
        .expect("it is of this quorum")
}

/// What the asker learns of an answer that travels in `version`.
fn answered<R: Incoming>(
    asked: &Request,
    response: &Response,
    records: &Bytes,
    version: i16,
) -> Response
where
    R::Response: Answer,
{
    let answer = R::answer(&addresses(), asked, response, records.clone());
    let bytes = encode_whole(&answer, version);
    let answer: R::Response = decode_whole(bytes, version).unwrap();
    answer.read().unwrap()
}

fn response(body: ResponseBody) -> Response {
    Response {
        refusal: None,
        epoch: LeaderEpoch(4),
        leader: Some(BrokerId(2)),
        body,
    }
}

fn vote_request() -> VoteRequest {
    VoteRequest {
        candidate: replica(1),
        epoch: LeaderEpoch(5),
        last: ID,
        pre_vote: true,
        voter: Some(replica(2)),
    }
}

fn outgoing_vote() -> vote::VoteRequest {
    let request = Request::Vote(vote_request());
    match addresses().outgoing(BrokerId(2), &request) {
        Outgoing::Vote(request) => request,
        _ => unreachable!("a vote is a vote"),
    }
}

#[test]
fn a_vote_says_in_each_version_what_that_has_fields_for() {
    let asked = outgoing_vote();

    assert_eq!(arrived(&asked, 2), Request::Vote(vote_request()));
    let without_pre_vote = VoteRequest {
        pre_vote: false,
        ..vote_request()
    };
    assert_eq!(arrived(&asked, 1), Request::Vote(without_pre_vote));
    let oldest = VoteRequest {
        candidate: nameless(1),
        voter: None,
        ..without_pre_vote
    };
    assert_eq!(arrived(&asked, 0), Request::Vote(oldest));
    for version in 0..=2 {
        for granted in [true, false] {
            let given = response(ResponseBody::Vote { granted });
            let asked = Request::Vote(vote_request());
            let read = answered::<vote::VoteRequest>(&asked, &given, &Bytes::new(), version);
            assert_eq!(read, given);
        }
    }
}

#[test]
fn begin_and_end_of_an_epoch_travel_in_each_version() {
    let begin = BeginQuorumEpochRequest {
        leader: BrokerId(2),
        epoch: LeaderEpoch(4),
        voter: Some(replica(3)),
    };
    let request = Request::BeginQuorumEpoch(begin);
    let Outgoing::BeginQuorumEpoch(asked) = addresses().outgoing(BrokerId(3), &request) else {
        unreachable!("a begin is a begin");
    };
    assert_eq!(asked.leader_endpoints[0].host, "c2");
    assert_eq!(arrived(&asked, 1), request);
    let oldest = Request::BeginQuorumEpoch(BeginQuorumEpochRequest {
        voter: None,
        ..begin
    });
    assert_eq!(arrived(&asked, 0), oldest);
    let given = response(ResponseBody::BeginQuorumEpoch);
    for version in 0..=1 {
        let read = answered::<begin_quorum_epoch::BeginQuorumEpochRequest>(
            &request,
            &given,
            &Bytes::new(),
            version,
        );
        assert_eq!(read, given);
    }

    let end = |successors| {
        Request::EndQuorumEpoch(EndQuorumEpochRequest {
            leader: BrokerId(2),
            epoch: LeaderEpoch(4),
            successors,
        })
    };
    let request = end(vec![replica(3), replica(1)]);
    let Outgoing::EndQuorumEpoch(asked) = addresses().outgoing(BrokerId(3), &request) else {
        unreachable!("an end is an end");
    };
    assert_eq!(arrived(&asked, 1), request);
    assert_eq!(arrived(&asked, 0), end(vec![nameless(3), nameless(1)]));
    let given = response(ResponseBody::EndQuorumEpoch);
    for version in 0..=1 {
        let read = answered::<end_quorum_epoch::EndQuorumEpochRequest>(
            &request,
            &given,
            &Bytes::new(),
            version,
        );
        assert_eq!(read, given);
    }
}

fn fetch_request(high_watermark: ToldHighWatermark) -> FetchRequest {
    FetchRequest {
        replica: replica(3),
        epoch: LeaderEpoch(4),
        position: ID,
        high_watermark,
        max_wait: Duration::from_millis(500),
        max_bytes: 1000,
    }
}

fn outgoing_fetch(request: FetchRequest) -> fetch::FetchRequest {
    match addresses().outgoing(BrokerId(2), &Request::Fetch(request)) {
        Outgoing::Fetch(request) => request,
        _ => unreachable!("a fetch is a fetch"),
    }
}

#[test]
fn a_fetch_tells_its_position_from_version_12_on_and_its_high_watermark_from_18_on() {
    let told = [
        ToldHighWatermark::Known(Offset(19)),
        ToldHighWatermark::Unknown,
        ToldHighWatermark::Untold,
    ];
    for told in told {
        let asked = outgoing_fetch(fetch_request(told));
        assert_eq!(arrived(&asked, 18), Request::Fetch(fetch_request(told)));
        let untold = fetch_request(ToldHighWatermark::Untold);
        assert_eq!(arrived(&asked, 17), Request::Fetch(untold));
        let nameless = FetchRequest {
            replica: nameless(3),
            ..untold
        };
        for version in 12..=16 {
            assert_eq!(arrived(&asked, version), Request::Fetch(nameless));
        }
    }
}

#[test]
fn a_fetch_that_cannot_say_its_position_is_refused() {
    let asked = outgoing_fetch(fetch_request(ToldHighWatermark::Untold));
    let bytes = encode_whole(&asked, 11);
    let old: fetch::FetchRequest = decode_whole(bytes, 11).unwrap();

    let Ok(Request::Fetch(asked)) = old.read(&addresses()) else {
        panic!("the state machine refuses it, to say who leads");
    };

    assert_eq!(asked.position.offset, Offset::NONE);
}

#[test]
fn an_answer_to_a_fetch_brings_batches_a_divergence_or_a_snapshot() {
    let placement = |base_offset| Placement {
        base_offset: Offset(base_offset),
        leader_epoch: LeaderEpoch(4),
        timestamp: crate::model::Timestamp(7),
    };
    let first = control::leader_change(placement(20), b"first");
    let second = control::leader_change(placement(21), b"second");
    let records = Bytes::from([&first[..], &second[..], &first[..30]].concat());
    let asked = Request::Fetch(fetch_request(ToldHighWatermark::Unknown));
    let whole = |answer| response(ResponseBody::Fetch(answer));
    let bare = FetchAnswer {
        high_watermark: Some(Offset(19)),
        log_start_offset: Offset(3),
        ..FetchAnswer::default()
    };
    let read = |answer: &FetchAnswer, records: &Bytes| {
        let response = whole(answer.clone());
        let read = answered::<fetch::FetchRequest>(&asked, &response, records, 18);
        let ResponseBody::Fetch(read) = read.body else {
            unreachable!("a fetch is answered as one");
        };
        read
    };

    let batches = read(&bare, &records).batches;
    assert_eq!(batches.len(), 2, "a batch that is cut is none");
    assert_eq!(batches[0].bytes, first);
    assert_eq!(batches[1].base_offset, Offset(21));
    for answer in [
        FetchAnswer {
            diverging: Some(ID),
            ..bare.clone()
        },
        FetchAnswer {
            snapshot: Some(ID),
            high_watermark: None,
            ..bare.clone()
        },
    ] {
        assert_eq!(read(&answer, &Bytes::new()), answer);
    }
}

#[test]
fn damaged_records_are_not_taken() {
    let placement = Placement {
        base_offset: Offset(20),
        leader_epoch: LeaderEpoch(4),
        timestamp: crate::model::Timestamp(7),
    };
    let mut batch = control::leader_change(placement, b"value").to_vec();
    let last = batch.len() - 1;
    batch[last] ^= 1;
    let asked = Request::Fetch(fetch_request(ToldHighWatermark::Unknown));
    let given = response(ResponseBody::Fetch(FetchAnswer::default()));

    let answer = fetch::FetchRequest::answer(&addresses(), &asked, &given, Bytes::from(batch));

    assert!(matches!(answer.read(), Err(AnswerFault::Records(_))));
}

#[test]
fn parts_of_a_snapshot_travel_in_each_version() {
    let asked = FetchSnapshotRequest {
        replica: replica(3),
        epoch: LeaderEpoch(4),
        id: ID,
        position: 100,
        max_bytes: 1000,
    };
    let request = Request::FetchSnapshot(asked);
    let Outgoing::FetchSnapshot(wire) = addresses().outgoing(BrokerId(2), &request) else {
        unreachable!("it asks for a snapshot");
    };
    assert_eq!(arrived(&wire, 1), request);
    let oldest = Request::FetchSnapshot(FetchSnapshotRequest {
        replica: nameless(3),
        ..asked
    });
    assert_eq!(arrived(&wire, 0), oldest);
    let bytes = Bytes::from_static(b"a part");
    let chunk = |bytes| SnapshotChunk {
        id: ID,
        size: 106,
        position: 100,
        bytes,
    };
    let given = response(ResponseBody::FetchSnapshot(chunk(Bytes::new())));
    for version in 0..=1 {
        let read =
            answered::<fetch_snapshot::FetchSnapshotRequest>(&request, &given, &bytes, version);
        assert_eq!(read.body, ResponseBody::FetchSnapshot(chunk(bytes.clone())));
    }
}

#[test]
fn every_refusal_is_told_as_such() {
    for (refusal, code) in Refusal::ALL {
        let given = Response {
            refusal: Some(refusal),
            ..response(ResponseBody::Vote { granted: false })
        };
        let asked = Request::Vote(vote_request());
        let answer = vote::VoteRequest::answer(&addresses(), &asked, &given, Bytes::new());
        assert_eq!(answer.topics[0].partitions[0].error_code, code);
        assert_eq!(answer.read(), Ok(given));
    }
}

#[test]
fn a_request_of_another_cluster_or_for_another_partition_is_refused() {
    let refusal = |request: vote::VoteRequest| request.read(&addresses()).unwrap_err().error_code;
    let mut other = outgoing_vote();
    other.cluster_id = Some(Str::from_static("theirs"));
    assert_eq!(refusal(other), ErrorCode::INCONSISTENT_CLUSTER_ID);

    let mut silent = outgoing_vote();
    silent.cluster_id = None;
    assert!(silent.read(&addresses()).is_ok(), "as in Kafka");

    let mut topic = outgoing_vote();
    topic.topics[0].topic_name = Str::from_static("other");
    assert_eq!(refusal(topic), ErrorCode::INVALID_REQUEST);
    let mut partition = outgoing_vote();
    partition.topics[0].partitions[0].partition_index = 1;
    assert_eq!(refusal(partition), ErrorCode::INVALID_REQUEST);
    let mut two = outgoing_vote();
    two.topics.push(two.topics[0].clone());
    assert_eq!(refusal(two), ErrorCode::INVALID_REQUEST);
    let mut none = outgoing_vote();
    none.topics.clear();
    assert_eq!(refusal(none), ErrorCode::INVALID_REQUEST);
}

#[test]
fn an_answer_of_another_cluster_is_told_apart() {
    let answer = vote::VoteResponse {
        error_code: ErrorCode::INCONSISTENT_CLUSTER_ID,
        ..vote::VoteResponse::default()
    };
    assert_eq!(answer.read(), Err(AnswerFault::OtherCluster));
    assert_eq!(
        vote::VoteResponse::default().read(),
        Err(AnswerFault::OtherPartition)
    );
    assert_eq!(vote::VoteRequest::KEY, crate::protocol::ApiKey::Vote);
}
