//! What once broke a replica, or could have: absurd input, and orders of events that are rare.

use super::*;
use crate::raft::message::FetchSnapshotRequest;

fn untold_fetch(epoch: LeaderEpoch, position: OffsetAndEpoch) -> Request {
    Request::Fetch(FetchRequest {
        replica: key(2),
        epoch,
        position,
        high_watermark: ToldHighWatermark::Untold,
        max_wait: Duration::from_millis(500),
        max_bytes: 1000,
    })
}

fn begin(epoch: i32, leader: i32) -> Request {
    Request::BeginQuorumEpoch(BeginQuorumEpochRequest {
        leader: BrokerId(leader),
        epoch: LeaderEpoch(epoch),
        voter: None,
    })
}

fn end(epoch: i32, leader: i32) -> Request {
    Request::EndQuorumEpoch(EndQuorumEpochRequest {
        leader: BrokerId(leader),
        epoch: LeaderEpoch(epoch),
        successors: vec![key(LOCAL.0)],
    })
}

/// How a replica of epoch 5 that follows nobody answers; its epoch must not have moved.
fn refusal_of(request: &Request) -> Option<Refusal> {
    let mut replica = Replica::started(3, election(5, None, None), log(10, 3));
    replica.take();

    replica.request(request.clone());

    assert_eq!(
        replica.node.election(),
        election(5, None, None),
        "{request:?}"
    );
    let effects = replica.take();
    let answers: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Reply { response, .. } => Some(response.refusal),
            _ => None,
        })
        .collect();
    assert_eq!(answers.len(), 1, "{effects:?}");
    answers[0]
}

#[test]
fn epochs_that_no_election_can_have_reached_are_refused_and_move_nothing() {
    let position = OffsetAndEpoch::new(10, 3);
    for epoch in [i32::MIN, -1, i32::MAX, i32::MAX - 1, 5 + (1 << 20) + 1] {
        let pre_vote = VoteRequest {
            candidate: key(2),
            epoch: LeaderEpoch(epoch),
            last: position,
            pre_vote: true,
            voter: None,
        };
        for request in [
            vote(epoch, 2, position),
            Request::Vote(pre_vote),
            begin(epoch, 2),
            end(epoch, 2),
        ] {
            assert!(refusal_of(&request).is_some(), "{request:?}");
        }
    }
    for epoch in [i32::MIN, i32::MAX] {
        let last = OffsetAndEpoch::new(10, epoch);
        assert!(refusal_of(&vote(6, 2, last)).is_some(), "{epoch}");
        assert!(refusal_of(&untold_fetch(LeaderEpoch(epoch), position)).is_some());
        assert!(refusal_of(&untold_fetch(LeaderEpoch(5), last)).is_some());
        let id = OffsetAndEpoch::new(i64::MAX, epoch);
        assert!(
            refusal_of(&Request::FetchSnapshot(FetchSnapshotRequest {
                replica: key(2),
                epoch: LeaderEpoch(epoch),
                id,
                position: u64::MAX,
                max_bytes: u32::MAX,
            }))
            .is_some()
        );
    }
}

#[test]
fn leaps_one_after_the_other_do_not_use_up_the_epochs() {
    let mut epoch = 5;
    for _ in 0..3000 {
        let leapt = i32::saturating_add(epoch, LEAP);
        let told = election_by_answer(election(epoch, None, None), leapt, None);
        epoch = told.epoch.0;
    }

    assert!(epoch <= i32::MAX / 2, "{epoch}");
    // Elections go on from there.
    let told = election_by_answer(election(epoch, None, None), epoch + 1, Some(2));
    assert_eq!(told, election(epoch + 1, Some(2), None));
}

#[test]
fn a_leader_that_has_no_vote_is_no_leader() {
    for request in [begin(6, 9), end(6, 9), begin(5, 9), end(5, 9)] {
        assert!(refusal_of(&request).is_some(), "{request:?}");
    }
}

#[test]
fn a_candidate_that_has_no_vote_moves_no_epoch() {
    assert!(refusal_of(&vote(6, 9, OffsetAndEpoch::new(10, 3))).is_some());
}

#[test]
fn answers_tell_of_no_leader_without_a_vote_and_of_no_absurd_epoch() {
    for (epoch, leader) in [
        (6, Some(9)),
        (5, Some(9)),
        (i32::MAX, None),
        (i32::MAX, Some(2)),
        (i32::MAX - LEAP, Some(2)),
        (5 + LEAP + 1, Some(2)),
    ] {
        let told = election_by_answer(election(5, None, None), epoch, leader);
        assert_eq!(told, election(5, None, None));
    }
    let far = 5 + LEAP;
    let told = election_by_answer(election(5, None, None), far, Some(2));
    assert_eq!(told, election(far, Some(2), None));
}

/// How many epochs ahead is believed.
const LEAP: i32 = 1 << 20;

/// What a replica takes for true after an answer to its first fetch.
fn election_by_answer(found: ElectionState, epoch: i32, leader: Option<i32>) -> ElectionState {
    let end = if found.epoch == LeaderEpoch(0) { 0 } else { 10 };
    let log = if end == 0 {
        LogState::default()
    } else {
        log(end, 3)
    };
    let mut replica = Replica::started(3, found, log);
    let (to, correlation, _) = replica.sent().pop().unwrap();
    replica.answer(
        to,
        correlation,
        Response {
            refusal: Some(Refusal::FencedLeaderEpoch),
            epoch: LeaderEpoch(epoch),
            leader: leader.map(BrokerId),
            body: ResponseBody::Fetch(FetchAnswer::default()),
        },
    );
    replica.node.election()
}

#[test]
fn who_knows_of_no_epoch_learns_of_more_elections_than_a_leap_from_whom_it_asks() {
    let none = ElectionState::default();
    for far in [1 << 21, i32::MAX / 2] {
        let told = election_by_answer(none, far, Some(3));
        assert_eq!(told, election(far, Some(3), None));
    }
    assert_eq!(election_by_answer(none, i32::MAX / 2 + 1, Some(3)), none);
}

#[test]
fn a_voter_that_has_used_up_all_epochs_says_so_and_does_not_panic() {
    for election in [
        election(i32::MAX, None, None),
        election(i32::MAX, Some(1), None),
    ] {
        let mut replica = Replica::started(1, election, log(10, 3));
        for _ in 0..3 {
            replica.wait(Duration::from_secs(2));
        }

        let effects = replica.take();
        assert!(
            matches!(effects.last(), Some(Effect::Halt(reason)) if reason.contains("epoch")),
            "{effects:?}"
        );
    }
}

#[test]
fn what_is_appended_is_sent_only_once_it_can_be_read() {
    let mut replica = Replica::elected(3);
    let epoch = replica.node.election().epoch;
    replica.input(Input::Flushed(Offset(1)));
    replica.take();
    let at_end = OffsetAndEpoch::new(1, epoch.0);
    replica.request(untold_fetch(epoch, at_end));
    replica.take();

    replica.input(Input::Proposed {
        epoch,
        batches: vec![vec![Bytes::new()]],
    });

    let effects = replica.take();
    assert!(
        matches!(effects[..], [Effect::Append(_), Effect::Flush]),
        "{effects:?}"
    );
    // Nor does another that asks meanwhile get it.
    let Request::Fetch(mut of_3) = untold_fetch(epoch, at_end) else {
        unreachable!()
    };
    of_3.replica = key(3);
    replica.request(Request::Fetch(of_3));
    assert_eq!(replica.take(), []);

    replica.input(Input::Flushed(Offset(2)));
    let effects = replica.take();
    let from_1 = |effect: &Effect| {
        matches!(
            effect,
            Effect::ReplyWithLog {
                from: Offset(1),
                ..
            }
        )
    };
    assert_eq!(
        effects.iter().filter(|effect| from_1(effect)).count(),
        2,
        "{effects:?}"
    );
}

#[test]
fn a_fetch_that_does_not_say_its_high_watermark_waits_all_the_same() {
    let mut replica = Replica::elected(3);
    let epoch = replica.node.election().epoch;
    replica.input(Input::Flushed(Offset(1)));
    let at_end = OffsetAndEpoch::new(1, epoch.0);
    replica.request(untold_fetch(epoch, at_end));
    assert_eq!(replica.node.high_watermark(), Some(Offset(1)));
    replica.wait(Duration::from_millis(500));
    replica.take();

    for _ in 0..3 {
        replica.request(untold_fetch(epoch, at_end));
        assert_eq!(replica.take(), []);
        replica.wait(Duration::from_millis(500));
        assert!(matches!(replica.take()[..], [Effect::Reply { .. }, ..]));
    }
}

/// A leader to whom this many fetches came at its end, all at once; which of them are answered.
fn answered_of(count: u64, replica: i32, max_wait: Duration) -> (Vec<u64>, Replica) {
    let mut leader = Replica::elected(3);
    let epoch = leader.node.election().epoch;
    leader.input(Input::Flushed(Offset(1)));
    leader.take();
    for token in 0..count {
        leader.input(Input::Requested {
            token: RequestToken(token),
            request: Request::Fetch(FetchRequest {
                replica: key(replica),
                epoch,
                position: OffsetAndEpoch::new(1, epoch.0),
                high_watermark: ToldHighWatermark::Untold,
                max_wait,
                max_bytes: 1000,
            }),
        });
    }
    let effects = leader.take().into_iter();
    let answered = effects.filter_map(|effect| match effect {
        Effect::Reply { token, .. } => Some(token.0),
        _ => None,
    });
    (answered.collect(), leader)
}

#[test]
fn waiting_fetches_are_bounded_in_number_and_time() {
    let wait = Duration::from_secs(24 * 60 * 60);
    assert_eq!(answered_of(3, 9, wait).0, [0, 1]);
    assert!(answered_of(1000, -1, wait).0.is_empty());
    let (answered, mut leader) = answered_of(1002, -1, wait);
    assert_eq!(answered, [0, 1]);

    leader.wait(Timeouts::default().fetch);

    let replies = |effect: &Effect| matches!(effect, Effect::Reply { .. });
    assert_eq!(
        leader
            .take()
            .iter()
            .filter(|effect| replies(effect))
            .count(),
        1000
    );
}

#[test]
fn an_answer_from_before_a_full_disk_answers_nothing_after_it() {
    let mut replica = Replica::started(3, election(5, Some(2), None), log(10, 3));
    let (_, old, _) = replica.sent().pop().unwrap();

    let (election, log) = (replica.node.election(), log(10, 3));
    for _ in 0..3 {
        replica.node.restart(Some(election), log.clone());
        replica.input(Input::Started);
        let (_, new, _) = replica.sent().pop().unwrap();
        assert_ne!(new, old);
    }
    replica.answer(
        2,
        old,
        fetched(FetchAnswer {
            diverging: Some(OffsetAndEpoch::new(9, 3)),
            ..FetchAnswer::default()
        }),
    );

    assert_eq!(replica.take(), []);
}

#[test]
fn a_full_disk_takes_back_a_high_watermark_above_what_was_written() {
    let mut replica = follower();
    let (_, correlation, _) = replica.sent().pop().unwrap();
    replica.answer(
        2,
        correlation,
        fetched(FetchAnswer {
            high_watermark: Some(Offset(12)),
            batches: vec![batch(10, 11, 3)],
            ..FetchAnswer::default()
        }),
    );
    // The flush among these found no space, so that the commit after it was not carried out.
    assert!(replica.take().contains(&Effect::Commit(Offset(12))));

    replica
        .node
        .restart(Some(election(5, Some(2), None)), log(10, 3));
    replica.input(Input::Started);

    assert_eq!(replica.node.high_watermark(), Some(Offset(10)));
}

#[test]
fn what_is_committed_and_was_not_told_as_the_disk_was_full_is_told_when_there_is_room() {
    let mut replica = follower();
    let (_, correlation, _) = replica.sent().pop().unwrap();
    replica.answer(
        2,
        correlation,
        fetched(FetchAnswer {
            high_watermark: Some(Offset(10)),
            batches: vec![batch(10, 11, 3)],
            ..FetchAnswer::default()
        }),
    );
    // The flush before it found no space.
    assert_eq!(replica.take().last(), Some(&Effect::Commit(Offset(10))));

    replica
        .node
        .restart(Some(election(5, Some(2), None)), log(10, 3));
    replica.input(Input::Started);

    assert_eq!(replica.take()[0], Effect::Commit(Offset(10)));
}

/// It led epoch 4, in which it wrote what nobody else has; below offset 8 all is of epoch 2. Now
/// it follows node 2 in epoch 5.
fn ex_leader(end_offset: i64) -> Replica {
    let start = |epoch, offset| EpochStart {
        epoch: LeaderEpoch(epoch),
        start_offset: Offset(offset),
    };
    let epochs = vec![start(2, 0), start(4, 8)];
    let log = LogState::recovered(Offset(0), Offset(end_offset), epochs, Vec::new());
    Replica::started(3, election(5, Some(2), None), log)
}

#[test]
fn a_snapshot_of_an_older_epoch_takes_the_place_of_a_newer_tail_that_is_not_committed() {
    for end_offset in [9, 10, 12] {
        let mut replica = ex_leader(end_offset);
        let id = OffsetAndEpoch::new(10, 3);
        let (_, correlation, _) = replica.sent().pop().unwrap();
        replica.answer(
            2,
            correlation,
            fetched(FetchAnswer {
                snapshot: Some(id),
                ..FetchAnswer::default()
            }),
        );
        let (_, correlation, _) = replica.sent().pop().unwrap();
        let chunk = crate::raft::message::SnapshotChunk {
            id,
            size: 1,
            position: 0,
            bytes: Bytes::from_static(b"x"),
        };
        replica.answer(
            2,
            correlation,
            Response {
                body: ResponseBody::FetchSnapshot(chunk),
                ..fetched(FetchAnswer::default())
            },
        );
        replica.take();

        replica.input(Input::SnapshotStored(id));

        let effects = replica.take();
        assert_eq!(effects[0], Effect::RestartAtSnapshot(id), "{effects:?}");
        assert_eq!(replica.node.log().end(), id);
        assert_eq!(replica.node.high_watermark(), Some(Offset(10)));
    }
}
