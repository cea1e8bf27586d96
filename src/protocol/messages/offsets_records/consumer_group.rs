//! Consumer groups of KIP-848: the group, its members, their target and current assignments.

use bytes::Bytes;

use crate::model::Uuid;
use crate::protocol::Str;

message! {
    ConsumerGroupMetadataKey: versions 0, first flexible never;

    pub struct ConsumerGroupMetadataKey {
        group_id: Str,
    }
}

message! {
    ConsumerGroupMetadataValue: versions 0, first flexible 0;

    pub struct ConsumerGroupMetadataValue {
        epoch: i32,
    }
    tagged {
        0 => metadata_hash: i64,
    }
}

message! {
    ConsumerGroupPartitionMetadataKey: versions 0, first flexible never;

    pub struct ConsumerGroupPartitionMetadataKey {
        group_id: Str,
    }
}

message! {
    ConsumerGroupPartitionMetadataValue: versions 0, first flexible 0;

    /// A record that is not written any more, and removed where it is found.
    pub struct ConsumerGroupPartitionMetadataValue {
        topics: Vec<TopicMetadata>,
    }

    pub struct TopicMetadata {
        topic_id: Uuid,
        topic_name: Str,
        num_partitions: i32,
        partition_metadata: Vec<PartitionMetadata>,
    }

    pub struct PartitionMetadata {
        partition: i32,
        racks: Vec<Str>,
    }
}

message! {
    ConsumerGroupMemberMetadataKey: versions 0, first flexible never;

    pub struct ConsumerGroupMemberMetadataKey {
        group_id: Str,
        member_id: Str,
    }
}

message! {
    ConsumerGroupMemberMetadataValue: versions 0, first flexible 0;

    pub struct ConsumerGroupMemberMetadataValue {
        instance_id: Option<Str>,
        rack_id: Option<Str>,
        client_id: Str,
        client_host: Str,
        subscribed_topic_names: Vec<Str>,
        subscribed_topic_regex: Option<Str>,
        rebalance_timeout_ms: i32 = -1,
        server_assignor: Option<Str>,
    }
    tagged {
        /// `None` for members that speak the consumer protocol. The null is written, because Kafka takes a
        /// missing field for an empty value.
        0 => classic_member_metadata: Option<ClassicMemberMetadata> = Some(ClassicMemberMetadata::default()),
    }

    pub struct ClassicMemberMetadata {
        session_timeout_ms: i32,
        supported_protocols: Vec<ClassicProtocol>,
    }

    pub struct ClassicProtocol {
        name: Str,
        metadata: Bytes,
    }
}

message! {
    ConsumerGroupTargetAssignmentMetadataKey: versions 0, first flexible never;

    pub struct ConsumerGroupTargetAssignmentMetadataKey {
        group_id: Str,
    }
}

message! {
    ConsumerGroupTargetAssignmentMetadataValue: versions 0, first flexible 0;

    pub struct ConsumerGroupTargetAssignmentMetadataValue {
        assignment_epoch: i32,
    }
    tagged {
        0 => assignment_timestamp: i64,
    }
}

message! {
    ConsumerGroupTargetAssignmentMemberKey: versions 0, first flexible never;

    pub struct ConsumerGroupTargetAssignmentMemberKey {
        group_id: Str,
        member_id: Str,
    }
}

message! {
    ConsumerGroupTargetAssignmentMemberValue: versions 0, first flexible 0;

    pub struct ConsumerGroupTargetAssignmentMemberValue {
        topic_partitions: Vec<TopicPartition>,
    }

    pub struct TopicPartition {
        topic_id: Uuid,
        partitions: Vec<i32>,
    }
}

message! {
    ConsumerGroupCurrentMemberAssignmentKey: versions 0, first flexible never;

    pub struct ConsumerGroupCurrentMemberAssignmentKey {
        group_id: Str,
        member_id: Str,
    }
}

message! {
    ConsumerGroupCurrentMemberAssignmentValue: versions 0, first flexible 0;

    pub struct ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: i32,
        previous_member_epoch: i32,
        state: i8,
        assigned_partitions: Vec<TopicPartitions>,
        partitions_pending_revocation: Vec<TopicPartitions>,
    }

    pub struct TopicPartitions {
        topic_id: Uuid,
        partitions: Vec<i32>,
    }
    tagged {
        /// An epoch for each partition. Where there are none Kafka takes an empty list, not null.
        0 => assignment_epochs: Option<Vec<i32>> = Some(Vec::new()),
    }
}

message! {
    ConsumerGroupRegularExpressionKey: versions 0, first flexible never;

    pub struct ConsumerGroupRegularExpressionKey {
        group_id: Str,
        regular_expression: Str,
    }
}

message! {
    ConsumerGroupRegularExpressionValue: versions 0, first flexible 0;

    pub struct ConsumerGroupRegularExpressionValue {
        topics: Vec<Str>,
        version: i64,
        timestamp: i64,
    }
}
