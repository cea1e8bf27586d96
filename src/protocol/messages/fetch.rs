//! Fetch (key 1), versions 4-18.
//!
//! Reads records, for consumers and followers alike; waits for them if there are none yet.
//!
//! Versions: 4 adds the isolation level; 5 the log start offset; 7 sessions (KIP-227); 9 the
//! leader epoch; 10 allows zstd; 11 adds the rack and the preferred replica (KIP-392); 12 is
//! flexible and tells a diverging epoch; 13 has topic ids; 15 moves the replica id to a struct
//! with the broker epoch (KIP-903); 16 names new leaders (KIP-951); 17 adds the directory id
//! (KIP-853); 18 the high watermark that a follower knows (KIP-1166).

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Payload, Str};

api!(Fetch: FetchRequest -> FetchResponse);

message! {
    FetchRequest: versions 4-18, first flexible 12;

    pub struct FetchRequest {
        /// The follower that asks; -1 for consumers.
        replica_id: i32 [4-14] = -1,
        max_wait_ms: i32,
        min_bytes: i32,
        max_bytes: i32 = i32::MAX,
        /// 0 reads all records, 1 hides those of open and aborted transactions.
        isolation_level: i8,
        /// 0 without a session.
        session_id: i32 [7+],
        /// -1 without a session; 0 starts one.
        session_epoch: i32 [7+] = -1,
        topics: Vec<FetchTopic>,
        forgotten_topics_data: Vec<ForgottenTopic> [7+],
        rack_id: Str [11+],
    }
    tagged {
        0 => cluster_id: Option<Str> [12+],
        1 => replica_state: ReplicaState [15+],
    }

    pub struct ReplicaState {
        /// The follower that asks; -1 for consumers.
        replica_id: i32 = -1,
        replica_epoch: i64 = -1,
    }

    pub struct FetchTopic {
        topic: Str [4-12],
        topic_id: Uuid [13+],
        partitions: Vec<FetchPartition>,
    }

    pub struct FetchPartition {
        partition: i32,
        current_leader_epoch: i32 [9+] = -1,
        fetch_offset: i64,
        last_fetched_epoch: i32 [12+] = -1,
        log_start_offset: i64 [5+] = -1,
        partition_max_bytes: i32,
    }
    tagged {
        0 => replica_directory_id: Uuid [17+],
        1 => high_watermark: i64 [18+] = i64::MAX,
    }

    pub struct ForgottenTopic {
        topic: Str [7-12],
        topic_id: Uuid [13+],
        partitions: Vec<i32>,
    }
}

message! {
    FetchResponse: versions 4-18, first flexible 12;

    pub struct FetchResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode [7+],
        session_id: i32 [7+],
        responses: Vec<FetchableTopicResponse>,
    }
    tagged {
        0 => node_endpoints: Vec<NodeEndpoint> [16+],
    }

    pub struct FetchableTopicResponse {
        topic: Str [4-12],
        topic_id: Uuid [13+],
        partitions: Vec<PartitionData>,
    }

    pub struct PartitionData {
        partition_index: i32,
        error_code: ErrorCode,
        high_watermark: i64,
        last_stable_offset: i64 = -1,
        log_start_offset: i64 [5+] = -1,
        aborted_transactions: Option<Vec<AbortedTransaction>>,
        preferred_read_replica: i32 [11+] = -1,
        records: Payload,
    }
    tagged {
        0 => diverging_epoch: EpochEndOffset [12+],
        1 => current_leader: LeaderIdAndEpoch [12+],
        2 => snapshot_id: SnapshotId [12+],
    }

    pub struct EpochEndOffset {
        epoch: i32 = -1,
        end_offset: i64 = -1,
    }

    pub struct LeaderIdAndEpoch {
        leader_id: i32 = -1,
        leader_epoch: i32 = -1,
    }

    pub struct SnapshotId {
        end_offset: i64 = -1,
        epoch: i32 = -1,
    }

    pub struct AbortedTransaction {
        producer_id: i64,
        first_offset: i64,
    }

    pub struct NodeEndpoint {
        node_id: i32,
        host: Str,
        port: i32,
        rack: Option<Str>,
    }
}
