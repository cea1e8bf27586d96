//! A voter that follows: it fetches, truncates, and seeks election when it hears nothing.

use super::*;
use crate::raft::message::SnapshotChunk;

/// A follower of node 2 in epoch 5, with all below offset 8 committed.
pub(super) fn follower() -> Replica {
    let mut replica = Replica::started(3, election(5, Some(2), None), log(10, 3));
    let (to, correlation, _) = replica.sent().pop().unwrap();
    assert_eq!(to, 2);
    replica.answer(
        2,
        correlation,
        fetched(FetchAnswer {
            high_watermark: Some(Offset(8)),
            ..FetchAnswer::default()
        }),
    );
    assert_eq!(replica.node.high_watermark(), Some(Offset(8)));
    replica
}

pub(super) fn fetched(answer: FetchAnswer) -> Response {
    Response {
        refusal: None,
        epoch: LeaderEpoch(5),
        leader: Some(BrokerId(2)),
        body: ResponseBody::Fetch(answer),
    }
}

pub(super) fn batch(base_offset: i64, last_offset: i64, epoch: i32) -> FetchedBatch {
    FetchedBatch {
        base_offset: Offset(base_offset),
        last_offset: Offset(last_offset),
        epoch: LeaderEpoch(epoch),
        bytes: Bytes::new(),
    }
}

#[test]
fn what_a_snapshot_on_disk_says_was_not_learned_in_this_run() {
    let snapshot = OffsetAndEpoch::new(8, 3);
    let epochs = vec![EpochStart {
        epoch: LeaderEpoch(3),
        start_offset: Offset(0),
    }];
    let log = LogState::recovered(Offset(0), Offset(10), epochs, vec![snapshot]);
    let mut replica = Replica::started(3, election(5, Some(2), None), log);
    assert_eq!(replica.node.high_watermark(), Some(Offset(8)));
    assert_eq!(replica.node.learned_high_watermark(), None);
    let (_, correlation, _) = replica.sent().pop().unwrap();

    let answer = FetchAnswer {
        high_watermark: Some(Offset(12)),
        ..FetchAnswer::default()
    };
    replica.answer(2, correlation, fetched(answer));

    assert_eq!(replica.node.high_watermark(), Some(Offset(10)));
    assert_eq!(replica.node.learned_high_watermark(), Some(Offset(12)));
}

#[test]
fn a_follower_flushes_before_it_commits_or_fetches_on() {
    let mut replica = follower();
    let (_, correlation, _) = replica.sent().pop().unwrap();

    replica.answer(
        2,
        correlation,
        fetched(FetchAnswer {
            high_watermark: Some(Offset(20)),
            batches: vec![batch(10, 11, 3), batch(12, 12, 5)],
            ..FetchAnswer::default()
        }),
    );

    assert_eq!(
        replica.take(),
        [
            Effect::AppendFetched(batch(10, 11, 3)),
            Effect::AppendFetched(batch(12, 12, 5)),
            Effect::Flush,
            Effect::Commit(Offset(13)),
        ]
    );
    replica.input(Input::Flushed(Offset(13)));
    let sent = replica.sent();
    assert!(
        matches!(sent[..], [(2, _, Request::Fetch(fetch))] if fetch.position == OffsetAndEpoch::new(13, 5))
    );
}

#[test]
fn a_follower_ignores_batches_that_do_not_continue_its_log() {
    for bad in [
        batch(11, 11, 5),
        batch(9, 10, 5),
        batch(10, 10, 2),
        batch(10, 10, 6),
    ] {
        let mut replica = follower();
        let (_, correlation, _) = replica.sent().pop().unwrap();

        replica.answer(
            2,
            correlation,
            fetched(FetchAnswer {
                batches: vec![bad.clone()],
                ..FetchAnswer::default()
            }),
        );

        assert_eq!(replica.node.log().end_offset(), Offset(10), "{bad:?}");
    }
}

#[test]
fn a_follower_truncates_to_where_the_logs_agree() {
    let mut replica = follower();
    let (_, correlation, _) = replica.sent().pop().unwrap();

    replica.answer(
        2,
        correlation,
        fetched(FetchAnswer {
            diverging: Some(OffsetAndEpoch::new(9, 3)),
            ..FetchAnswer::default()
        }),
    );

    assert_eq!(replica.take()[0], Effect::Truncate(Offset(9)));
}

#[test]
fn a_follower_halts_rather_than_truncate_below_the_high_watermark() {
    let mut replica = follower();
    let (_, correlation, _) = replica.sent().pop().unwrap();

    replica.answer(
        2,
        correlation,
        fetched(FetchAnswer {
            diverging: Some(OffsetAndEpoch::new(7, 3)),
            ..FetchAnswer::default()
        }),
    );

    let effects = replica.take();
    let [Effect::Halt(reason)] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert!(
        reason.contains("truncate to offset 7, but all below 8 is committed"),
        "{reason}"
    );
    replica.input(Input::Flushed(Offset(10)));
    assert_eq!(replica.take(), []);
}

/// Where the last fetch of a snapshot begins.
fn snapshot_position(replica: &mut Replica) -> Option<u64> {
    let sent = replica.sent().into_iter();
    let mut positions = sent.filter_map(|(to, _, request)| match request {
        Request::FetchSnapshot(fetch) if to == 2 => Some(fetch.position),
        _ => None,
    });
    positions.next_back()
}

/// A follower that has 3 of 10 bytes of a snapshot, and hears no more of its leader.
fn prospective_amid_a_snapshot() -> Replica {
    let mut replica = follower();
    let id = OffsetAndEpoch::new(50, 4);
    let (_, correlation, _) = replica.sent().pop().unwrap();
    let answer = FetchAnswer {
        snapshot: Some(id),
        ..FetchAnswer::default()
    };
    replica.answer(2, correlation, fetched(answer));
    let (_, correlation, _) = replica.sent().pop().unwrap();
    let chunk = SnapshotChunk {
        id,
        size: 10,
        position: 0,
        bytes: Bytes::from_static(b"abc"),
    };
    let body = ResponseBody::FetchSnapshot(chunk);
    let response = Response {
        body,
        ..fetched(FetchAnswer::default())
    };
    replica.answer(2, correlation, response);
    assert_eq!(snapshot_position(&mut replica), Some(3));

    replica.wait(Timeouts::default().fetch);
    assert_eq!(replica.node.role().name(), "Prospective");
    replica
}

#[test]
fn a_lost_pre_vote_costs_nothing_of_a_snapshot_that_is_being_fetched() {
    let mut replica = prospective_amid_a_snapshot();
    let refused = Response {
        body: ResponseBody::Vote { granted: false },
        ..fetched(FetchAnswer::default())
    };

    for (to, correlation, _) in replica.sent() {
        replica.answer(to, correlation, refused.clone());
    }

    assert_eq!(replica.node.role().name(), "Follower");
    assert_eq!(snapshot_position(&mut replica), Some(3));
}

#[test]
fn another_leader_is_asked_for_a_snapshot_of_its_own() {
    let mut replica = prospective_amid_a_snapshot();

    replica.request(Request::BeginQuorumEpoch(BeginQuorumEpochRequest {
        leader: BrokerId(2),
        epoch: LeaderEpoch(6),
        voter: None,
    }));

    let sent = replica.sent();
    assert!(
        sent.iter()
            .any(|(to, _, request)| *to == 2 && matches!(request, Request::Fetch(_))),
        "{sent:?}"
    );
}

#[test]
fn a_follower_that_hears_nothing_seeks_election() {
    let mut replica = follower();
    replica.take();

    replica.wait(Timeouts::default().fetch);

    assert_eq!(replica.node.role().name(), "Prospective");
    assert_eq!(replica.node.election(), election(5, Some(2), None));
}

#[test]
fn a_follower_protects_a_leader_that_it_hears_from() {
    let mut replica = follower();
    replica.take();
    let pre_vote = VoteRequest {
        candidate: key(3),
        epoch: LeaderEpoch(5),
        last: OffsetAndEpoch::new(100, 5),
        pre_vote: true,
        voter: None,
    };

    replica.request(Request::Vote(pre_vote));

    let ours = election(5, Some(2), None);
    assert_eq!(replica.take(), [vote_reply(ours, false, None)]);
}

#[test]
fn the_first_successor_stands_at_once() {
    for (successors, pause_ms) in [(vec![1, 3], 0), (vec![3, 1], 500), (vec![3], 1000)] {
        let mut replica = follower();
        replica.take();

        replica.request(Request::EndQuorumEpoch(EndQuorumEpochRequest {
            leader: BrokerId(2),
            epoch: LeaderEpoch(5),
            successors: successors.into_iter().map(key).collect(),
        }));

        let pause = replica.node.next_deadline().unwrap() - replica.now;
        assert_eq!(pause, Duration::from_millis(pause_ms));
    }
}

#[test]
fn a_second_leader_of_an_epoch_halts_the_replica() {
    let mut replica = follower();
    replica.take();

    replica.request(Request::BeginQuorumEpoch(BeginQuorumEpochRequest {
        leader: BrokerId(3),
        epoch: LeaderEpoch(5),
        voter: None,
    }));

    let effects = replica.take();
    assert!(matches!(&effects[..], [Effect::Halt(reason)] if reason.contains("both lead")));
}

#[test]
fn a_replica_without_a_vote_never_seeks_election() {
    let identity = Identity {
        local: key(9),
        voters: Voters::new((1..=3).map(BrokerId)),
        election: None,
        log: LogState::default(),
    };
    let mut node = RaftNode::new(identity, Timeouts::default(), Jitter::new(1));
    let mut now = Instant::now();
    let mut effects = Vec::new();

    node.handle(now, Input::Started, &mut effects);
    for _ in 0..100 {
        now += Duration::from_secs(1);
        node.on_deadline(now, &mut effects);
    }

    let only_fetches = |effect: &Effect| {
        matches!(
            effect,
            Effect::Send {
                request: Request::Fetch(_),
                ..
            }
        )
    };
    assert!(
        effects.len() > 10 && effects.iter().all(only_fetches),
        "{effects:?}"
    );
}
