//! OffsetCommit, OffsetFetch and OffsetDelete.

use super::pending_offsets::{end, pending_of};
use super::script::{Script, TOPIC_ID, commit_of, join_as, protocols};
use crate::coordinator::group::{Answer, DeletedTopic, Effects, Request};
use crate::coordinator::shard::{Caller, Shard as _, Token, TransactionOutcome};
use crate::model::{Offset, Uuid};
use crate::protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use crate::protocol::messages::offset_fetch::OffsetFetchRequestGroup;
use crate::protocol::messages::offsets_records::OffsetsRecord;
use crate::protocol::{ErrorCode, Str};

#[test]
fn anybody_commits_for_a_group_without_members() {
    let mut script = Script::new();
    script.commit(8, -1, "", 5);
    script.fetch(TOPIC_ID, true);

    script.check(
        "1: commit v8 -1
         = g t-0 at 5 \"\"
         -> 1 after 0: NONE
         2: fetch
         -> 2 after 0: NONE t-0:5:NONE",
    );
}

#[test]
fn offsets_beyond_the_memory_of_all_are_refused_and_groups_at_work_go_on() {
    let mut script = Script::new();
    script.commit(8, -1, "", 5);
    script.offset_memory = script.shard.tally().offset_bytes;
    script.commit(8, -1, "", 6);
    let mut longer = commit_of(-1, "", 7);
    longer.topics[0].partitions[0].committed_metadata = Some("text".into());
    script.request("longer", 8, "c", &Request::OffsetCommit(longer));
    let mut partition = commit_of(-1, "", 7);
    partition.topics[0].partitions[0].partition_index = 1;
    script.request("partition", 8, "c", &Request::OffsetCommit(partition));
    let mut group = commit_of(-1, "", 7);
    group.group_id = "h".into();
    script.request("group", 8, "c", &Request::OffsetCommit(group.clone()));
    let mut join = join_as("", None);
    join.group_id = "i".into();
    script.join(3, join);
    script.request("delete", 2, "c", &Request::DeleteGroups(vec!["g".into()]));
    script.request("group", 8, "c", &Request::OffsetCommit(group));

    script.check(
        "1: commit v8 -1
         = g t-0 at 5 \"\"
         -> 1 after 0: NONE
         2: commit v8 -1
         = g t-0 at 6 \"\"
         -> 2 after 1: NONE
         3: longer
         -> 3: COORDINATOR_LOAD_IN_PROGRESS
         4: partition
         -> 4: COORDINATOR_LOAD_IN_PROGRESS
         5: group
         -> 5: COORDINATOR_LOAD_IN_PROGRESS
         6: join v3
         -> 6: COORDINATOR_LOAD_IN_PROGRESS
         7: delete
         = g t-0 removed
         = g removed
         -> 7 after 3: g NONE
         8: group
         = h t-0 at 7 \"\"
         -> 8 after 4: NONE",
    );
}

#[test]
fn what_was_committed_is_loaded_whatever_memory_is_left() {
    let mut script = Script::new();
    script.commit(8, -1, "", 5);
    script.offset_memory = 0;
    script.reload();
    script.silence();
    script.fetch(TOPIC_ID, true);
    script.commit(8, -1, "", 6);

    script.check(
        "2: fetch
         -> 2 after 0: NONE t-0:5:NONE
         3: commit v8 -1
         = g t-0 at 6 \"\"
         -> 3 after 1: NONE",
    );
}

#[test]
fn a_group_of_which_nothing_is_left_takes_no_memory() {
    let mut script = Script::new();
    script.stable(None);
    script.commit(8, 1, "c#1", 5);
    let with_members = script.shard.tally().offset_bytes;
    script.leave(5, &[("c#1", None)]);
    assert!(script.shard.tally().offset_bytes > with_members);

    script.request("delete", 2, "c", &Request::DeleteGroups(vec!["g".into()]));

    assert_eq!(script.shard.tally().offset_bytes, 0);
    assert_eq!(script.shard.tally().member_bytes, 0);
}

#[test]
fn nobody_commits_for_the_members_of_a_group() {
    let mut script = Script::new();
    script.stable(None);
    script.commit(8, -1, "", 5);
    script.commit(8, 1, "c#9", 5);
    script.commit(8, 0, "c#1", 5);
    script.commit(8, 1, "c#1", 5);

    script.check(
        "3: commit v8 -1
         -> 3: UNKNOWN_MEMBER_ID
         4: commit v8 1 c#9
         -> 4: UNKNOWN_MEMBER_ID
         5: commit v8 0 c#1
         -> 5: ILLEGAL_GENERATION
         6: commit v8 1 c#1
         = g t-0 at 5 \"\"
         -> 6 after 2: NONE",
    );
}

#[test]
fn a_member_commits_while_it_is_to_join_again_but_not_before_its_assignment() {
    let mut script = Script::new();
    script.stable(None);
    script.join(3, join_as("", None));
    script.commit(8, 1, "c#1", 5);
    script.join(3, join_as("c#1", None));
    script.commit(8, 2, "c#1", 6);

    script.check(
        "3: join v3
         4: commit v8 1 c#1
         = g t-0 at 5 \"\"
         -> 4 after 2: NONE
         5: join v3 c#1
         -> 5: c#1 joined 2 range led by c#1 [c#1:s c#2:s]
         -> 3: c#2 joined 2 range led by c#1 []
         6: commit v8 2 c#1
         -> 6: REBALANCE_IN_PROGRESS",
    );
}

#[test]
fn a_generation_of_a_group_that_is_not_there_is_refused_by_version() {
    let mut script = Script::new();
    script.commit(8, 1, "c#1", 5);
    script.commit(9, 1, "c#1", 5);

    script.check(
        "1: commit v8 1 c#1
         -> 1: ILLEGAL_GENERATION
         2: commit v9 1 c#1
         -> 2: GROUP_ID_NOT_FOUND",
    );
}

#[test]
fn metadata_that_is_too_long_refuses_its_partition_only() {
    let mut script = Script::new();
    let mut request = commit_of(-1, "", 5);
    let mut partition = request.topics[0].partitions[0].clone();
    request.topics[0].partitions[0].committed_metadata = Some("x".repeat(11).into());
    // Ten units of UTF-16, and more bytes.
    partition.committed_metadata = Some("\u{e9}".repeat(10).into());
    partition.partition_index = 1;
    request.topics[0].partitions.push(partition);
    script.request("commit", 8, "c", &Request::OffsetCommit(request));

    script.check(
        "1: commit
         = g t-1 at 5 \"éééééééééé\"
         -> 1 after 0: OFFSET_METADATA_TOO_LARGE NONE",
    );
}

#[test]
fn an_old_client_says_how_long_its_offset_is_kept() {
    let mut script = Script::new();
    let mut request = commit_of(-1, "", 5);
    request.retention_time_ms = 700_000;
    script.request("commit", 4, "c", &Request::OffsetCommit(request));
    script.check("1: commit\n= g t-0 at 5 \"\" until 1700000\n-> 1 after 0: NONE");

    script.at(1_199_999);
    script.check("");
    script.at(1_200_000);

    script.check("at 1200000\n= g t-0 removed");
}

#[test]
fn an_offset_of_another_topic_of_that_name_does_not_exist() {
    let mut script = Script::new();
    script.commit(8, -1, "", 5);
    script.silence();
    script.fetch(Uuid::from_bytes([9; 16]), true);
    script.fetch(Uuid::ZERO, true);

    script.check(
        "2: fetch
         -> 2 after 0: NONE t-0:-1:NONE
         3: fetch
         -> 3 after 0: NONE t-0:5:NONE",
    );
}

#[test]
fn a_group_that_is_not_there_has_no_offsets_and_no_error() {
    let mut script = Script::new();
    script.fetch(TOPIC_ID, true);
    let group = OffsetFetchRequestGroup {
        group_id: "g".into(),
        ..OffsetFetchRequestGroup::default()
    };
    let all = Request::OffsetFetch {
        group,
        require_stable: false,
    };
    script.request("fetch all", 8, "c", &all);

    script.check(
        "1: fetch
         -> 1: NONE t-0:-1:NONE
         2: fetch all
         -> 2: NONE",
    );
}

#[test]
fn all_topics_are_fetched_by_name() {
    let mut script = Script::new();
    script.commit(8, -1, "", 5);
    script.silence();
    let group = OffsetFetchRequestGroup {
        group_id: "g".into(),
        topics: None,
        ..OffsetFetchRequestGroup::default()
    };
    let all = Request::OffsetFetch {
        group,
        require_stable: true,
    };
    script.request("fetch all", 8, "c", &all);

    script.check("2: fetch all\n-> 2 after 0: NONE t-0:5:NONE");
}

fn delete(script: &mut Script) -> (Vec<OffsetsRecord>, Answer) {
    let request = OffsetDeleteRequest {
        group_id: "g".into(),
        topics: vec![OffsetDeleteRequestTopic {
            name: "t".into(),
            partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
        }],
    };
    let caller = Caller {
        token: Token(0),
        version: 0,
        client_id: Str::EMPTY,
        client_host: Str::EMPTY,
    };
    let mut effects = Effects::default();
    let now = script.now();
    script
        .shard
        .handle(now, &caller, &Request::OffsetDelete(request), &mut effects);
    let answer = effects.replies.remove(0).answer;
    (effects.records, answer)
}

fn codes(answer: &Answer) -> (ErrorCode, Option<ErrorCode>) {
    let Answer::OffsetDelete(response) = answer else {
        panic!("{answer:?}");
    };
    let partition = response
        .topics
        .first()
        .map(|topic| topic.partitions[0].error_code);
    (response.error_code, partition)
}

#[test]
fn offsets_of_topics_that_nobody_reads_can_be_deleted() {
    let mut script = Script::new();
    assert_eq!(
        codes(&delete(&mut script).1),
        (ErrorCode::GROUP_ID_NOT_FOUND, None)
    );
    script.commit(8, -1, "", 5);

    let (records, answer) = delete(&mut script);

    assert_eq!(codes(&answer), (ErrorCode::NONE, Some(ErrorCode::NONE)));
    assert_eq!(records.len(), 1);
    assert!(matches!(&records[0], OffsetsRecord::OffsetCommit(_, None)));
}

#[test]
fn offsets_of_a_topic_that_members_subscribe_to_stay() {
    // Version 0, one topic "t", no user data; and one that cannot be read.
    for subscription in ["\0\0\0\0\0\x01\0\x01t\0\0\0\0", "?"] {
        let mut script = Script::new();
        let mut join = join_as("", None);
        join.protocols = protocols(&[("range", subscription)]);
        script.join(3, join);
        script.at(3_000);
        script.sync(1, "c#1", &[]);
        script.commit(8, 1, "c#1", 5);

        let (records, answer) = delete(&mut script);

        let subscribed = ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC;
        assert_eq!(codes(&answer), (ErrorCode::NONE, Some(subscribed)));
        assert_eq!(records, []);
    }
}

#[test]
fn offsets_of_members_that_are_no_consumers_stay() {
    let mut script = Script::new();
    let mut join = join_as("", None);
    join.protocol_type = "connect".into();
    script.join(3, join);

    let (records, answer) = delete(&mut script);

    assert_eq!(codes(&answer), (ErrorCode::NON_EMPTY_GROUP, None));
    assert_eq!(records, []);
}

#[test]
fn offsets_go_with_their_topic_but_not_with_another_of_its_name() {
    let mut script = Script::new();
    script.commit(8, -1, "", 5);
    script.silence();
    for id in [Uuid::from_bytes([9; 16]), TOPIC_ID] {
        let topic = DeletedTopic {
            name: "t".into(),
            id,
        };
        let mut effects = Effects::default();
        script.shard.topics_deleted(&[topic], &mut effects);
        script.note("deleted", effects);
    }

    script.check("deleted\ndeleted\n= g t-0 removed");
    assert_eq!(script.shard.next_offset(), Offset(2));
}

#[test]
fn offsets_of_topics_that_went_unnoticed_are_removed() {
    for (id, is_removed) in [
        (None, true),
        (Some(Uuid::from_bytes([9; 16])), true),
        (Some(TOPIC_ID), false),
    ] {
        let mut script = Script::new();
        script.commit(8, -1, "", 5);
        script.reload();
        script.silence();
        let mut effects = Effects::default();
        let count = script.shard.delete_orphans(|_| id, &mut effects);
        script.note("loaded", effects);

        assert_eq!(count, usize::from(is_removed), "{id:?}");
        script.check(if is_removed {
            "loaded\n= g t-0 removed"
        } else {
            "loaded"
        });
        let deleted = script.shard.tally().deleted_offsets;
        assert_eq!(deleted, u64::from(is_removed));
    }
}

#[test]
fn an_offset_of_a_topic_that_is_there_keeps_its_partition_from_being_removed() {
    let successor = Uuid::from_bytes([9; 16]);
    for (id, is_removed) in [(successor, false), (Uuid::from_bytes([8; 16]), true)] {
        let mut script = Script::new();
        script.commit(8, -1, "", 5);
        pending_of(&mut script, successor, 6, 1);
        script.silence();
        let mut effects = Effects::default();

        let count = script.shard.delete_orphans(|_| Some(id), &mut effects);

        assert_eq!(count, usize::from(is_removed), "{id:?}");
        end(&mut script, 1, TransactionOutcome::Commit);
        script.fetch(successor, true);
        script.check(if is_removed {
            "2: fetch\n-> 2: NONE t-0:-1:NONE"
        } else {
            "2: fetch\n-> 2 after 2: NONE t-0:6:NONE"
        });
    }
}

#[test]
fn offsets_whose_topic_id_is_not_known_go_only_when_no_topic_has_the_name() {
    for (id, is_removed) in [(None, true), (Some(TOPIC_ID), false)] {
        let mut script = Script::new();
        let mut request = commit_of(-1, "", 5);
        request.retention_time_ms = 1_000_000;
        script.request("commit", 4, "c", &Request::OffsetCommit(request));
        let mut effects = Effects::default();

        let count = script.shard.delete_orphans(|_| id, &mut effects);

        assert_eq!(count, usize::from(is_removed), "{id:?}");
    }
}

#[test]
fn a_commit_that_does_not_fit_a_batch_is_refused_whole() {
    let mut script = Script::new();
    let mut request = commit_of(-1, "", 5);
    let partition = request.topics[0].partitions[0].clone();
    request.topics[0].partitions = vec![partition; 200];
    script.request("commit", 8, "c", &Request::OffsetCommit(request));

    assert_eq!(script.shard.next_offset(), Offset(0));
    assert_eq!(script.shard.groups().count(), 0);
}

#[test]
fn a_partition_that_is_named_many_times_is_deleted_once() {
    let mut script = Script::new();
    script.commit(8, -1, "", 5);
    let partition = OffsetDeleteRequestPartition { partition_index: 0 };
    let request = OffsetDeleteRequest {
        group_id: "g".into(),
        topics: vec![OffsetDeleteRequestTopic {
            name: "t".into(),
            partitions: vec![partition; 1_000],
        }],
    };
    script.request("delete", 0, "c", &Request::OffsetDelete(request));

    assert_eq!(script.shard.next_offset(), Offset(2));
}
