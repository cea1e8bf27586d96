//! Topics and their partitions.

use crate::model::Uuid;
use crate::protocol::Str;

message! {
    TopicRecord: versions 0, first flexible 0;

    /// A topic is created; its partitions follow.
    pub struct TopicRecord {
        name: Str,
        topic_id: Uuid,
    }
}

message! {
    RemoveTopicRecord: versions 0, first flexible 0;

    /// A topic is deleted, and its partitions with it.
    pub struct RemoveTopicRecord {
        topic_id: Uuid,
    }
}

message! {
    PartitionRecord: versions 0-2, first flexible 0;

    /// The whole state of a partition.
    pub struct PartitionRecord {
        partition_id: i32 = -1,
        topic_id: Uuid,
        replicas: Vec<i32>,
        isr: Vec<i32>,
        removing_replicas: Vec<i32>,
        adding_replicas: Vec<i32>,
        leader: i32 = -1,
        leader_epoch: i32 = -1,
        partition_epoch: i32 = -1,
        directories: Vec<Uuid> [1+],
    }
    tagged {
        0 => leader_recovery_state: i8,
        1 => eligible_leader_replicas: Option<Vec<i32>> [2+],
        2 => last_known_elr: Option<Vec<i32>> [2+],
    }
}

message! {
    PartitionChangeRecord: versions 0-2, first flexible 0;

    /// What has changed of a partition; the default of a field means that it has not.
    pub struct PartitionChangeRecord {
        partition_id: i32 = -1,
        topic_id: Uuid,
    }
    tagged {
        0 => isr: Option<Vec<i32>>,
        1 => leader: i32 = -2,
        2 => replicas: Option<Vec<i32>>,
        3 => removing_replicas: Option<Vec<i32>>,
        4 => adding_replicas: Option<Vec<i32>>,
        5 => leader_recovery_state: i8 = -1,
        6 => eligible_leader_replicas: Option<Vec<i32>> [2+],
        7 => last_known_elr: Option<Vec<i32>> [2+],
        8 => directories: Option<Vec<Uuid>> [1+],
    }
}

message! {
    ClearElrRecord: versions 0, first flexible 0;

    /// The eligible leader replicas of a topic, or of all topics, are cleared.
    pub struct ClearElrRecord {
        topic_name: Str,
    }
}
