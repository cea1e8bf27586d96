//! The replicas that a broker holds: it leads them, serves reads of them, keeps the requests that wait for
//! them, and maintains their logs.
//!
//! Rooms by purpose, bottom-up: each uses only those above it in this file, and owns its own state.
//! What happens in a room is told to rooms that come later in this file by callbacks ([`listener`], a failed directory).
//! The pure rooms come first; from `threads` on they touch files, threads and the clock, except for the
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

/// The settings of replicas, from the config.
pub mod settings;

/// The partitions that this broker holds, and the metadata that says which it should.
pub mod hosted;

/// How fast throttled replicas are replicated.
mod throttle;

/// The callbacks to the rest of the broker.
pub mod listener;

/// What the threads of all rooms share: a flag that ends them, a rate, time and chance.
pub(crate) mod threads;

/// The log directories: what fails, what is to be synced and removed, which of them stall.
pub(crate) mod dirs;

/// Replicas on their way between the directories of this broker.
mod moves;

/// The maintenance of logs: retention, checkpoints, compaction, the scrub.
pub(crate) mod upkeep;

/// Serving a Fetch.
pub(crate) mod fetch;

/// Fetching from leaders.
pub(crate) mod follower;

/// The partitions that the metadata puts here: opened, created, given roles, written to, removed.
mod replicas;

/// All of the above as one handle.
pub mod manager;
