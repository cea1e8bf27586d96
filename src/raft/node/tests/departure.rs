//! When a node that is told to stop does so.

use super::*;
use crate::raft::effect::Absence;
use crate::raft::message::Refusal;

fn stopping(epoch: i32) -> Response {
    Response {
        refusal: Some(Refusal::Stopping),
        epoch: LeaderEpoch(epoch),
        leader: None,
        body: ResponseBody::EndQuorumEpoch,
    }
}

#[test]
fn a_leader_that_stops_waits_for_its_successor_as_long_as_there_may_be_one() {
    let mut replica = Replica::elected(5);
    replica.take();

    replica.input(Input::ShutdownRequested);
    let told = replica.sent();
    let mut is_refused_by = |place: usize| {
        let (to, correlation, _) = &told[place];
        replica.input(Input::Unreachable {
            to: BrokerId(*to),
            correlation: *correlation,
            absence: Absence::Gone,
        });
        replica.node.may_stop()
    };

    assert!(!is_refused_by(0), "three others are there");
    assert!(is_refused_by(1), "two of five are no majority");
}

#[test]
fn voters_that_stop_as_well_are_not_waited_for() {
    let mut replica = Replica::elected(3);
    replica.take();
    let epoch = replica.node.election().epoch.0;
    replica.input(Input::ShutdownRequested);
    for (to, correlation, request) in replica.sent() {
        assert!(matches!(request, Request::EndQuorumEpoch(_)));
        replica.answer(
            to,
            correlation,
            Response {
                refusal: None,
                epoch: LeaderEpoch(epoch),
                leader: None,
                body: ResponseBody::EndQuorumEpoch,
            },
        );
    }
    assert!(!replica.node.may_stop());
    let asked = replica.sent();
    assert!(matches!(asked[..], [(_, _, Request::Fetch(_)), ..]));

    let (to, correlation, _) = asked[0];
    replica.answer(to, correlation, stopping(epoch));

    assert!(replica.node.may_stop());
}

#[test]
fn who_stops_says_so_to_those_who_fetch() {
    let mut replica = Replica::elected(3);
    let epoch = replica.node.election().epoch;
    replica.input(Input::ShutdownRequested);
    replica.take();

    replica.request(Request::Fetch(FetchRequest {
        replica: key(2),
        epoch,
        position: replica.node.log().end(),
        high_watermark: ToldHighWatermark::Untold,
        max_wait: Duration::ZERO,
        max_bytes: 1,
    }));

    let told = replica.take().into_iter().find_map(|effect| match effect {
        Effect::Reply { response, .. } => response.refusal,
        _ => None,
    });
    assert_eq!(told, Some(Refusal::Stopping));
}

#[test]
fn a_leader_that_says_it_stops_is_replaced_at_once() {
    let mut replica = follower();
    let (to, correlation, _) = replica.sent().pop().unwrap();

    let epoch = replica.node.election().epoch.0;
    replica.answer(to, correlation, stopping(epoch));

    replica.wait(Duration::ZERO);
    assert_eq!(replica.node.role().name(), "Prospective");
}
