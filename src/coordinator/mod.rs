//! Who owns groups: one shard for each partition of `__consumer_offsets` that this broker leads.
//!
//! `shard.rs` says what a shard is, `runtime/` runs shards of any kind, and `group/` has those of groups:
//! pure types, in which requests, records and time go in, and records and answers come out. Bottom-up: each
//! uses only those above it.

mod java_hash;

/// What a shard is.
pub mod shard;

mod runtime;

/// Groups and their committed offsets.
pub mod group;

mod group_coordinator;

pub use group_coordinator::{GroupCoordinator, OFFSETS_TOPIC};
pub use java_hash::java_hash;
pub use runtime::{Submitted, Waiting};
