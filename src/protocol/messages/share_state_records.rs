//! The records of `__share_group_state` (KIP-932): how far a share group has come in a partition.

use crate::model::Uuid;
use crate::protocol::Str;
use crate::protocol::schema::RecordSchema;

message! {
    ShareSnapshotKey: versions 0, first flexible never;

    pub struct ShareSnapshotKey {
        group_id: Str,
        topic_id: Uuid,
        partition: i32,
    }
}

message! {
    ShareSnapshotValue: versions 0, first flexible 0;

    /// The whole state of a partition.
    pub struct ShareSnapshotValue {
        snapshot_epoch: i32,
        state_epoch: i32,
        leader_epoch: i32,
        start_offset: i64,
        create_timestamp: i64,
        write_timestamp: i64,
        state_batches: Vec<StateBatch>,
    }
    tagged {
        0 => delivery_complete_count: i32 = -1,
    }

    pub struct StateBatch {
        first_offset: i64,
        last_offset: i64,
        delivery_state: i8,
        delivery_count: i16,
    }
}

message! {
    ShareUpdateKey: versions 0, first flexible never;

    pub struct ShareUpdateKey {
        group_id: Str,
        topic_id: Uuid,
        partition: i32,
    }
}

message! {
    ShareUpdateValue: versions 0, first flexible 0;

    /// What has changed since the last snapshot.
    pub struct ShareUpdateValue {
        snapshot_epoch: i32,
        leader_epoch: i32,
        start_offset: i64,
        state_batches: Vec<StateBatch>,
    }
    tagged {
        0 => delivery_complete_count: i32 = -1,
    }
}

/// The definition of the type with this number.
pub fn definition(number: i16) -> Option<RecordSchema> {
    match number {
        0 => Some(RecordSchema::of::<ShareSnapshotKey, ShareSnapshotValue>()),
        1 => Some(RecordSchema::of::<ShareUpdateKey, ShareUpdateValue>()),
        _ => None,
    }
}
