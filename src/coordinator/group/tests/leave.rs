//! LeaveGroup: alone, in batches, in the name of others.

use super::script::{Script, join_as};

#[test]
fn the_last_member_leaves_an_empty_group() {
    let mut script = Script::new();
    script.stable(None);
    script.leave(5, &[("c#1", None)]);

    script.check(
        "3: leave v5
         = g 2 consumer/- led by - since 3000 []
         -> 3: NONE c#1:NONE",
    );
}

#[test]
fn an_old_version_has_one_member_and_its_error() {
    let mut script = Script::new();
    script.stable(None);
    script.leave(2, &[("c#9", None)]);
    script.leave(2, &[("c#1", None)]);

    script.check(
        "3: leave v2
         -> 3: UNKNOWN_MEMBER_ID
         4: leave v2
         = g 2 consumer/- led by - since 3000 []
         -> 4: NONE",
    );
}

#[test]
fn each_member_of_a_batch_has_its_own_error() {
    let mut script = Script::new();
    script.stable(Some("i"));
    script.join(3, join_as("", None));
    script.silence();
    script.leave(
        5,
        &[("", Some("i")), ("", Some("j")), ("", None), ("c#9", None)],
    );

    script.check(
        "4: leave v5
         -> 3: c#2 joined 2 range led by c#2 [c#2:s]
         -> 4: NONE i:NONE j:UNKNOWN_MEMBER_ID :UNKNOWN_MEMBER_ID c#9:UNKNOWN_MEMBER_ID",
    );
}

#[test]
fn members_of_a_group_that_is_not_there_are_unknown() {
    let mut script = Script::new();
    script.leave(3, &[("c#1", None)]);
    script.leave(1, &[("c#1", None)]);

    script.check(
        "1: leave v3
         -> 1: NONE c#1:UNKNOWN_MEMBER_ID
         2: leave v1
         -> 2: UNKNOWN_MEMBER_ID",
    );
}

#[test]
fn a_pending_member_that_leaves_holds_nobody_up() {
    let mut script = Script::new();
    script.stable(None);
    script.join(4, join_as("", None));
    script.join(4, join_as("c#1", None));
    script.leave(5, &[("c#2", None)]);

    script.check(
        "3: join v4
         -> 3: MEMBER_ID_REQUIRED c#2
         4: join v4 c#1
         5: leave v5
         -> 4: c#1 joined 2 range led by c#1 [c#1:s]
         -> 5: NONE c#2:NONE",
    );
}

#[test]
fn a_member_that_is_removed_while_it_waits_is_told_so() {
    let mut script = Script::new();
    script.join(5, join_as("", Some("i")));
    script.silence();
    script.leave(5, &[("", Some("i"))]);
    script.at(3_000);

    script.check(
        "2: leave v5
         -> 1: UNKNOWN_MEMBER_ID
         -> 2: NONE i:NONE
         at 3000
         = g 1 consumer/- led by - since 3000 []",
    );
}

#[test]
fn another_member_leads_when_the_leader_leaves() {
    let mut script = Script::new();
    script.join(3, join_as("", None));
    script.join(3, join_as("", None));
    script.at(6_000);
    script.sync(1, "c#1", &[]);
    script.silence();
    script.leave(3, &[("c#1", None)]);
    script.join(3, join_as("c#2", None));

    script.check(
        "4: leave v3
         -> 4: NONE c#1:NONE
         5: join v3 c#2
         -> 5: c#2 joined 2 range led by c#2 [c#2:s]",
    );
}
