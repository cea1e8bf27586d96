//! ConsumerGroupHeartbeat (key 68), versions 0-1.
//!
//! Joins, keeps up and leaves a consumer group of KIP-848, and carries its assignment.
//!
//! Versions: 1 subscribes by pattern, and the client chooses its member id.

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(ConsumerGroupHeartbeat: ConsumerGroupHeartbeatRequest -> ConsumerGroupHeartbeatResponse);

message! {
    ConsumerGroupHeartbeatRequest: versions 0-1, first flexible 0;

    pub struct ConsumerGroupHeartbeatRequest {
        group_id: Str,
        member_id: Str,
        member_epoch: i32,
        instance_id: Option<Str>,
        rack_id: Option<Str>,
        rebalance_timeout_ms: i32 = -1,
        subscribed_topic_names: Option<Vec<Str>>,
        subscribed_topic_regex: Option<Str> [1+],
        server_assignor: Option<Str>,
        topic_partitions: Option<Vec<TopicPartitions>>,
    }

    pub struct TopicPartitions {
        topic_id: Uuid,
        partitions: Vec<i32>,
    }
}

message! {
    ConsumerGroupHeartbeatResponse: versions 0-1, first flexible 0;

    pub struct ConsumerGroupHeartbeatResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
        member_id: Option<Str>,
        member_epoch: i32,
        heartbeat_interval_ms: i32,
        assignment: Option<Assignment>,
    }

    pub struct Assignment {
        topic_partitions: Vec<TopicPartitions>,
    }
}
