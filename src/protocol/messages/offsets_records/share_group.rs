//! Share groups (KIP-932).

use crate::model::Uuid;
use crate::protocol::Str;

message! {
    ShareGroupMemberMetadataKey: versions 0, first flexible never;

    pub struct ShareGroupMemberMetadataKey {
        group_id: Str,
        member_id: Str,
    }
}

message! {
    ShareGroupMemberMetadataValue: versions 0, first flexible 0;

    pub struct ShareGroupMemberMetadataValue {
        rack_id: Option<Str>,
        client_id: Str,
        client_host: Str,
        subscribed_topic_names: Vec<Str>,
    }
}

message! {
    ShareGroupMetadataKey: versions 0, first flexible never;

    pub struct ShareGroupMetadataKey {
        group_id: Str,
    }
}

message! {
    ShareGroupMetadataValue: versions 0, first flexible 0;

    pub struct ShareGroupMetadataValue {
        epoch: i32,
        metadata_hash: i64,
    }
}

message! {
    ShareGroupTargetAssignmentMetadataKey: versions 0, first flexible never;

    pub struct ShareGroupTargetAssignmentMetadataKey {
        group_id: Str,
    }
}

message! {
    ShareGroupTargetAssignmentMetadataValue: versions 0, first flexible 0;

    pub struct ShareGroupTargetAssignmentMetadataValue {
        assignment_epoch: i32,
    }
    tagged {
        0 => assignment_timestamp: i64,
    }
}

message! {
    ShareGroupTargetAssignmentMemberKey: versions 0, first flexible never;

    pub struct ShareGroupTargetAssignmentMemberKey {
        group_id: Str,
        member_id: Str,
    }
}

message! {
    ShareGroupTargetAssignmentMemberValue: versions 0, first flexible 0;

    pub struct ShareGroupTargetAssignmentMemberValue {
        topic_partitions: Vec<TopicPartition>,
    }

    pub struct TopicPartition {
        topic_id: Uuid,
        partitions: Vec<i32>,
    }
}

message! {
    ShareGroupCurrentMemberAssignmentKey: versions 0, first flexible never;

    pub struct ShareGroupCurrentMemberAssignmentKey {
        group_id: Str,
        member_id: Str,
    }
}

message! {
    ShareGroupCurrentMemberAssignmentValue: versions 0, first flexible 0;

    pub struct ShareGroupCurrentMemberAssignmentValue {
        member_epoch: i32,
        previous_member_epoch: i32,
        state: i8,
        assigned_partitions: Vec<TopicPartitions>,
    }

    pub struct TopicPartitions {
        topic_id: Uuid,
        partitions: Vec<i32>,
    }
}

message! {
    ShareGroupStatePartitionMetadataKey: versions 0, first flexible never;

    pub struct ShareGroupStatePartitionMetadataKey {
        group_id: Str,
    }
}

message! {
    ShareGroupStatePartitionMetadataValue: versions 0, first flexible 0;

    pub struct ShareGroupStatePartitionMetadataValue {
        initializing_topics: Vec<TopicPartitionsInfo>,
        initialized_topics: Vec<TopicPartitionsInfo>,
        deleting_topics: Vec<TopicInfo>,
    }

    pub struct TopicPartitionsInfo {
        topic_id: Uuid,
        topic_name: Str,
        partitions: Vec<i32>,
    }

    pub struct TopicInfo {
        topic_id: Uuid,
        topic_name: Str,
    }
}
