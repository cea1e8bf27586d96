//! AllocateProducerIds (key 67), version 0.
//!
//! A broker asks the controller for a block of producer ids.

use crate::protocol::ErrorCode;

api!(AllocateProducerIds: AllocateProducerIdsRequest -> AllocateProducerIdsResponse);

message! {
    AllocateProducerIdsRequest: versions 0, first flexible 0;

    pub struct AllocateProducerIdsRequest {
        broker_id: i32,
        broker_epoch: i64 = -1,
    }
}

message! {
    AllocateProducerIdsResponse: versions 0, first flexible 0;

    pub struct AllocateProducerIdsResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        producer_id_start: i64,
        producer_id_len: i32,
    }
}
