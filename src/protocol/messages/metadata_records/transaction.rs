//! The marks of metadata transactions: records that are applied all together or not at all (KIP-868).

use crate::protocol::Str;

message! {
    BeginTransactionRecord: versions 0, first flexible 0;

    /// A transaction begins: the records that follow are applied when it ends.
    pub struct BeginTransactionRecord {}
    tagged {
        0 => name: Option<Str>,
    }
}

message! {
    EndTransactionRecord: versions 0, first flexible 0;

    /// The transaction ends: its records are applied.
    pub struct EndTransactionRecord {}
}

message! {
    AbortTransactionRecord: versions 0, first flexible 0;

    /// The transaction is aborted: its records are dropped.
    pub struct AbortTransactionRecord {}
    tagged {
        0 => reason: Option<Str>,
    }
}
