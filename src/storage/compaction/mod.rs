//! Log compaction: of each key only the last record stays, with its offset and timestamp.
//!
//! A pass reads the part of a log that was not cleaned yet, and notes the newest offset of each key
//! ([`OffsetMap`]). Then it writes all segments up to there again, without the records that are not the
//! newest, beside the log. Last it puts each output in the place of what it was made from, which is all
//! that happens under the log's lock. The rules are Kafka's (KIP-58, 98, 354, 534), so either broker can go
//! on where the other stopped. The caller brings time, chance, and says when to pause.

mod cleanable;
mod error;
mod fill;
mod key_hash;
mod offset_map;
mod output;
mod pass;
mod retain;
mod rewrite;
mod transactions;

pub use cleanable::Cleanable;
pub use error::CleanError;
pub use offset_map::{MapFull, OffsetMap};
pub use pass::{CleanControl, CleanSettings, CleanSummary, LogAccess, clean};
