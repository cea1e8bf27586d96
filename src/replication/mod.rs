//! What a broker does with the replicas it holds: leads them, serves reads, and keeps who waits.
//!
//! Pure except for files named `driver.rs` or `*_driver.rs`: time and effects are arguments.

mod alter_dirs_driver;
mod cleaner_driver;
mod data_dir_driver;
/// Requests that wait for a high watermark or for bytes.
pub mod delayed;
mod delete_driver;
mod describe_driver;
/// The replicas of this broker.
pub mod driver;
/// Why a replica refuses, or fails.
pub mod error;
mod fetch_answer_driver;
mod fetch_driver;
mod fetch_read_driver;
mod fetch_round_driver;
/// What clients fetch, remembered between requests.
pub mod fetch_session;
mod flush_driver;
/// How far a partition is committed.
pub mod high_watermark;
/// The partitions that this broker holds.
pub mod hosted;
mod housekeeping_driver;
/// What a leader knows of its followers.
pub mod leadership;
mod metadata_driver;
mod moves_driver;
/// One replica that this broker holds.
pub mod partition;
mod produce_driver;
mod relocation_driver;
mod scrub_driver;
/// What of the config the replicas act on.
pub mod settings;
mod stall_driver;
mod start_driver;
