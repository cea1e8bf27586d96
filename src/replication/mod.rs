//! What a broker does with the replicas it holds: leads them, serves reads, and keeps who waits.
//!
//! Pure except for files named `driver.rs` or `*_driver.rs`: time and effects are arguments.

/// Requests that wait for a high watermark or for bytes.
pub mod delayed;
/// Why a replica refuses, or fails.
pub mod error;
/// What clients fetch, remembered between requests.
pub mod fetch_session;
/// How far a partition is committed.
pub mod high_watermark;
/// What a leader knows of its followers.
pub mod leadership;
/// One replica that this broker holds.
pub mod partition;
