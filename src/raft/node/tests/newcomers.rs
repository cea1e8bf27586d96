//! A voter whose disk says nothing: what it may promise, and when.

use super::*;

fn newcomer(log: LogState) -> Replica {
    let mut replica = Replica::new(3, None, log);
    replica.input(Input::Started);
    replica
}

fn pre_vote(epoch: i32, candidate: i32, last: OffsetAndEpoch) -> Request {
    Request::Vote(VoteRequest {
        candidate: key(candidate),
        epoch: LeaderEpoch(epoch),
        last,
        pre_vote: true,
        voter: None,
    })
}

fn is_granted(replica: &mut Replica, request: Request) -> bool {
    replica.take();
    replica.request(request);
    let granted = |effect: &Effect| {
        matches!(effect, Effect::Reply { response, .. }
            if response.body == ResponseBody::Vote { granted: true })
    };
    replica.take().iter().any(granted)
}

/// Answers the last fetch that was sent to `from`.
fn answer_fetch(replica: &mut Replica, from: i32, response: &Response) {
    let sent = replica.sent();
    let fetch = sent
        .iter()
        .rfind(|(to, _, request)| *to == from && matches!(request, Request::Fetch(_)));
    let (_, correlation, _) = fetch.unwrap_or_else(|| panic!("no fetch to {from}: {sent:?}"));
    replica.answer(from, *correlation, response.clone());
}

fn not_leader(epoch: i32, leader: Option<i32>) -> Response {
    Response {
        refusal: Some(Refusal::NotLeaderOrFollower),
        epoch: LeaderEpoch(epoch),
        leader: leader.map(BrokerId),
        body: ResponseBody::Fetch(FetchAnswer::default()),
    }
}

/// It follows node 2 in epoch 5, and has what node 2 has; node 3 was not heard of.
fn caught_up() -> Replica {
    following(FetchAnswer {
        high_watermark: Some(Offset(10)),
        ..FetchAnswer::default()
    })
}

/// It follows node 2 in epoch 5, which answered its first fetch so; node 3 was not heard of.
fn following(answer: FetchAnswer) -> Replica {
    let mut replica = newcomer(log(10, 3));
    replica.take();
    replica.request(Request::BeginQuorumEpoch(BeginQuorumEpochRequest {
        leader: BrokerId(2),
        epoch: LeaderEpoch(5),
        voter: None,
    }));
    let sent = replica.sent();
    let (_, correlation, _) = sent.iter().find(|(to, ..)| *to == 2).unwrap();
    assert!(sent.iter().any(|(to, ..)| *to == 3), "it asks around");
    let to_3 = sent.iter().find(|(to, ..)| *to == 3).unwrap().1;
    replica.answer(2, *correlation, fetched(answer));
    assert!(replica.node.is_newcomer());
    replica.effects.push(Effect::Send {
        to: BrokerId(3),
        correlation: to_3,
        request: Request::Fetch(replica.node.fetch_request(Duration::ZERO)),
    });
    replica
}

#[test]
fn a_wiped_voter_gives_no_vote_to_who_may_lack_what_it_forgot() {
    for last in [OffsetAndEpoch::new(10, 3), OffsetAndEpoch::new(0, 0)] {
        let mut replica = newcomer(LogState::default());
        assert!(!is_granted(&mut replica, vote(4, 2, last)), "{last}");
        let mut replica = newcomer(LogState::default());
        let asked = is_granted(&mut replica, pre_vote(3, 2, last));
        assert_eq!(asked, last.offset == Offset(0), "{last}");
    }
    let mut replica = newcomer(log(10, 3));
    let last = OffsetAndEpoch::new(20, 3);
    assert!(!is_granted(&mut replica, pre_vote(3, 2, last)));
}

#[test]
fn a_newcomer_leaves_no_quorum_state_behind_so_that_it_is_one_after_a_restart() {
    let mut replica = caught_up();
    replica.wait(Duration::from_secs(5));
    replica.request(vote(9, 2, OffsetAndEpoch::new(20, 3)));
    replica.wait(Duration::from_secs(5));

    let is_persist = |effect: &Effect| matches!(effect, Effect::Persist(_));
    assert!(!replica.take().iter().any(is_persist));
    assert!(replica.node.is_newcomer());
}

#[test]
fn what_a_newcomer_fetches_counts_for_no_majority() {
    let mut replica = caught_up();
    let as_none = |request: &Request| matches!(request, Request::Fetch(fetch) if fetch.replica.id == BrokerId::NONE);
    assert!(
        replica
            .sent()
            .iter()
            .all(|(_, _, request)| as_none(request))
    );

    let mut leader = Replica::elected(3);
    let epoch = leader.node.election().epoch;
    leader.input(Input::Flushed(Offset(1)));
    leader.request(Request::Fetch(FetchRequest {
        replica: key(-1),
        epoch,
        position: OffsetAndEpoch::new(1, epoch.0),
        high_watermark: ToldHighWatermark::Unknown,
        max_wait: Duration::ZERO,
        max_bytes: 1,
    }));
    assert_eq!(leader.node.high_watermark(), None);
}

#[test]
fn a_newcomer_votes_when_it_has_what_its_leader_has_and_heard_of_all() {
    let mut replica = caught_up();

    answer_fetch(&mut replica, 3, &not_leader(5, Some(2)));

    let expected = Effect::Persist(election(5, Some(2), None));
    assert!(replica.take().contains(&expected));
    let better = OffsetAndEpoch::new(10, 3);
    assert!(is_granted(&mut replica, vote(6, 3, better)));
}

#[test]
fn a_newcomer_that_hears_of_a_later_epoch_has_to_catch_up_in_that() {
    let mut replica = caught_up();

    answer_fetch(&mut replica, 3, &not_leader(6, Some(3)));

    assert!(replica.node.is_newcomer());
    replica.wait(Timeouts::default().retry_backoff);
    let answer = Response {
        epoch: LeaderEpoch(6),
        leader: Some(BrokerId(3)),
        ..fetched(FetchAnswer {
            high_watermark: Some(Offset(12)),
            batches: vec![batch(10, 11, 6)],
            ..FetchAnswer::default()
        })
    };
    answer_fetch(&mut replica, 3, &answer);
    replica.input(Input::Flushed(Offset(12)));
    assert!(replica.node.is_newcomer());
    let answer = Response {
        body: ResponseBody::Fetch(FetchAnswer::default()),
        ..answer
    };
    answer_fetch(&mut replica, 3, &answer);
    assert!(!replica.node.is_newcomer());
}

/// Its old process acknowledged offset 11, and that is on its way still: what is committed now says
/// nothing of what will be by its word.
#[test]
fn a_newcomer_that_has_what_is_committed_may_lack_what_it_acknowledged() {
    let mut replica = following(FetchAnswer {
        high_watermark: Some(Offset(11)),
        batches: vec![batch(10, 10, 5)],
        ..FetchAnswer::default()
    });
    answer_fetch(&mut replica, 3, &not_leader(5, Some(2)));

    replica.input(Input::Flushed(Offset(11)));

    assert_eq!(replica.node.high_watermark(), Some(Offset(11)));
    assert!(replica.node.is_newcomer());
    let more = FetchAnswer {
        high_watermark: Some(Offset(11)),
        batches: vec![batch(11, 11, 5)],
        ..FetchAnswer::default()
    };
    answer_fetch(&mut replica, 2, &fetched(more));
    replica.input(Input::Flushed(Offset(12)));
    assert!(replica.node.is_newcomer());

    answer_fetch(&mut replica, 2, &fetched(FetchAnswer::default()));

    assert!(!replica.node.is_newcomer());
}

#[test]
fn a_newcomer_does_not_wait_to_be_told_that_there_is_no_more() {
    let wait = |replica: &mut Replica| {
        let sent = replica.sent().into_iter();
        let mut waits = sent.filter_map(|(to, _, request)| match request {
            Request::Fetch(fetch) if to == 2 => Some(fetch.max_wait),
            _ => None,
        });
        waits.next_back().unwrap()
    };
    let mut replica = following(FetchAnswer {
        batches: vec![batch(10, 10, 5)],
        ..FetchAnswer::default()
    });
    replica.input(Input::Flushed(Offset(11)));

    assert_eq!(wait(&mut replica), Duration::ZERO);
    assert_eq!(wait(&mut caught_up()), Duration::from_millis(500));
}

#[test]
fn a_request_may_be_old_and_is_no_word_of_where_its_sender_is() {
    let end = EndQuorumEpochRequest {
        leader: BrokerId(3),
        epoch: LeaderEpoch(4),
        successors: Vec::new(),
    };
    let begin = BeginQuorumEpochRequest {
        leader: BrokerId(3),
        epoch: LeaderEpoch(4),
        voter: None,
    };
    let last = OffsetAndEpoch::new(10, 3);
    for request in [
        vote(4, 3, last),
        vote(5, 3, last),
        pre_vote(5, 3, last),
        Request::BeginQuorumEpoch(begin),
        Request::EndQuorumEpoch(end),
    ] {
        let mut replica = caught_up();
        let to_3 = replica.effects.pop().unwrap();

        replica.request(request.clone());

        assert!(replica.node.is_newcomer(), "{request:?}");
        replica.effects.push(to_3);
        answer_fetch(&mut replica, 3, &not_leader(5, Some(2)));
        assert!(!replica.node.is_newcomer());
    }
}

#[test]
fn an_answer_that_names_an_epoch_without_moving_there_does_not_count() {
    let mut replica = caught_up();
    let contradiction = Response {
        refusal: Some(Refusal::UnknownLeaderEpoch),
        ..not_leader(6, None)
    };

    answer_fetch(&mut replica, 3, &contradiction);

    assert!(replica.node.is_newcomer());
}

#[test]
fn a_newcomer_says_what_it_waits_for() {
    let text = |replica: &Replica| replica.node.newcomer_info().unwrap().to_string();

    let waits = "voter 1 is a newcomer, as it has no quorum-state: it votes once it has fetched all \
                 that a leader has (done) and every other voter has answered (1 of 2; not yet 3)";
    assert_eq!(text(&caught_up()), waits);

    let mut alone = newcomer(LogState::default());
    let refused = Response {
        body: ResponseBody::Vote { granted: false },
        ..granted(0)
    };
    for (to, correlation, _) in alone.sent() {
        alone.answer(to, correlation, refused.clone());
    }
    let text = text(&alone);
    assert!(
        text.contains("(not yet) and every other voter has answered (2 of 2)"),
        "{text}"
    );
    assert!(
        text.contains("copy the folder __cluster_metadata-0"),
        "{text}"
    );

    let mut settled = caught_up();
    answer_fetch(&mut settled, 3, &not_leader(5, Some(2)));
    assert_eq!(settled.node.newcomer_info(), None);
}

#[test]
fn a_new_cluster_begins_when_no_voter_has_anything() {
    let mut replica = newcomer(LogState::default());
    let sent = replica.sent();
    assert_eq!(sent.len(), 2, "it asks at once");

    replica.answer(sent[0].0, sent[0].1, granted(0));
    assert_eq!(replica.node.role().name(), "Prospective");
    assert_eq!(replica.take(), []);
    replica.answer(sent[1].0, sent[1].1, granted(0));

    let expected = Effect::Persist(election(1, None, Some(1)));
    assert_eq!(replica.take()[0], expected);
}

/// It may have voted in the epoch in which it finds the others, and a crash must not free that vote.
#[test]
fn the_first_that_a_new_cluster_persists_is_of_an_epoch_that_no_voter_is_in() {
    let mut replica = newcomer(LogState::default());
    let sent = replica.sent();
    replica.answer(sent[0].0, sent[0].1, granted(4));
    let mut persisted = Vec::new();
    for _ in 0..20 {
        replica.wait(Duration::from_millis(50));
        for (to, correlation, _) in replica.sent() {
            replica.answer(to, correlation, granted(4));
        }
        let persists = |effect: &&Effect| matches!(effect, Effect::Persist(_));
        persisted.extend(replica.effects.iter().filter(persists).cloned());
    }
    let expected = Effect::Persist(election(5, None, Some(1)));
    assert_eq!(persisted.first(), Some(&expected));
}

#[test]
fn a_new_cluster_does_not_begin_while_a_voter_has_records_or_says_nothing() {
    let mut replica = newcomer(LogState::default());
    let sent = replica.sent();
    replica.answer(sent[0].0, sent[0].1, granted(0));
    let refused = Response {
        body: ResponseBody::Vote { granted: false },
        ..granted(0)
    };
    replica.answer(sent[1].0, sent[1].1, refused);
    for _ in 0..100 {
        replica.wait(Duration::from_millis(100));
    }

    assert!(replica.node.is_newcomer());
    assert_eq!(replica.node.election(), ElectionState::default());
}

#[test]
fn a_newcomer_that_gave_way_waits_for_the_others_without_spinning() {
    let mut replica = Replica::new(3, None, LogState::default());
    let identity = Identity {
        local: key(3),
        voters: replica.node.voters().clone(),
        election: None,
        log: LogState::default(),
    };
    replica.node = RaftNode::new(identity, Timeouts::default(), Jitter::new(1));
    replica.input(Input::Started);
    let sent = replica.sent();
    // Node 2 has a lower id, and is heard; node 1 is not there yet.
    replica.request(pre_vote(0, 2, OffsetAndEpoch::new(0, 0)));
    let (to, correlation, _) = sent.iter().find(|(to, ..)| *to == 2).unwrap();
    replica.answer(*to, *correlation, granted(0));

    for _ in 0..20 {
        let deadline = replica.node.next_deadline().unwrap();
        replica.wait(deadline.saturating_duration_since(replica.now));
        assert!(replica.node.next_deadline() > Some(replica.now));
    }
}

#[test]
fn the_only_voter_is_no_newcomer() {
    let mut replica = Replica::new(1, None, log(10, 7));
    replica.input(Input::Started);

    assert!(replica.node.is_leader());
    assert_eq!(replica.node.election(), election(8, Some(1), None));
}
