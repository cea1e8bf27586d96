//! Loading: what a new shard knows, of records of all versions.

use super::script::{Script, TOPIC_ID, join_as, settings};
use crate::coordinator::group::GroupSettings;
use crate::coordinator::shard::{Shard as _, ShardRecord as _};
use crate::model::{Offset, ProducerId};
use crate::protocol::messages::offsets_records::{
    LegacyOffsetCommitKey, LegacyOffsetCommitValue, OffsetsRecord,
};

#[test]
fn members_go_on_in_a_loaded_group() {
    let mut script = Script::new();
    script.stable(None);
    script.commit(8, 1, "c#1", 5);
    script.silence();
    script.reload();
    script.heartbeat(1, "c#1");
    script.sync(1, "c#1", &[]);
    script.fetch(TOPIC_ID, true);

    script.check(
        "reload
         4: heartbeat 1 c#1
         -> 4: NONE
         5: sync 1 c#1
         -> 5 after 2: assigned \"a\"
         6: fetch
         -> 6 after 2: NONE t-0:5:NONE",
    );
}

#[test]
fn a_generation_that_was_not_written_is_forgotten() {
    let mut script = Script::new();
    script.stable(None);
    script.join(4, join_as("c#1", None));
    script.silence();
    script.reload();
    script.heartbeat(2, "c#1");

    script.check("reload\n4: heartbeat 2 c#1\n-> 4: ILLEGAL_GENERATION");
}

#[test]
fn sessions_begin_anew_when_a_group_is_loaded() {
    let mut script = Script::new();
    script.stable(None);
    script.at(12_000);
    script.reload();
    script.silence();
    script.at(21_999);
    script.check("");
    script.at(22_000);

    script.check("at 22000\n= g 2 consumer/- led by - since 22000 []");
}

#[test]
fn a_group_that_has_become_too_large_rebalances_when_it_is_loaded() {
    let mut script = Script::with(GroupSettings {
        max_size: 1,
        ..settings()
    });
    script.join(3, join_as("", None));
    script.join(3, join_as("", None));
    script.at(6_000);
    script.sync(1, "c#1", &[]);
    script.reload();
    script.silence();
    script.heartbeat(1, "c#1");

    script.check("4: heartbeat 1 c#1\n-> 4: NONE");
}

#[test]
fn records_of_every_version_are_read() {
    let mut script = Script::new();
    script.stable(None);
    script.commit(8, 1, "c#1", 5);
    for record in script.log.clone() {
        for version in 0..=record.max_version() {
            let (key, value) = record.encode(version);
            let decoded = OffsetsRecord::decode(key, value).expect("it was just encoded");
            let mut shard = crate::coordinator::group::GroupShard::new(settings().into());
            shard.replay(Offset(7), ProducerId::NONE, &decoded);
            assert_eq!(shard.next_offset(), Offset(8));
            assert_eq!(shard.groups().count(), 1, "{decoded:?}");
        }
        let (key, value) = record.to_bytes();
        assert_eq!(OffsetsRecord::decode(key, value), Ok(record));
    }
}

#[test]
fn the_oldest_offsets_are_read() {
    let mut script = Script::new();
    let key = LegacyOffsetCommitKey {
        group: "g".into(),
        topic: "t".into(),
        partition: 0,
    };
    let value = LegacyOffsetCommitValue {
        offset: 5,
        ..LegacyOffsetCommitValue::default()
    };
    let record = OffsetsRecord::LegacyOffsetCommit(key, Some(value));
    script.shard.replay(Offset::ZERO, ProducerId::NONE, &record);
    script.fetch(TOPIC_ID, true);

    script.check("1: fetch\n-> 1 after 0: NONE t-0:5:NONE");
}

#[test]
fn the_end_of_what_is_not_there_changes_nothing() {
    let mut script = Script::new();
    script.commit(8, -1, "", 5);
    for record in script.log.clone() {
        let OffsetsRecord::OffsetCommit(key, _) = record else {
            panic!("{record:?}");
        };
        let tombstone = OffsetsRecord::OffsetCommit(key, None);
        let mut shard = crate::coordinator::group::GroupShard::new(settings().into());
        shard.replay(Offset::ZERO, ProducerId::NONE, &tombstone);
        assert_eq!(shard.groups().count(), 0);
    }
}
