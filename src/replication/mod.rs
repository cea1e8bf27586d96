//! What a broker does with the replicas it holds: leads them, serves reads, keeps who waits, and
//! looks after their logs.
//!
//! Rooms by purpose, bottom-up: each uses only those above it in this file, and owns its own state.
//! What happens below is told to those further down by callbacks ([`listener`], a failed directory).
//! The pure rooms come first; from `threads` on they touch files, threads and the clock, but for the
//! decisions of `fetch`. `tests/tidy.rs` checks both.

/// Why a replica refuses, or fails.
pub mod error;

/// How far a partition is committed.
pub mod high_watermark;

/// Requests that wait for a high watermark or for bytes.
pub mod delayed;

/// What a leader knows of its followers.
pub mod leadership;

/// What clients fetch, remembered between requests.
pub mod fetch_session;

/// One replica that this broker holds.
pub mod partition;

/// What of the config the replicas act on.
pub mod settings;

/// The partitions that this broker holds, and the metadata that says which it should.
pub mod hosted;

/// Whom the replicas tell what the rest of the broker must know.
pub mod listener;

/// What the threads of all rooms share: their alarm, their rate, time and chance.
mod threads;

/// The log directories: what fails, what is to be synced and removed, which of them stall.
mod dirs;

/// Replicas on their way between the directories of this broker.
mod moves;

/// What is done to logs now and then: retention, checkpoints, compaction, the scrub.
mod upkeep;

/// Serving a Fetch.
mod fetch;

/// What the metadata puts here: opened, created, given roles, removed; and written to by clients.
mod replicas;

/// All of the above as one handle.
pub mod manager;
