//! DescribeProducers (key 61), version 0.
//!
//! Tells the producers that a partition's leader keeps state of.

use crate::protocol::{ErrorCode, Str};

api!(DescribeProducers: DescribeProducersRequest -> DescribeProducersResponse);

message! {
    DescribeProducersRequest: versions 0, first flexible 0;

    pub struct DescribeProducersRequest {
        topics: Vec<TopicRequest>,
    }

    pub struct TopicRequest {
        name: Str,
        partition_indexes: Vec<i32>,
    }
}

message! {
    DescribeProducersResponse: versions 0, first flexible 0;

    pub struct DescribeProducersResponse {
        throttle_time_ms: i32,
        topics: Vec<TopicResponse>,
    }

    pub struct TopicResponse {
        name: Str,
        partitions: Vec<PartitionResponse>,
    }

    pub struct PartitionResponse {
        partition_index: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
        active_producers: Vec<ProducerState>,
    }

    pub struct ProducerState {
        producer_id: i64,
        producer_epoch: i32,
        last_sequence: i32 = -1,
        last_timestamp: i64 = -1,
        coordinator_epoch: i32,
        current_txn_start_offset: i64 = -1,
    }
}
