//! Record batches of magic 2: reading them where they lie, building them, checking those of clients. Of the
//! old formats, magic 0 and 1, there is what is needed to find, serve and show them.
//!
//! PURE: bytes in, bytes and facts out. Nothing of a batch is trusted that was not checked; hostile bytes
//! give an error, in time and memory bounded by the limits that the caller sets.

mod attributes;
mod batch;
mod builder;
pub mod compression;
pub mod control;
mod error;
mod filter;
mod header;
mod legacy;
mod record;
mod replicated;
pub mod validate;
mod varint;

pub use attributes::{Attributes, TimestampType};
pub use batch::{Batch, Batches};
pub use builder::{BatchBuilder, NewRecord};
pub use compression::{Compression, CompressionSetting, Scratch};
pub use error::{RecordFault, RecordsError};
pub use filter::{Filtered, RECORDS_AT_ONCE, RecordFilter, RecordGroup};
pub use header::{BatchHeader, CURRENT_MAGIC, HEADER_SIZE, LENGTH_END, MAGIC_END, sequence_after};
pub use legacy::{KeyAndValue, LegacyMessage, LegacyMessages};
pub use record::{Header, Headers, Record, Records};
pub use replicated::{CheckedBatches, Replicated, check_replicated, checked_batches};
