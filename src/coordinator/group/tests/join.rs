//! JoinGroup: who is let in, who has to come again, and when a generation begins.

use super::script::{Script, id, join_as, protocols, settings};
use crate::coordinator::group::{GroupSettings, Tally};
use crate::coordinator::shard::Shard as _;
use crate::protocol::Str;

#[test]
fn a_member_is_told_its_id_first() {
    let mut script = Script::new();
    script.join(4, join_as("", None));
    script.join(4, join_as("c#1", None));
    script.at(3_000);

    script.check(
        "1: join v4
         = g 0 /- led by - since 0 []
         -> 1: MEMBER_ID_REQUIRED c#1
         2: join v4 c#1
         at 3000
         -> 2: c#1 joined 1 range led by c#1 [c#1:s]",
    );
}

#[test]
fn an_old_client_joins_at_once() {
    let mut script = Script::new();
    script.join(3, join_as("", None));
    script.at(3_000);

    script.check(
        "1: join v3
         = g 0 /- led by - since 0 []
         at 3000
         -> 1: c#1 joined 1 range led by c#1 [c#1:s]",
    );
}

#[test]
fn the_first_rebalance_waits_longer_while_members_come() {
    let mut script = Script::new();
    script.join(3, join_as("", None));
    script.at(2_000);
    script.join(3, join_as("", None));
    script.silence();
    script.at(5_999);
    script.check("");
    script.at(6_000);

    script.check(
        "at 6000
         -> 1: c#1 joined 1 range led by c#1 [c#1:s c#2:s]
         -> 2: c#2 joined 1 range led by c#1 []",
    );
}

#[test]
fn the_first_rebalance_ends_with_the_rebalance_timeout() {
    let mut script = Script::new();
    for second in 0..5_u64 {
        script.at(second * 1_000);
        let mut join = join_as("", None);
        join.rebalance_timeout_ms = 5_000;
        script.join(3, join);
    }
    script.silence();
    script.at(5_000);

    script.check(
        "at 5000
         -> 1: c#1 joined 1 range led by c#1 [c#1:s c#2:s c#3:s c#4:s c#5:s]
         -> 2: c#2 joined 1 range led by c#1 []
         -> 3: c#3 joined 1 range led by c#1 []
         -> 4: c#4 joined 1 range led by c#1 []
         -> 5: c#5 joined 1 range led by c#1 []",
    );
}

#[test]
fn a_session_timeout_out_of_bounds_is_refused() {
    let mut script = Script::new();
    let mut join = join_as("", None);
    join.session_timeout_ms = 5_999;
    script.join(4, join.clone());
    join.session_timeout_ms = 1_800_001;
    script.join(4, join);

    script.check(
        "1: join v4
         -> 1: INVALID_SESSION_TIMEOUT
         2: join v4
         -> 2: INVALID_SESSION_TIMEOUT",
    );
}

#[test]
fn a_group_needs_an_id() {
    let mut script = Script::new();
    let mut join = join_as("", None);
    join.group_id = Str::EMPTY;
    script.join(4, join);

    script.check("1: join v4\n-> 1: INVALID_GROUP_ID");
}

#[test]
fn a_member_of_a_group_that_is_gone_begins_anew() {
    let mut script = Script::new();
    script.join(4, join_as("c#9", None));

    script.check("1: join v4 c#9\n-> 1: UNKNOWN_MEMBER_ID c#9");
}

#[test]
fn an_unknown_member_begins_anew() {
    let mut script = Script::new();
    script.stable(None);
    script.join(4, join_as("c#9", None));

    script.check("3: join v4 c#9\n-> 3: UNKNOWN_MEMBER_ID c#9");
}

#[test]
fn another_type_or_no_common_protocol_is_inconsistent() {
    let mut script = Script::new();
    script.stable(None);
    let mut connect = join_as("", None);
    connect.protocol_type = "connect".into();
    script.join(4, connect);
    let mut other = join_as("", None);
    other.protocols = protocols(&[("roundrobin", "s")]);
    script.join(4, other);

    script.check(
        "3: join v4
         -> 3: INCONSISTENT_GROUP_PROTOCOL
         4: join v4
         -> 4: INCONSISTENT_GROUP_PROTOCOL",
    );
}

#[test]
fn a_member_without_protocols_is_inconsistent() {
    let mut script = Script::new();
    let mut join = join_as("", None);
    join.protocols.clear();
    script.join(4, join);

    script.check(
        "1: join v4
         = g 0 /- led by - since 0 []
         -> 1: INCONSISTENT_GROUP_PROTOCOL",
    );
}

#[test]
fn the_protocol_that_most_prefer_among_the_common_ones_is_chosen() {
    let mut script = Script::new();
    let preferences: [&[(&str, &str)]; 3] = [
        &[("x", "1"), ("range", "1"), ("sticky", "1")],
        &[("sticky", "2"), ("range", "2")],
        &[("sticky", "3"), ("range", "3"), ("x", "3")],
    ];
    for preference in preferences {
        let mut join = join_as("", None);
        join.protocols = protocols(preference);
        script.join(3, join);
    }
    script.silence();
    script.at(6_000);

    script.check(
        "at 6000
         -> 1: c#1 joined 1 sticky led by c#1 [c#1:1 c#2:2 c#3:3]
         -> 2: c#2 joined 1 sticky led by c#1 []
         -> 3: c#3 joined 1 sticky led by c#1 []",
    );
}

#[test]
fn a_new_member_makes_a_stable_group_rebalance() {
    let mut script = Script::new();
    script.stable(None);
    script.join(3, join_as("", None));
    script.heartbeat(1, "c#1");
    script.join(3, join_as("c#1", None));

    script.check(
        "3: join v3
         4: heartbeat 1 c#1
         -> 4: REBALANCE_IN_PROGRESS
         5: join v3 c#1
         -> 5: c#1 joined 2 range led by c#1 [c#1:s c#2:s]
         -> 3: c#2 joined 2 range led by c#1 []",
    );
}

#[test]
fn a_leader_that_joins_again_makes_a_stable_group_rebalance() {
    let mut script = Script::new();
    script.stable(None);
    script.join(4, join_as("c#1", None));

    script.check("3: join v4 c#1\n-> 3: c#1 joined 2 range led by c#1 [c#1:s]");
}

/// Two members in a Stable group of generation 2; `c#1` leads.
fn pair() -> Script {
    let mut script = Script::new();
    script.stable(None);
    script.join(3, join_as("", None));
    script.join(3, join_as("c#1", None));
    script.sync(2, "c#2", &[]);
    script.sync(2, "c#1", &[("c#1", "a"), ("c#2", "b")]);
    script.silence();
    script
}

#[test]
fn a_follower_that_joins_again_unchanged_gets_the_same_generation() {
    let mut script = pair();
    script.join(4, join_as("c#2", None));

    script.check("7: join v4 c#2\n-> 7: c#2 joined 2 range led by c#1 []");
}

#[test]
fn a_follower_with_another_subscription_makes_the_group_rebalance() {
    let mut script = pair();
    let mut join = join_as("c#2", None);
    join.protocols = protocols(&[("range", "other")]);
    script.join(4, join);
    script.join(4, join_as("c#1", None));

    script.check(
        "7: join v4 c#2
         8: join v4 c#1
         -> 8: c#1 joined 3 range led by c#1 [c#1:s c#2:other]
         -> 7: c#2 joined 3 range led by c#1 []",
    );
}

#[test]
fn a_member_that_missed_the_answer_gets_the_generation_again() {
    let mut script = Script::new();
    script.join(3, join_as("", None));
    script.at(3_000);
    script.silence();
    script.join(4, join_as("c#1", None));

    script.check("2: join v4 c#1\n-> 2: c#1 joined 1 range led by c#1 [c#1:s]");
}

#[test]
fn a_second_request_of_a_waiting_member_replaces_the_first() {
    let mut script = pair();
    let mut join = join_as("c#2", None);
    join.protocols = protocols(&[("range", "other")]);
    script.join(4, join.clone());
    script.join(4, join);

    script.check(
        "7: join v4 c#2
         8: join v4 c#2
         -> 7: REBALANCE_IN_PROGRESS c#2",
    );
}

#[test]
fn a_full_group_refuses_new_members_only() {
    let mut script = Script::with(GroupSettings {
        max_size: 1,
        ..settings()
    });
    script.stable(None);
    script.join(4, join_as("", None));
    script.join(4, join_as("c#1", None));

    script.check(
        "3: join v4
         -> 3: GROUP_MAX_SIZE_REACHED
         4: join v4 c#1
         -> 4: c#1 joined 2 range led by c#1 [c#1:s]",
    );
}

#[test]
fn a_subscription_that_no_record_can_hold_is_refused_and_the_group_unharmed() {
    let mut script = Script::new();
    script.stable(None);
    let mut join = join_as("", None);
    let large = "x".repeat(10_001);
    join.protocols = protocols(&[("range", &large)]);
    script.join(4, join);
    script.heartbeat(1, "c#1");

    script.check(
        "3: join v4
         -> 3: GROUP_MAX_SIZE_REACHED
         4: heartbeat 1 c#1
         -> 4: NONE",
    );
}

#[test]
fn members_beyond_the_memory_of_all_come_again_later_and_make_no_group() {
    let mut script = Script::new();
    script.member_memory = 6_000;
    for _ in 0..3 {
        script.join(4, join_as("", None));
    }
    let mut join = join_as("", None);
    join.protocols = protocols(&[("range", &"x".repeat(6_000))]);
    script.join(4, join.clone());
    join.group_id = "other".into();
    script.join(4, join);

    script.check(
        "1: join v4
         = g 0 /- led by - since 0 []
         -> 1: MEMBER_ID_REQUIRED c#1
         2: join v4
         -> 2: MEMBER_ID_REQUIRED c#2
         3: join v4
         -> 3: MEMBER_ID_REQUIRED c#3
         4: join v4
         -> 4: COORDINATOR_LOAD_IN_PROGRESS
         5: join v4
         -> 5: COORDINATOR_LOAD_IN_PROGRESS",
    );
}

#[test]
fn members_that_are_there_join_again_where_new_ones_find_no_room() {
    let mut script = Script::with(GroupSettings {
        reserved_bytes: 3_000,
        ..settings()
    });
    script.stable(None);
    let larger = |bytes| {
        let mut join = join_as("c#1", None);
        join.protocols = protocols(&[("range", "s"), ("other", &"x".repeat(bytes))]);
        join
    };
    script.member_memory = script.shard.tally().member_bytes + 3_000;
    script.join(4, join_as("", None));
    script.join(4, larger(4_000));
    script.join(4, larger(2_000));
    script.sync(2, "c#1", &[("c#1", "b")]);
    script.member_memory = 0;
    script.join(4, larger(1_500));

    script.check(
        "3: join v4
         -> 3: COORDINATOR_LOAD_IN_PROGRESS
         4: join v4 c#1
         -> 4: COORDINATOR_LOAD_IN_PROGRESS c#1
         5: join v4 c#1
         -> 5: c#1 joined 2 range led by c#1 [c#1:s]
         6: sync 2 c#1
         = g 2 consumer/range led by c#1 since 3000 [c#1:s:b]
         -> 6 after 2: assigned \"b\"
         7: join v4 c#1
         -> 7: c#1 joined 3 range led by c#1 [c#1:s]",
    );
    assert_eq!(script.shard.tally().refused_members, 2);
}

#[test]
fn a_group_that_takes_too_much_memory_takes_no_more_members() {
    let mut script = Script::with(GroupSettings {
        max_group_bytes: 8_000,
        ..settings()
    });
    script.stable(None);
    let mut join = join_as("", None);
    // None of them is too large for a record, all together are too large for memory.
    let metadata = "x".repeat(3_000);
    join.protocols = protocols(&[("a", &metadata), ("b", &metadata), ("range", &metadata)]);
    script.join(4, join);
    script.heartbeat(1, "c#1");

    script.check(
        "3: join v4
         -> 3: GROUP_MAX_SIZE_REACHED
         4: heartbeat 1 c#1
         -> 4: NONE",
    );
}

#[test]
fn what_members_take_is_given_back_when_they_are_gone() {
    let mut script = Script::new();
    assert_eq!(script.shard.tally().member_bytes, 0);
    script.join(4, join_as("", None));
    let pending = script.shard.tally().member_bytes;
    script.join(4, join_as("c#1", None));
    let joined = script.shard.tally().member_bytes;
    script.leave(3, &[("c#1", None)]);
    let left = script.shard.tally().member_bytes;
    script.at(4_000_000);

    assert!(0 < pending && pending < joined);
    assert_eq!(left, 0, "an empty group keeps members of others out");
    assert_eq!(*script.shard.tally(), Tally::default());
}

#[test]
fn a_thousand_protocols_of_one_name_count_as_one_and_many_as_many() {
    let bytes_with = |names: &[String]| {
        let mut script = Script::with(GroupSettings {
            max_group_bytes: 10_000_000,
            ..settings()
        });
        let mut join = join_as("", None);
        let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
        join.protocols = protocols(&all);
        script.join(3, join);
        script.shard.tally().member_bytes
    };
    let same: Vec<String> = (0..1_000).map(|_| "range".to_owned()).collect();
    let different: Vec<String> = (0..1_000).map(|n| format!("range-{n}")).collect();

    assert_eq!(bytes_with(&same), bytes_with(&same[..1]));
    assert!(bytes_with(&different) > 50_000);
}

#[test]
fn version_0_has_the_session_timeout_as_its_rebalance_timeout() {
    let mut script = Script::new();
    let mut join = join_as("", None);
    join.rebalance_timeout_ms = -1;
    script.join(0, join);
    script.at(3_000);
    script.sync(1, "c#1", &[("c#1", "a")]);

    let crate::protocol::messages::offsets_records::OffsetsRecord::GroupMetadata(_, Some(value)) =
        &script.log[1]
    else {
        panic!("{:?}", script.log);
    };
    assert_eq!(value.members[0].rebalance_timeout, 10_000);
    assert_eq!(value.members[0].member_id, id("c#1").as_str());
}
