//! DescribeTopicPartitions (key 75), version 0.
//!
//! Describes topics page by page.

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(DescribeTopicPartitions: DescribeTopicPartitionsRequest -> DescribeTopicPartitionsResponse);

message! {
    DescribeTopicPartitionsRequest: versions 0, first flexible 0;

    pub struct DescribeTopicPartitionsRequest {
        topics: Vec<TopicRequest>,
        response_partition_limit: i32 = 2_000,
        cursor: Option<Cursor>,
    }

    pub struct TopicRequest {
        name: Str,
    }

    pub struct Cursor {
        topic_name: Str,
        partition_index: i32,
    }
}

message! {
    DescribeTopicPartitionsResponse: versions 0, first flexible 0;

    pub struct DescribeTopicPartitionsResponse {
        throttle_time_ms: i32,
        topics: Vec<DescribeTopicPartitionsResponseTopic>,
        next_cursor: Option<Cursor>,
    }

    pub struct DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode,
        name: Option<Str>,
        topic_id: Uuid,
        is_internal: bool,
        partitions: Vec<DescribeTopicPartitionsResponsePartition>,
        topic_authorized_operations: i32 = i32::MIN,
    }

    pub struct DescribeTopicPartitionsResponsePartition {
        error_code: ErrorCode,
        partition_index: i32,
        leader_id: i32,
        leader_epoch: i32 = -1,
        replica_nodes: Vec<i32>,
        isr_nodes: Vec<i32>,
        eligible_leader_replicas: Option<Vec<i32>>,
        last_known_elr: Option<Vec<i32>>,
        offline_replicas: Vec<i32>,
    }
}
