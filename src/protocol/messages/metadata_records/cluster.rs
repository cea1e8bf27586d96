//! Records of the cluster as a whole: features, producer ids, the migration from ZooKeeper.

use crate::protocol::Str;

message! {
    FeatureLevelRecord: versions 0, first flexible 0;

    /// The finalised level of a feature; 0 removes it.
    pub struct FeatureLevelRecord {
        name: Str,
        feature_level: i16,
    }
}

message! {
    ProducerIdsRecord: versions 0, first flexible 0;

    /// A broker was given the producer ids below `next_producer_id`.
    pub struct ProducerIdsRecord {
        broker_id: i32,
        broker_epoch: i64 = -1,
        next_producer_id: i64,
    }
}

message! {
    ZkMigrationStateRecord: versions 0, first flexible 0;

    /// The state of a migration from ZooKeeper: there is none here.
    pub struct ZkMigrationStateRecord {
        zk_migration_state: i8,
    }
}

message! {
    NoOpRecord: versions 0, first flexible 0;

    /// A record without meaning, written when the log is idle: so a leader learns whether it can still
    /// commit.
    pub struct NoOpRecord {}
}
