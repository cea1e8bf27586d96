//! Metadata (key 3), versions 0-13.
//!
//! Tells which brokers there are, and where the partitions of topics lead.
//!
//! Versions: in 0 an empty list asks for all topics, from 1 on null does and an empty list asks
//! for none; 4 adds the switch for automatic creation; 7 leader epochs; 8 authorised operations; 9
//! is flexible; 10 tells topic ids; 11 drops the operations on the cluster; 12 accepts topic ids;
//! 13 adds an error for the whole answer.

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(Metadata: MetadataRequest -> MetadataResponse);

message! {
    MetadataRequest: versions 0-13, first flexible 9;

    pub struct MetadataRequest {
        /// `None` asks for all; in version 0 an empty list does.
        topics: Option<Vec<MetadataRequestTopic>> [null 1+],
        allow_auto_topic_creation: bool [4+] = true,
        include_cluster_authorized_operations: bool [8-10],
        include_topic_authorized_operations: bool [8+],
    }

    pub struct MetadataRequestTopic {
        topic_id: Uuid [10+],
        name: Option<Str> [null 10+],
    }
}

message! {
    MetadataResponse: versions 0-13, first flexible 9;

    pub struct MetadataResponse {
        throttle_time_ms: i32 [3+],
        brokers: Vec<MetadataResponseBroker>,
        cluster_id: Option<Str> [2+],
        controller_id: i32 [1+] = -1,
        topics: Vec<MetadataResponseTopic>,
        cluster_authorized_operations: i32 [8-10] = i32::MIN,
        error_code: ErrorCode [13+],
    }

    pub struct MetadataResponseBroker {
        node_id: i32,
        host: Str,
        port: i32,
        rack: Option<Str> [1+],
    }

    pub struct MetadataResponseTopic {
        error_code: ErrorCode,
        name: Option<Str> [null 12+],
        topic_id: Uuid [10+],
        is_internal: bool [1+],
        partitions: Vec<MetadataResponsePartition>,
        topic_authorized_operations: i32 [8+] = i32::MIN,
    }

    pub struct MetadataResponsePartition {
        error_code: ErrorCode,
        partition_index: i32,
        leader_id: i32,
        leader_epoch: i32 [7+] = -1,
        replica_nodes: Vec<i32>,
        isr_nodes: Vec<i32>,
        offline_replicas: Vec<i32> [5+],
    }
}
