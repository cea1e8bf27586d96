//! CreateTopics (key 19), versions 2-7.
//!
//! Creates topics, or checks that they could be created.
//!
//! Versions: 4 allows the broker's defaults for counts without an assignment; 5 is flexible and
//! tells the configs; 6 may answer THROTTLING_QUOTA_EXCEEDED; 7 tells the topic id.

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(CreateTopics: CreateTopicsRequest -> CreateTopicsResponse);

message! {
    CreateTopicsRequest: versions 2-7, first flexible 5;

    pub struct CreateTopicsRequest {
        topics: Vec<CreatableTopic>,
        timeout_ms: i32 = 60_000,
        validate_only: bool,
    }

    pub struct CreatableTopic {
        name: Str,
        num_partitions: i32,
        replication_factor: i16,
        assignments: Vec<CreatableReplicaAssignment>,
        configs: Vec<CreatableTopicConfig>,
    }

    pub struct CreatableReplicaAssignment {
        partition_index: i32,
        broker_ids: Vec<i32>,
    }

    pub struct CreatableTopicConfig {
        name: Str,
        value: Option<Str>,
    }
}

message! {
    CreateTopicsResponse: versions 2-7, first flexible 5;

    pub struct CreateTopicsResponse {
        throttle_time_ms: i32,
        topics: Vec<CreatableTopicResult>,
    }

    pub struct CreatableTopicResult {
        name: Str,
        topic_id: Uuid [7+],
        error_code: ErrorCode,
        error_message: Option<Str>,
        num_partitions: i32 [5+] = -1,
        replication_factor: i16 [5+] = -1,
        configs: Option<Vec<CreatableTopicConfigs>> [5+],
    }
    tagged {
        0 => topic_config_error_code: ErrorCode [5+],
    }

    pub struct CreatableTopicConfigs {
        name: Str,
        value: Option<Str>,
        read_only: bool,
        config_source: i8 = -1,
        is_sensitive: bool,
    }
}
