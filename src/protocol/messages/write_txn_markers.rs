//! WriteTxnMarkers (key 27), versions 1-2.
//!
//! A transaction coordinator appends the markers that end transactions.
//!
//! Versions: 2 adds the version of the transaction protocol to each marker (KIP-1228).

use crate::protocol::{ErrorCode, Str};

api!(WriteTxnMarkers: WriteTxnMarkersRequest -> WriteTxnMarkersResponse);

message! {
    WriteTxnMarkersRequest: versions 1-2, first flexible 1;

    pub struct WriteTxnMarkersRequest {
        markers: Vec<WritableTxnMarker>,
    }

    pub struct WritableTxnMarker {
        producer_id: i64,
        producer_epoch: i16,
        transaction_result: bool,
        topics: Vec<WritableTxnMarkerTopic>,
        coordinator_epoch: i32,
        transaction_version: i8 [2+],
    }

    pub struct WritableTxnMarkerTopic {
        name: Str,
        partition_indexes: Vec<i32>,
    }
}

message! {
    WriteTxnMarkersResponse: versions 1-2, first flexible 1;

    pub struct WriteTxnMarkersResponse {
        markers: Vec<WritableTxnMarkerResult>,
    }

    pub struct WritableTxnMarkerResult {
        producer_id: i64,
        topics: Vec<WritableTxnMarkerTopicResult>,
    }

    pub struct WritableTxnMarkerTopicResult {
        name: Str,
        partitions: Vec<WritableTxnMarkerPartitionResult>,
    }

    pub struct WritableTxnMarkerPartitionResult {
        partition_index: i32,
        error_code: ErrorCode,
    }
}
