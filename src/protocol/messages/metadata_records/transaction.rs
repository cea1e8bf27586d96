//! Groups of records that count all together or not at all (KIP-868).

use crate::protocol::Str;

message! {
    BeginTransactionRecord: versions 0, first flexible 0;

    /// The records that follow count from the end of the transaction on.
    pub struct BeginTransactionRecord {}
    tagged {
        0 => name: Option<Str>,
    }
}

message! {
    EndTransactionRecord: versions 0, first flexible 0;

    /// The records of the transaction count.
    pub struct EndTransactionRecord {}
}

message! {
    AbortTransactionRecord: versions 0, first flexible 0;

    /// The records of the transaction do not count.
    pub struct AbortTransactionRecord {}
    tagged {
        0 => reason: Option<Str>,
    }
}
