//! The records of `__transaction_state`: one for each transactional id.

use crate::protocol::Str;
use crate::protocol::schema::RecordSchema;

message! {
    TransactionLogKey: versions 0, first flexible never;

    pub struct TransactionLogKey {
        transactional_id: Str,
    }
}

message! {
    TransactionLogValue: versions 0-1, first flexible 1;

    pub struct TransactionLogValue {
        producer_id: i64,
        producer_epoch: i16,
        transaction_timeout_ms: i32,
        transaction_status: i8,
        transaction_partitions: Option<Vec<PartitionsSchema>>,
        transaction_last_update_timestamp_ms: i64,
        transaction_start_timestamp_ms: i64,
    }
    tagged {
        0 => previous_producer_id: i64 [1+] = -1,
        1 => next_producer_id: i64 [1+] = -1,
        2 => client_transaction_version: i16 [1+],
        3 => next_producer_epoch: i16 [1+] = -1,
    }

    pub struct PartitionsSchema {
        topic: Str,
        partition_ids: Vec<i32>,
    }
}

/// The definition of the type with this number.
pub fn definition(number: i16) -> Option<RecordSchema> {
    match number {
        0 => Some(RecordSchema::of::<TransactionLogKey, TransactionLogValue>()),
        _ => None,
    }
}
