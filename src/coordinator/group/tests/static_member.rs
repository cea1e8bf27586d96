//! Static members (KIP-345): a restarted process takes its former place.

use super::script::{Script, id, join_as, protocols};
use crate::coordinator::group::Request;
use crate::protocol::Str;
use crate::protocol::messages::heartbeat::HeartbeatRequest;

#[test]
fn a_restarted_leader_is_told_to_skip_the_assignment_from_version_9_on() {
    let mut script = Script::new();
    script.stable(Some("i"));
    script.join(9, join_as("", Some("i")));

    script.check(
        "3: join v9
         = g 1 consumer/range led by i#2 since 3000 [i#2:s:a]
         -> 3 after 2: i#2 joined 1 range led by i#2 [i#2:s] skip",
    );
}

#[test]
fn a_restarted_leader_of_an_older_version_is_not_told_that_it_leads() {
    let mut script = Script::new();
    script.stable(Some("i"));
    script.join(5, join_as("", Some("i")));
    script.sync(1, "i#2", &[]);

    script.check(
        "3: join v5
         = g 1 consumer/range led by i#2 since 3000 [i#2:s:a]
         -> 3 after 2: i#2 joined 1 range led by i#1 []
         4: sync 1 i#2
         -> 4 after 2: assigned \"a\"",
    );
}

#[test]
fn the_former_self_is_fenced() {
    let mut script = Script::new();
    script.stable(Some("i"));
    script.join(9, join_as("", Some("i")));
    script.silence();
    script.join(9, join_as("i#1", Some("i")));
    let heartbeat = HeartbeatRequest {
        group_id: "g".into(),
        generation_id: 1,
        member_id: Str::from(id("i#1")),
        group_instance_id: Some("i".into()),
    };
    script.request("heartbeat", 4, "c", &Request::Heartbeat(heartbeat));
    script.leave(5, &[("i#1", Some("i"))]);

    script.check(
        "4: join v9 i#1
         -> 4: FENCED_INSTANCE_ID i#1
         5: heartbeat
         -> 5: FENCED_INSTANCE_ID
         6: leave v5
         -> 6: NONE i#1i:FENCED_INSTANCE_ID",
    );
}

#[test]
fn a_former_self_that_waits_is_fenced_at_once() {
    let mut script = Script::new();
    script.join(5, join_as("", Some("i")));
    script.silence();
    script.join(5, join_as("", Some("i")));
    script.at(3_000);

    script.check(
        "2: join v5
         -> 1: FENCED_INSTANCE_ID i#1
         at 3000
         -> 2: i#2 joined 1 range led by i#2 [i#2:s]",
    );
}

#[test]
fn a_restart_before_the_assignment_begins_another_generation() {
    let mut script = Script::new();
    script.join(5, join_as("", Some("i")));
    script.at(3_000);
    script.silence();
    script.join(5, join_as("", Some("i")));

    script.check("2: join v5\n-> 2: i#2 joined 2 range led by i#2 [i#2:s]");
}

#[test]
fn a_restart_that_changes_the_choice_of_protocol_begins_another_generation() {
    let mut script = Script::new();
    let mut join = join_as("", Some("i"));
    join.protocols = protocols(&[("range", "s"), ("sticky", "s")]);
    script.join(5, join.clone());
    script.at(3_000);
    script.sync(1, "i#1", &[("i#1", "a")]);
    script.silence();
    join.protocols.reverse();
    script.join(5, join);

    script.check("3: join v5\n-> 3: i#2 joined 2 sticky led by i#2 [i#2:s]");
}

#[test]
fn an_instance_that_is_not_there_is_an_unknown_member() {
    let mut script = Script::new();
    script.stable(None);
    script.join(5, join_as("c#1", Some("i")));

    script.check("3: join v5 c#1\n-> 3: UNKNOWN_MEMBER_ID c#1");
}

#[test]
fn a_replaced_member_has_a_session_of_its_own() {
    let mut script = Script::new();
    script.stable(Some("i"));
    script.at(8_000);
    script.join(9, join_as("", Some("i")));
    script.silence();
    script.at(17_999);
    script.check("");
    script.at(18_000);

    script.check("at 18000\n= g 2 consumer/- led by - since 18000 []");
}

#[test]
fn an_absent_static_member_keeps_its_place_through_a_rebalance() {
    let mut script = Script::new();
    script.stable(Some("i"));
    let mut join = join_as("", None);
    join.rebalance_timeout_ms = 5_000;
    script.join(3, join);
    script.silence();
    script.at(12_000);

    script.check("");
    script.at(13_000);
    script.check("at 13000\n-> 3: c#2 joined 2 range led by c#2 [c#2:s]");
}
