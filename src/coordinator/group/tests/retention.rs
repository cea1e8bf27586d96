//! Which offsets and groups expire, and when. The retention is an hour, and looked after every ten
//! minutes.

use super::script::{Script, join_as, protocols};

#[test]
fn offsets_of_a_simple_consumer_expire_after_their_commit() {
    let mut script = Script::new();
    script.commit(8, -1, "", 5);
    script.silence();
    script.at(3_599_999);
    script.check("");
    script.at(3_600_000);

    script.check("at 3600000\n= g t-0 removed");
}

#[test]
fn offsets_of_a_group_expire_after_it_became_empty() {
    let mut script = Script::new();
    script.stable(None);
    script.commit(8, 1, "c#1", 5);
    for second in (10..5_000).step_by(9) {
        script.at(second * 1_000);
        script.heartbeat(1, "c#1");
    }
    script.leave(3, &[("c#1", None)]);
    script.silence();
    script.at(8_999_999);

    script.check("");
    script.at(9_000_000);
    script.check(
        "at 9000000
         = g t-0 removed
         = g removed",
    );
}

#[test]
fn a_stable_group_loses_offsets_of_topics_that_nobody_subscribes_to() {
    // Version 0, one topic, no user data.
    for (subscription, is_lost) in [
        ("\0\0\0\0\0\x01\0\x01u\0\0\0\0", true),
        ("\0\0\0\0\0\x01\0\x01t\0\0\0\0", false),
        ("?", false),
    ] {
        let mut script = Script::new();
        let mut join = join_as("", None);
        join.protocols = protocols(&[("range", subscription)]);
        join.session_timeout_ms = 1_800_000;
        script.join(3, join);
        script.at(3_000);
        script.sync(1, "c#1", &[]);
        script.commit(8, 1, "c#1", 5);
        for minute in 1..69 {
            script.at(minute * 60_000);
            script.heartbeat(1, "c#1");
        }
        script.silence();
        script.at(4_200_000);

        script.check(if is_lost {
            "at 4200000\n= g t-0 removed"
        } else {
            ""
        });
    }
}

#[test]
fn a_group_that_never_came_to_be_goes() {
    let mut script = Script::new();
    script.join(4, join_as("", None));
    script.silence();
    script.at(600_000);

    script.check("at 600000\n= g removed");
}
