//! What happens when nobody says anything.

use super::script::{Script, join_as};

#[test]
fn a_silent_member_is_gone_after_its_session() {
    let mut script = Script::new();
    script.stable(None);
    script.at(8_000);
    script.heartbeat(1, "c#1");
    script.silence();
    script.at(17_999);
    script.check("");
    script.at(18_000);

    script.check("at 18000\n= g 2 consumer/- led by - since 18000 []");
}

#[test]
fn a_commit_keeps_a_member_alive() {
    let mut script = Script::new();
    script.stable(None);
    script.at(12_000);
    script.commit(8, 1, "c#1", 5);
    script.silence();
    script.at(21_999);

    script.check("");
}

#[test]
fn who_waits_in_a_rebalance_is_not_silent() {
    let mut script = Script::new();
    script.stable(None);
    for second in 3..60 {
        script.at(second * 1_000);
        script.heartbeat(1, "c#1");
    }
    let mut quick = join_as("", None);
    quick.rebalance_timeout_ms = 20_000;
    script.join(3, quick);
    script.silence();
    // c#1 keeps its heartbeats up, and never joins: it wants to be waited for 60 s.
    for second in 60..119 {
        script.at(second * 1_000);
        script.heartbeat(1, "c#1");
    }
    script.silence();
    script.at(119_000);

    script.check("at 119000\n-> 60: c#2 joined 2 range led by c#2 [c#2:s]");
}

#[test]
fn a_new_member_that_is_never_answered_is_gone_after_five_minutes() {
    let mut script = Script::new();
    script.stable(None);
    let mut patient = join_as("c#1", None);
    patient.rebalance_timeout_ms = 1_000_000;
    script.join(3, patient);
    script.sync(2, "c#1", &[]);
    script.join(3, join_as("", None));
    script.silence();
    for second in (4..303).step_by(5) {
        script.at(second * 1_000);
        script.heartbeat(2, "c#1");
    }
    script.silence();
    script.at(303_000);

    script.check("at 303000\n-> 5: UNKNOWN_MEMBER_ID");
}

#[test]
fn a_pending_member_holds_a_rebalance_up_until_its_session_is_over() {
    let mut script = Script::new();
    script.stable(None);
    script.join(4, join_as("", None));
    script.join(4, join_as("c#1", None));
    script.silence();
    script.at(12_999);
    script.check("");
    script.at(13_000);

    script.check("at 13000\n-> 4: c#1 joined 2 range led by c#1 [c#1:s]");
}

#[test]
fn a_member_that_never_asks_for_its_assignment_is_gone_after_the_rebalance_timeout() {
    let mut script = Script::new();
    script.join(3, join_as("", None));
    script.join(3, join_as("", None));
    script.at(6_000);
    script.sync(1, "c#1", &[]);
    script.silence();
    // Both send heartbeats; c#2 has not sent a SyncGroup.
    for second in 7..66 {
        script.at(second * 1_000);
        script.heartbeat(1, "c#1");
        script.heartbeat(1, "c#2");
    }
    script.silence();
    script.at(66_000);
    script.check("");
    script.heartbeat(1, "c#2");
    script.heartbeat(1, "c#1");

    script.check(
        "122: heartbeat 1 c#2
         -> 122: UNKNOWN_MEMBER_ID
         123: heartbeat 1 c#1
         -> 123: REBALANCE_IN_PROGRESS",
    );
}

#[test]
fn members_that_do_not_join_in_time_are_left_behind() {
    let mut script = Script::new();
    script.join(3, join_as("", None));
    script.join(3, join_as("", None));
    script.at(6_000);
    script.sync(1, "c#2", &[]);
    script.sync(1, "c#1", &[]);
    script.join(3, join_as("c#1", None));
    script.silence();
    for second in 7..66 {
        script.at(second * 1_000);
        script.heartbeat(1, "c#2");
    }
    script.silence();
    script.at(66_000);
    script.heartbeat(1, "c#2");

    script.check(
        "at 66000
         -> 5: c#1 joined 2 range led by c#1 [c#1:s]
         65: heartbeat 1 c#2
         -> 65: UNKNOWN_MEMBER_ID",
    );
}
