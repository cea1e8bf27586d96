//! Who stands when, so that a leader that is gone is replaced at once, and by one election.

use super::*;
use crate::raft::effect::Absence;

fn pre_vote(candidate: i32, last: OffsetAndEpoch) -> Request {
    Request::Vote(VoteRequest {
        candidate: key(candidate),
        epoch: LeaderEpoch(5),
        last,
        pre_vote: true,
        voter: None,
    })
}

/// The follower's fetch fails.
fn lose_leader(replica: &mut Replica, absence: Absence) {
    let (to, correlation, _) = replica.sent().pop().unwrap();
    replica.input(Input::Unreachable {
        to: BrokerId(to),
        correlation,
        absence,
    });
}

/// Whether it grants a pre-vote to a candidate whose log is as long.
fn grants(replica: &mut Replica, candidate: i32) -> bool {
    replica.take();
    replica.request(pre_vote(candidate, replica.node.log().end()));
    let granted = |effect: &Effect| {
        matches!(effect, Effect::Reply { response, .. }
            if response.body == ResponseBody::Vote { granted: true })
    };
    replica.take().iter().any(granted)
}

#[test]
fn a_leader_whose_connection_is_refused_is_protected_no_more_and_replaced_at_once() {
    let mut replica = follower();
    lose_leader(&mut replica, Absence::Gone);
    assert!(grants(&mut replica, 3));

    let mut replica = follower();
    lose_leader(&mut replica, Absence::Gone);
    assert_eq!(replica.node.next_deadline(), Some(replica.now));
    replica.wait(Duration::ZERO);
    assert_eq!(replica.node.role().name(), "Prospective");
}

#[test]
fn a_leader_that_is_only_silent_stays_protected() {
    let mut replica = follower();

    lose_leader(&mut replica, Absence::Silent);

    assert!(!grants(&mut replica, 3));
    replica.wait(Timeouts::default().fetch / 2);
    assert_eq!(replica.node.role().name(), "Follower");
}

#[test]
fn the_refusal_of_another_voter_says_nothing_of_the_leader() {
    let mut replica = follower();
    lose_leader(&mut replica, Absence::Silent);
    // Meanwhile it asks another for the leader.
    lose_leader(&mut replica, Absence::Gone);

    assert!(!grants(&mut replica, 3));
}

#[test]
fn who_has_a_higher_id_stands_later() {
    for (local, leader, pause_ms) in [(1, 2, 0), (3, 2, 50), (3, 1, 50), (2, 1, 0)] {
        let identity = Identity {
            local: key(local),
            voters: Voters::new((1..=3).map(BrokerId)),
            election: Some(election(5, Some(leader), None)),
            log: log(10, 3),
        };
        let mut replica = Replica::started(3, election(5, Some(2), None), log(10, 3));
        replica.node = RaftNode::new(identity, Timeouts::default(), Jitter::new(1));
        replica.take();
        replica.input(Input::Started);
        let (_, correlation, _) = replica.sent().pop().unwrap();
        let answer = Response {
            leader: Some(BrokerId(leader)),
            ..fetched(FetchAnswer::default())
        };
        replica.answer(leader, correlation, answer);

        lose_leader(&mut replica, Absence::Gone);

        let pause = replica.node.next_deadline().unwrap() - replica.now;
        // The next try to reach anyone comes after 20 ms.
        assert_eq!(pause.as_millis(), pause_ms.min(20), "{local}");
        replica.wait(Duration::from_millis(20));
        let stands = replica.node.role().name() == "Prospective";
        assert_eq!(stands, pause_ms == 0, "{local} for {leader}");
    }
}

/// Node 1 has lost its leader and asks for pre-votes; their correlation with node 3.
fn prospective() -> (Replica, Correlation) {
    let mut replica = follower();
    lose_leader(&mut replica, Absence::Gone);
    replica.wait(Duration::ZERO);
    let sent = replica.sent();
    let to_3 = sent.iter().rfind(|(to, ..)| *to == 3).unwrap();
    (replica, to_3.1)
}

fn pre_vote_answer(granted: bool) -> Response {
    Response {
        body: ResponseBody::Vote { granted },
        ..fetched(FetchAnswer::default())
    }
}

#[test]
fn of_two_that_could_win_the_better_stands_and_the_other_only_if_nothing_comes_of_it() {
    for (rival_log, gives_way) in [
        (OffsetAndEpoch::new(11, 3), true),
        (OffsetAndEpoch::new(10, 4), true),
        // As long as ours, and we have the lower id.
        (OffsetAndEpoch::new(10, 3), false),
        (OffsetAndEpoch::new(9, 3), false),
    ] {
        let (mut replica, to_3) = prospective();
        replica.request(pre_vote(3, rival_log));

        replica.answer(3, to_3, pre_vote_answer(true));

        let stands = replica.node.role().name() == "Candidate";
        assert_eq!(stands, !gives_way, "{rival_log}");
        replica.wait(Duration::from_millis(100));
        assert_eq!(replica.node.role().name(), "Candidate");
    }
}

#[test]
fn a_voter_that_refused_is_asked_again_once_it_seeks_election_itself() {
    let (mut replica, to_3) = prospective();
    replica.answer(3, to_3, pre_vote_answer(false));
    assert!(!replica.sent().iter().any(|(to, ..)| *to == 3));

    replica.request(pre_vote(3, OffsetAndEpoch::new(9, 3)));

    let sent = replica.sent();
    let (to, again, _) = sent.iter().find(|(to, ..)| *to == 3).unwrap();
    replica.answer(*to, *again, pre_vote_answer(true));
    assert_eq!(replica.node.role().name(), "Candidate");
}

#[test]
fn a_leader_that_resigned_is_protected_no_more() {
    let mut replica = follower();
    replica.take();

    replica.request(Request::EndQuorumEpoch(EndQuorumEpochRequest {
        leader: BrokerId(2),
        epoch: LeaderEpoch(5),
        successors: vec![key(3), key(LOCAL.0)],
    }));

    assert!(grants(&mut replica, 3));
}

#[test]
fn followers_of_a_leader_that_started_again_stand_in_the_order_of_their_ids() {
    let mut replica = follower();
    replica.take();

    replica.request(Request::EndQuorumEpoch(EndQuorumEpochRequest {
        leader: BrokerId(2),
        epoch: LeaderEpoch(5),
        successors: Vec::new(),
    }));

    assert_eq!(replica.node.next_deadline(), Some(replica.now));
}
