//! SyncGroup and Heartbeat: who gets which assignment, and when.

use super::script::{Script, id, join_as};
use crate::coordinator::group::{Effects, Request, Tally};
use crate::coordinator::shard::Shard as _;
use crate::protocol::messages::sync_group::SyncGroupRequest;
use crate::protocol::{ErrorCode, Str};

/// `c#1`, the leader, and `c#2` have joined generation 1.
fn joined() -> Script {
    let mut script = Script::new();
    script.join(3, join_as("", None));
    script.join(3, join_as("", None));
    script.at(6_000);
    script.silence();
    script
}

#[test]
fn everybody_is_answered_once_the_assignment_is_written() {
    let mut script = joined();
    script.sync(1, "c#2", &[]);
    script.sync(1, "c#1", &[("c#1", "a"), ("c#2", "b"), ("nobody", "x")]);

    script.check(
        "3: sync 1 c#2
         4: sync 1 c#1
         = g 1 consumer/range led by c#1 since 6000 [c#1:s:a c#2:s:b]
         -> 4 after 1: assigned \"a\"
         -> 3 after 1: assigned \"b\"",
    );
}

#[test]
fn who_comes_late_waits_for_the_record_too() {
    let mut script = joined();
    script.sync(1, "c#1", &[("c#2", "b")]);
    script.sync(1, "c#2", &[]);

    script.check(
        "3: sync 1 c#1
         = g 1 consumer/range led by c#1 since 6000 [c#1:s: c#2:s:b]
         -> 3 after 1: assigned \"\"
         4: sync 1 c#2
         -> 4 after 1: assigned \"b\"",
    );
}

#[test]
fn a_sync_of_another_generation_member_or_group_is_refused() {
    let mut script = joined();
    script.sync(0, "c#1", &[]);
    script.sync(1, "c#9", &[]);
    script.shard = Script::new().shard;
    script.sync(1, "c#1", &[]);

    script.check(
        "3: sync 0 c#1
         -> 3: ILLEGAL_GENERATION
         4: sync 1 c#9
         -> 4: UNKNOWN_MEMBER_ID
         5: sync 1 c#1
         -> 5: UNKNOWN_MEMBER_ID",
    );
}

#[test]
fn version_5_has_to_name_the_groups_protocol() {
    let mut script = joined();
    let mut request = SyncGroupRequest {
        group_id: "g".into(),
        generation_id: 1,
        member_id: Str::from(id("c#2")),
        protocol_type: Some("consumer".into()),
        ..SyncGroupRequest::default()
    };
    script.request("unnamed", 5, "c", &Request::SyncGroup(request.clone()));
    request.protocol_name = Some("sticky".into());
    script.request("another", 5, "c", &Request::SyncGroup(request.clone()));
    request.protocol_name = Some("range".into());
    script.request("the right one", 5, "c", &Request::SyncGroup(request));

    script.check(
        "3: unnamed
         -> 3: INCONSISTENT_GROUP_PROTOCOL
         4: another
         -> 4: INCONSISTENT_GROUP_PROTOCOL
         5: the right one",
    );
}

#[test]
fn a_new_member_sends_those_who_wait_for_assignments_back_to_join() {
    let mut script = joined();
    script.sync(1, "c#2", &[]);
    script.join(3, join_as("", None));
    script.sync(1, "c#1", &[]);
    script.heartbeat(1, "c#1");

    script.check(
        "3: sync 1 c#2
         4: join v3
         -> 3: REBALANCE_IN_PROGRESS
         5: sync 1 c#1
         -> 5: REBALANCE_IN_PROGRESS
         6: heartbeat 1 c#1
         -> 6: REBALANCE_IN_PROGRESS",
    );
}

#[test]
fn an_assignment_that_no_record_can_hold_makes_the_group_rebalance() {
    let mut script = joined();
    script.sync(1, "c#2", &[]);
    let large = "x".repeat(10_000);
    script.sync(1, "c#1", &[("c#1", &large)]);
    script.heartbeat(1, "c#1");

    script.check(
        "3: sync 1 c#2
         4: sync 1 c#1
         -> 4: UNKNOWN_SERVER_ERROR
         -> 3: UNKNOWN_SERVER_ERROR
         5: heartbeat 1 c#1
         -> 5: REBALANCE_IN_PROGRESS",
    );
}

#[test]
fn a_second_sync_of_a_waiting_member_replaces_the_first() {
    let mut script = joined();
    script.sync(1, "c#2", &[]);
    script.sync(1, "c#2", &[]);

    script.check(
        "3: sync 1 c#2
         4: sync 1 c#2
         -> 3: REBALANCE_IN_PROGRESS",
    );
}

#[test]
fn heartbeats_are_fine_before_the_assignment_and_checked_always() {
    let mut script = joined();
    script.heartbeat(1, "c#2");
    script.heartbeat(2, "c#2");
    script.heartbeat(1, "c#9");

    script.check(
        "3: heartbeat 1 c#2
         -> 3: NONE
         4: heartbeat 2 c#2
         -> 4: ILLEGAL_GENERATION
         5: heartbeat 1 c#9
         -> 5: UNKNOWN_MEMBER_ID",
    );
}

#[test]
fn a_failed_write_sends_everybody_away() {
    let mut script = joined();
    script.sync(1, "c#2", &[]);
    script.silence();

    let shard = std::mem::replace(&mut script.shard, Script::new().shard);
    let mut effects = Effects::default();
    shard.abandon(ErrorCode::NOT_COORDINATOR, &mut effects);
    script.note("abandon", effects);

    script.check("abandon\n-> 3: NOT_COORDINATOR");
}

#[test]
fn an_assignment_that_memory_has_no_room_for_makes_members_join_again() {
    let mut script = joined();
    script.member_memory = script.shard.tally().member_bytes + 10;
    script.sync(1, "c#2", &[]);
    script.sync(1, "c#1", &[("c#2", "more than ten bytes")]);
    script.heartbeat(1, "c#2");

    script.check(
        "3: sync 1 c#2
         4: sync 1 c#1
         -> 4: COORDINATOR_NOT_AVAILABLE
         -> 3: COORDINATOR_NOT_AVAILABLE
         5: heartbeat 1 c#2
         -> 5: REBALANCE_IN_PROGRESS",
    );
}

#[test]
fn groups_and_rebalances_are_counted() {
    let mut script = Script::new();
    script.stable(None);
    script.commit(8, 1, "c#1", 5);
    script.commit(8, 1, "c#1", 6);
    let stable = *script.shard.tally();
    script.leave(3, &[("c#1", None)]);
    script.at(5_000_000);

    assert_eq!(
        stable,
        Tally {
            groups: [0, 0, 0, 1],
            offsets: 1,
            commits: 2,
            rebalances: 1,
            ..stable
        }
    );
    assert_eq!(
        *script.shard.tally(),
        Tally {
            commits: 2,
            rebalances: 1,
            expired_offsets: 1,
            ..Tally::default()
        }
    );
}
