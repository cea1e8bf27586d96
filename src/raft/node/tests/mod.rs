//! Each test gives one replica its inputs and compares all that it wants done.

mod departure;
mod elections;
mod follower;
mod newcomers;
mod traps;

use bytes::Bytes;
use follower::{batch, fetched, follower};

use super::*;
use crate::model::{BrokerId, LeaderEpoch};
use crate::raft::effect::{Announcement, BatchContent, Correlation, LeaderBatch, RequestToken};
use crate::raft::log_state::EpochStart;
use crate::raft::message::{
    BeginQuorumEpochRequest, EndQuorumEpochRequest, FetchAnswer, FetchRequest, FetchedBatch,
    ToldHighWatermark, VoteRequest,
};

const LOCAL: BrokerId = BrokerId(1);
const TOKEN: RequestToken = RequestToken(77);

fn key(id: i32) -> ReplicaKey {
    ReplicaKey {
        id: BrokerId(id),
        directory_id: None,
    }
}

fn election(epoch: i32, leader: Option<i32>, voted: Option<i32>) -> ElectionState {
    ElectionState {
        epoch: LeaderEpoch(epoch),
        leader: leader.map(BrokerId),
        voted: voted.map(key),
    }
}

/// A replica under test, its clock, and what it wants done since the last look.
struct Replica {
    node: RaftNode,
    now: Instant,
    effects: Vec<Effect>,
}

impl Replica {
    fn new(voters: i32, election: Option<ElectionState>, log: LogState) -> Self {
        let identity = Identity {
            local: key(LOCAL.0),
            voters: Voters::new((1..=voters).map(BrokerId)),
            election,
            log,
        };
        Self {
            node: RaftNode::new(identity, Timeouts::default(), Jitter::new(1)),
            now: Instant::now(),
            effects: Vec::new(),
        }
    }

    fn started(voters: i32, election: ElectionState, log: LogState) -> Self {
        let mut replica = Self::new(voters, Some(election), log);
        replica.input(Input::Started);
        replica
    }

    fn input(&mut self, input: Input) {
        self.node.handle(self.now, input, &mut self.effects);
    }

    fn request(&mut self, request: Request) {
        self.input(Input::Requested {
            token: TOKEN,
            request,
        });
    }

    fn wait(&mut self, duration: Duration) {
        self.now += duration;
        self.node.on_deadline(self.now, &mut self.effects);
    }

    fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The requests it sent, with whom to.
    fn sent(&mut self) -> Vec<(i32, Correlation, Request)> {
        let effects = self.take().into_iter();
        let sent = effects.filter_map(|effect| match effect {
            Effect::Send {
                to,
                correlation,
                request,
            } => Some((to.0, correlation, request)),
            _ => None,
        });
        sent.collect()
    }

    /// Another voter answers the request that was sent to it last.
    fn answer(&mut self, from: i32, correlation: Correlation, response: Response) {
        self.input(Input::Responded {
            from: BrokerId(from),
            correlation,
            response,
        });
    }

    fn elected(voters: i32) -> Self {
        let mut replica = Self::started(voters, ElectionState::default(), LogState::default());
        replica.wait(Duration::from_secs(2));
        for _ in 0..2 {
            let epoch = replica.node.election.epoch.0;
            for (to, correlation, _) in replica.sent() {
                replica.answer(to, correlation, granted(epoch));
            }
        }
        assert!(replica.node.is_leader());
        replica
    }
}

fn granted(epoch: i32) -> Response {
    Response {
        refusal: None,
        epoch: LeaderEpoch(epoch),
        leader: None,
        body: ResponseBody::Vote { granted: true },
    }
}

fn log(end: i64, epoch: i32) -> LogState {
    let epochs = vec![EpochStart {
        epoch: LeaderEpoch(epoch),
        start_offset: Offset::ZERO,
    }];
    LogState::recovered(Offset::ZERO, Offset(end), epochs, Vec::new())
}

fn leader_change(base_offset: i64, epoch: i32) -> Effect {
    Effect::Append(LeaderBatch {
        base_offset: Offset(base_offset),
        epoch: LeaderEpoch(epoch),
        content: BatchContent::LeaderChange {
            voters: vec![LOCAL],
            granting: vec![LOCAL],
        },
    })
}

fn became_leader(epoch: i32, start_offset: i64) -> Effect {
    Effect::Announce(Announcement::BecameLeader {
        epoch: LeaderEpoch(epoch),
        start_offset: Offset(start_offset),
    })
}

fn leader_changed(epoch: i32, leader: Option<i32>) -> Effect {
    Effect::Announce(Announcement::LeaderChanged {
        leader: leader.map(BrokerId),
        epoch: LeaderEpoch(epoch),
    })
}

fn vote(epoch: i32, candidate: i32, last: OffsetAndEpoch) -> Request {
    Request::Vote(VoteRequest {
        candidate: key(candidate),
        epoch: LeaderEpoch(epoch),
        last,
        pre_vote: false,
        voter: Some(key(LOCAL.0)),
    })
}

fn reply(response: Response) -> Effect {
    Effect::Reply {
        token: TOKEN,
        response,
    }
}

fn vote_reply(election: ElectionState, granted: bool, refusal: Option<Refusal>) -> Effect {
    reply(Response {
        refusal,
        epoch: election.epoch,
        leader: election.leader,
        body: ResponseBody::Vote { granted },
    })
}

#[test]
fn the_only_voter_leads_at_once_and_has_promised_it_on_disk_first() {
    let replica = &mut Replica::started(1, ElectionState::default(), LogState::default());

    assert_eq!(
        replica.take(),
        [
            Effect::Persist(election(1, None, Some(1))),
            leader_changed(1, None),
            Effect::Persist(election(1, Some(1), None)),
            became_leader(1, 0),
            leader_change(0, 1),
            Effect::Flush,
        ]
    );

    replica.input(Input::Flushed(Offset(1)));

    assert_eq!(replica.take(), [Effect::Commit(Offset(1))]);
    assert_eq!(replica.node.next_deadline(), None);
}

#[test]
fn the_only_voter_begins_a_new_epoch_at_each_start() {
    for (found, next_epoch) in [
        (election(4, Some(1), None), 5),
        (election(4, None, None), 5),
        (election(4, Some(2), None), 5),
        // It was about to lead epoch 4 and has not written anything in it.
        (election(4, None, Some(1)), 4),
    ] {
        let mut replica = Replica::started(1, found, log(10, 3));

        assert_eq!(replica.node.election(), election(next_epoch, Some(1), None));
        let expected = leader_change(10, next_epoch);
        assert!(replica.take().contains(&expected), "{found:?}");
    }
}

#[test]
fn a_lost_quorum_state_does_not_bring_back_an_epoch_of_the_log() {
    let mut replica = Replica::started(1, ElectionState::default(), log(10, 7));

    let effects = replica.take();
    assert_eq!(effects[0], Effect::Persist(election(7, None, None)));
    assert_eq!(replica.node.election(), election(8, Some(1), None));
}

#[test]
fn batches_get_consecutive_offsets_and_commit_when_flushed() {
    let mut replica = Replica::started(1, ElectionState::default(), LogState::default());
    replica.input(Input::Flushed(Offset(1)));
    replica.take();
    let batch = |count: usize| vec![Bytes::from_static(b"record"); count];

    replica.input(Input::Proposed {
        epoch: LeaderEpoch(1),
        batches: vec![batch(2), batch(1)],
    });
    let append = |base_offset: i64, count: usize| {
        Effect::Append(LeaderBatch {
            base_offset: Offset(base_offset),
            epoch: LeaderEpoch(1),
            content: BatchContent::Records(batch(count)),
        })
    };
    assert_eq!(replica.take(), [append(1, 2), append(3, 1), Effect::Flush]);
    assert_eq!(replica.node.high_watermark(), Some(Offset(1)));

    replica.input(Input::Flushed(Offset(4)));
    assert_eq!(replica.take(), [Effect::Commit(Offset(4))]);
}

#[test]
fn what_is_proposed_in_another_epoch_is_dropped() {
    let mut replica = Replica::started(1, ElectionState::default(), LogState::default());
    replica.take();

    for epoch in [0, 2] {
        replica.input(Input::Proposed {
            epoch: LeaderEpoch(epoch),
            batches: vec![vec![Bytes::new()]],
        });
    }

    assert_eq!(replica.take(), []);
}

#[test]
fn a_leader_that_resigns_leads_again_only_in_a_later_epoch() {
    let mut replica = Replica::started(1, ElectionState::default(), LogState::default());
    replica.input(Input::Flushed(Offset(1)));
    replica.take();

    replica.input(Input::ResignRequested {
        epoch: LeaderEpoch(1),
    });
    let resigned = Announcement::Resigned {
        epoch: LeaderEpoch(1),
    };
    assert_eq!(replica.take(), [Effect::Announce(resigned)]);

    for _ in 0..2 {
        let deadline = replica.node.next_deadline().unwrap();
        replica.wait(deadline.saturating_duration_since(replica.now));
    }
    assert!(replica.node.is_leader());
    assert!(replica.node.election().epoch > LeaderEpoch(1));
    assert!(replica.take().contains(&Effect::Flush));
}

#[test]
fn a_vote_is_on_disk_before_it_is_told_and_there_is_one_in_an_epoch() {
    let mut replica = Replica::started(3, ElectionState::default(), log(10, 1));
    replica.take();

    replica.request(vote(2, 3, OffsetAndEpoch::new(10, 1)));
    let after = election(2, None, Some(3));
    let effects: Vec<_> = replica.take();
    assert_eq!(
        effects[..4],
        [
            Effect::Persist(election(2, None, None)),
            leader_changed(2, None),
            Effect::Persist(after),
            vote_reply(after, true, None),
        ]
    );

    replica.request(vote(2, 2, OffsetAndEpoch::new(11, 1)));
    assert!(replica.take().contains(&vote_reply(after, false, None)));
    replica.request(vote(2, 3, OffsetAndEpoch::new(10, 1)));
    assert!(replica.take().contains(&vote_reply(after, true, None)));
}

#[test]
fn a_candidate_with_a_shorter_log_gets_no_vote() {
    for (last, is_granted) in [
        (OffsetAndEpoch::new(9, 3), false),
        (OffsetAndEpoch::new(100, 2), false),
        (OffsetAndEpoch::new(10, 3), true),
        (OffsetAndEpoch::new(1, 4), true),
    ] {
        let mut replica = Replica::started(3, ElectionState::default(), log(10, 3));
        replica.take();

        replica.request(vote(5, 2, last));

        let voted = is_granted.then_some(2);
        let expected = vote_reply(election(5, None, voted), is_granted, None);
        assert!(replica.take().contains(&expected), "{last}");
    }
}

#[test]
fn malformed_and_outdated_candidacies_are_refused() {
    let ours = election(5, None, None);
    for (request, refusal) in [
        (
            vote(4, 2, OffsetAndEpoch::new(10, 3)),
            Refusal::FencedLeaderEpoch,
        ),
        (
            vote(5, 2, OffsetAndEpoch::new(10, 5)),
            Refusal::InvalidRequest,
        ),
        (
            vote(5, 2, OffsetAndEpoch::new(-1, 3)),
            Refusal::InvalidRequest,
        ),
        (
            vote(5, -1, OffsetAndEpoch::new(10, 3)),
            Refusal::InvalidRequest,
        ),
    ] {
        let mut replica = Replica::started(3, ours, log(10, 3));
        replica.take();

        replica.request(request.clone());

        assert!(
            replica
                .take()
                .contains(&vote_reply(ours, false, Some(refusal))),
            "{request:?}"
        );
    }
}

#[test]
fn a_voter_asks_for_pre_votes_before_it_disturbs_anyone() {
    let mut replica = Replica::started(3, ElectionState::default(), log(10, 3));
    replica.take();

    replica.wait(Duration::from_secs(2));

    let asked = replica.sent();
    let pre_vote = |request: &Request| matches!(request, Request::Vote(vote) if vote.pre_vote);
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|(_, _, request)| pre_vote(request)));
    assert_eq!(replica.node.election().epoch, LeaderEpoch(3));

    let (to, correlation, _) = asked[0];
    replica.answer(to, correlation, granted(3));
    let asked = replica.sent();
    assert_eq!(replica.node.election(), election(4, None, Some(1)));
    assert!(asked.iter().all(|(_, _, request)| !pre_vote(request)));
}

#[test]
fn a_leader_commits_only_what_a_majority_has_flushed() {
    let mut replica = Replica::elected(3);
    let epoch = replica.node.election().epoch;
    replica.input(Input::Flushed(Offset(1)));
    assert_eq!(replica.node.high_watermark(), None);

    let fetch = |position| {
        Request::Fetch(FetchRequest {
            replica: key(2),
            epoch,
            position,
            high_watermark: ToldHighWatermark::Unknown,
            max_wait: Duration::from_millis(500),
            max_bytes: 1000,
        })
    };
    replica.take();
    replica.request(fetch(OffsetAndEpoch::default()));
    assert!(matches!(
        replica.take()[..],
        [Effect::ReplyWithLog {
            from: Offset(0),
            ..
        }]
    ));
    replica.request(fetch(OffsetAndEpoch::new(1, epoch.0)));

    let answer = FetchAnswer {
        high_watermark: Some(Offset(1)),
        ..FetchAnswer::default()
    };
    let expected = Response {
        refusal: None,
        epoch,
        leader: Some(LOCAL),
        body: ResponseBody::Fetch(answer),
    };
    assert_eq!(replica.take(), [Effect::Commit(Offset(1)), reply(expected)]);
}

#[test]
fn a_fetch_without_news_waits_for_an_append_or_its_time() {
    let mut replica = Replica::elected(3);
    let epoch = replica.node.election().epoch;
    replica.input(Input::Flushed(Offset(1)));
    let fetch = Request::Fetch(FetchRequest {
        replica: key(9),
        epoch,
        position: OffsetAndEpoch::new(1, epoch.0),
        high_watermark: ToldHighWatermark::Unknown,
        max_wait: Duration::from_millis(500),
        max_bytes: 1000,
    });
    replica.take();

    replica.request(fetch.clone());
    assert_eq!(replica.take(), []);
    replica.input(Input::Proposed {
        epoch,
        batches: vec![vec![Bytes::new()]],
    });
    assert!(matches!(
        replica.take()[..],
        [Effect::Append(_), Effect::Flush]
    ));
    replica.input(Input::Flushed(Offset(2)));
    assert!(matches!(
        replica.take()[..],
        [Effect::ReplyWithLog {
            from: Offset(1),
            ..
        }]
    ));

    let Request::Fetch(mut at_end) = fetch else {
        unreachable!()
    };
    at_end.position.offset = Offset(2);
    replica.request(Request::Fetch(at_end));
    replica.take();
    replica.wait(Duration::from_millis(500));
    assert!(matches!(replica.take()[..], [Effect::Reply { .. }]));
}

#[test]
fn a_leader_that_hears_from_no_majority_resigns() {
    let mut replica = Replica::elected(3);
    replica.input(Input::Flushed(Offset(1)));
    replica.take();

    replica.wait(Timeouts::default().fetch * 3 / 2);

    assert!(matches!(replica.node.role(), Role::Resigned(_)));
}
