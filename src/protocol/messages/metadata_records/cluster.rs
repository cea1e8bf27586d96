//! What concerns the cluster as a whole: features, producer ids, the migration from ZooKeeper.

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

    /// A broker has been given the producer ids below `next_producer_id`.
    pub struct ProducerIdsRecord {
        broker_id: i32,
        broker_epoch: i64 = -1,
        next_producer_id: i64,
    }
}

message! {
    ZkMigrationStateRecord: versions 0, first flexible 0;

    /// How far the migration from ZooKeeper is: there is none here.
    pub struct ZkMigrationStateRecord {
        zk_migration_state: i8,
    }
}

message! {
    NoOpRecord: versions 0, first flexible 0;

    /// Nothing: written when idle, so that a leader knows it can still commit.
    pub struct NoOpRecord {}
}
