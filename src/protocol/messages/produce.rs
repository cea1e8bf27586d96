//! Produce (key 0), versions 3-13.
//!
//! Appends batches of records, at most one for each partition.
//!
//! Versions: 3 is the first with batches of format v2 and has the transactional id; 7 allows zstd;
//! 8 tells which records were refused; 9 is flexible; 10 names the new leader to a client that
//! asked the wrong broker (KIP-951); 11 may answer TRANSACTION_ABORTABLE; 12 adds partitions to
//! the transaction by itself (transactions v2); 13 has topic ids in place of names. Versions 0-2
//! are advertised to clients but not served, as librdkafka derives from them what a broker can do
//! (KAFKA-18659).

use bytes::Bytes;

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(Produce: ProduceRequest -> ProduceResponse);

message! {
    ProduceRequest: versions 3-13, first flexible 9;

    pub struct ProduceRequest {
        transactional_id: Option<Str>,
        /// 0: no answer; 1: the leader has it; -1: all in-sync replicas have it.
        acks: i16,
        timeout_ms: i32,
        topic_data: Vec<TopicProduceData>,
    }

    pub struct TopicProduceData {
        name: Str [3-12],
        topic_id: Uuid [13+],
        partition_data: Vec<PartitionProduceData>,
    }

    pub struct PartitionProduceData {
        index: i32,
        records: Option<Bytes>,
    }
}

message! {
    ProduceResponse: versions 3-13, first flexible 9;

    pub struct ProduceResponse {
        responses: Vec<TopicProduceResponse>,
        throttle_time_ms: i32,
    }
    tagged {
        0 => node_endpoints: Vec<NodeEndpoint> [10+],
    }

    pub struct TopicProduceResponse {
        name: Str [3-12],
        topic_id: Uuid [13+],
        partition_responses: Vec<PartitionProduceResponse>,
    }

    pub struct PartitionProduceResponse {
        index: i32,
        error_code: ErrorCode,
        base_offset: i64,
        log_append_time_ms: i64 = -1,
        log_start_offset: i64 [5+] = -1,
        record_errors: Vec<BatchIndexAndErrorMessage> [8+],
        error_message: Option<Str> [8+],
    }
    tagged {
        0 => current_leader: LeaderIdAndEpoch [10+],
    }

    pub struct BatchIndexAndErrorMessage {
        batch_index: i32,
        batch_index_error_message: Option<Str>,
    }

    pub struct LeaderIdAndEpoch {
        leader_id: i32 = -1,
        leader_epoch: i32 = -1,
    }

    pub struct NodeEndpoint {
        node_id: i32,
        host: Str,
        port: i32,
        rack: Option<Str>,
    }
}
