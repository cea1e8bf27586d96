//! InitProducerId (key 22), versions 0-5.
//!
//! Gives a producer its id and epoch, and fences earlier producers of its transactional id.
//!
//! Versions: 2 is flexible; 3 takes id and epoch of a producer that wants its epoch raised; 4 may
//! answer PRODUCER_FENCED; 5 TRANSACTION_ABORTABLE. 6 is unstable in Kafka 4.4 (two-phase commit,
//! KIP-939) and not known here.

use crate::protocol::{ErrorCode, Str};

api!(InitProducerId: InitProducerIdRequest -> InitProducerIdResponse);

message! {
    InitProducerIdRequest: versions 0-5, first flexible 2;

    pub struct InitProducerIdRequest {
        transactional_id: Option<Str>,
        transaction_timeout_ms: i32,
        producer_id: i64 [3+] = -1,
        producer_epoch: i16 [3+] = -1,
    }
}

message! {
    InitProducerIdResponse: versions 0-5, first flexible 2;

    pub struct InitProducerIdResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        producer_id: i64 = -1,
        producer_epoch: i16,
    }
}
