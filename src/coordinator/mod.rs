//! Who owns groups: one shard for each partition of `__consumer_offsets` that this broker leads.
//!
//! A shard is pure: requests, records, time and chance go in, records and answers come out. Drivers
//! (files named `driver.rs` or `*_driver.rs`) append the records, release the answers when what they
//! rest on is committed, wake the shard at its deadline, and load it from its log.

mod append_driver;
mod batches;
/// The group coordinator of this broker.
pub mod driver;
/// Groups and their committed offsets.
pub mod group;
mod load_driver;
mod memory;
mod partition;
mod retry;
mod shard_driver;
mod tally_driver;
mod timers_driver;
mod waiters_driver;

pub use partition::partition_for;
