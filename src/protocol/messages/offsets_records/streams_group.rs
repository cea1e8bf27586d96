//! Streams groups (KIP-1071).

use crate::protocol::Str;

message! {
    StreamsGroupMetadataKey: versions 0, first flexible never;

    pub struct StreamsGroupMetadataKey {
        group_id: Str,
    }
}

message! {
    StreamsGroupMetadataValue: versions 0, first flexible 0;

    pub struct StreamsGroupMetadataValue {
        epoch: i32,
        metadata_hash: i64,
    }
    tagged {
        0 => validated_topology_epoch: i32 = -1,
        1 => last_assignment_configs: Option<Vec<LastAssignmentConfig>> = Some(Vec::new()),
    }

    pub struct LastAssignmentConfig {
        key: Str,
        value: Str,
    }
}

message! {
    StreamsGroupMemberMetadataKey: versions 0, first flexible never;

    pub struct StreamsGroupMemberMetadataKey {
        group_id: Str,
        member_id: Str,
    }
}

message! {
    StreamsGroupMemberMetadataValue: versions 0, first flexible 0;

    pub struct StreamsGroupMemberMetadataValue {
        instance_id: Option<Str>,
        rack_id: Option<Str>,
        client_id: Str,
        client_host: Str,
        rebalance_timeout_ms: i32 = -1,
        topology_epoch: i32,
        process_id: Str,
        user_endpoint: Option<Endpoint>,
        client_tags: Vec<KeyValue>,
    }

    pub struct Endpoint {
        host: Str,
        port: u16,
    }

    pub struct KeyValue {
        key: Str,
        value: Str,
    }
}

message! {
    StreamsGroupTargetAssignmentMetadataKey: versions 0, first flexible never;

    pub struct StreamsGroupTargetAssignmentMetadataKey {
        group_id: Str,
    }
}

message! {
    StreamsGroupTargetAssignmentMetadataValue: versions 0, first flexible 0;

    pub struct StreamsGroupTargetAssignmentMetadataValue {
        assignment_epoch: i32,
    }
    tagged {
        0 => assignment_timestamp: i64,
    }
}

message! {
    StreamsGroupTargetAssignmentMemberKey: versions 0, first flexible never;

    pub struct StreamsGroupTargetAssignmentMemberKey {
        group_id: Str,
        member_id: Str,
    }
}

message! {
    StreamsGroupTargetAssignmentMemberValue: versions 0, first flexible 0;

    pub struct StreamsGroupTargetAssignmentMemberValue {
        active_tasks: Vec<TargetTaskIds>,
        standby_tasks: Vec<TargetTaskIds>,
        warmup_tasks: Vec<TargetTaskIds>,
    }

    pub struct TargetTaskIds {
        subtopology_id: Str,
        partitions: Vec<i32>,
    }
}

message! {
    StreamsGroupCurrentMemberAssignmentKey: versions 0, first flexible never;

    pub struct StreamsGroupCurrentMemberAssignmentKey {
        group_id: Str,
        member_id: Str,
    }
}

message! {
    StreamsGroupCurrentMemberAssignmentValue: versions 0, first flexible 0;

    pub struct StreamsGroupCurrentMemberAssignmentValue {
        member_epoch: i32,
        previous_member_epoch: i32,
        state: i8,
        active_tasks: Vec<CurrentTaskIds>,
        standby_tasks: Vec<CurrentTaskIds>,
        warmup_tasks: Vec<CurrentTaskIds>,
        active_tasks_pending_revocation: Vec<CurrentTaskIds>,
        standby_tasks_pending_revocation: Vec<CurrentTaskIds>,
        warmup_tasks_pending_revocation: Vec<CurrentTaskIds>,
    }

    pub struct CurrentTaskIds {
        subtopology_id: Str,
        partitions: Vec<i32>,
    }
    tagged {
        /// An epoch for each partition. Where there are none Kafka takes an empty list, not null.
        0 => assignment_epochs: Option<Vec<i32>> = Some(Vec::new()),
    }
}

message! {
    StreamsGroupTopologyKey: versions 0, first flexible never;

    pub struct StreamsGroupTopologyKey {
        group_id: Str,
    }
}

message! {
    StreamsGroupTopologyValue: versions 0, first flexible 0;

    pub struct StreamsGroupTopologyValue {
        epoch: i32,
        subtopologies: Vec<Subtopology>,
    }

    pub struct Subtopology {
        subtopology_id: Str,
        source_topics: Vec<Str>,
        source_topic_regex: Vec<Str>,
        state_changelog_topics: Vec<TopicInfo>,
        repartition_sink_topics: Vec<Str>,
        repartition_source_topics: Vec<TopicInfo>,
        copartition_groups: Vec<CopartitionGroup>,
    }

    pub struct TopicInfo {
        name: Str,
        partitions: i32,
        replication_factor: i16,
        topic_configs: Vec<TopicConfig>,
    }

    pub struct TopicConfig {
        key: Str,
        value: Str,
    }

    pub struct CopartitionGroup {
        source_topics: Vec<i16>,
        source_topic_regex: Vec<i16>,
        repartition_source_topics: Vec<i16>,
    }
}
