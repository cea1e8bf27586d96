//! The positions of groups.

use crate::model::Uuid;
use crate::protocol::Str;

message! {
    LegacyOffsetCommitKey: versions 0, first flexible never;

    pub struct LegacyOffsetCommitKey {
        group: Str,
        topic: Str,
        partition: i32,
    }
}

message! {
    LegacyOffsetCommitValue: versions 0, first flexible never;

    pub struct LegacyOffsetCommitValue {
        offset: i64,
        metadata: Str,
        commit_timestamp: i64,
    }
}

message! {
    OffsetCommitKey: versions 0, first flexible never;

    pub struct OffsetCommitKey {
        group: Str,
        topic: Str,
        partition: i32,
    }
}

message! {
    OffsetCommitValue: versions 0-4, first flexible 4;

    pub struct OffsetCommitValue {
        offset: i64,
        leader_epoch: i32 [3+] = -1,
        metadata: Str,
        commit_timestamp: i64,
        expire_timestamp: i64 [1-1] = -1,
    }
    tagged {
        0 => topic_id: Uuid [4+],
    }
}
