//! One replica's log on disk: Kafka's partition folder, byte for byte, behind one disk seam.
//!
//! Plain blocking code: the caller chooses the thread. Nothing here knows of sockets or clocks.

/// How far the metadata log was acted on.
pub mod applied_metadata;
mod batch_walk;
/// Text checkpoints of log directories and partition folders.
pub mod checkpoint;
/// The mark that a log directory was closed in order.
pub mod clean_shutdown;
/// Only the last record of each key stays.
pub mod compaction;
/// The seam between the log and its disk, and the two disks behind it.
pub mod disk;
/// What can go wrong.
pub mod error;
mod folder;
mod index_file;
mod inventory;
/// Whether a log directory was ours alone since we used it last.
pub mod last_use;
/// Which leader epoch wrote which offsets.
pub mod leader_epochs;
mod leftovers;
/// One replica's log.
pub mod log;
/// What a log needs to know of its topic's configuration.
pub mod log_config;
/// Log directories: locked, identified, online or not.
pub mod log_dir;
/// Whose log directory it is.
pub mod meta_properties;
mod offset_index;
/// Names of partition folders, and their topic ids.
pub mod partition_folder;
/// Producer states on disk.
pub mod producer_snapshot;
/// Sequences, epochs and open transactions of a partition's producers.
pub mod producer_state;
/// Room that is kept for the day when the disk is full.
pub mod reserve;
/// Which segments are no longer kept.
pub mod retention;
/// Finding damage by reading everything again.
pub mod scrub;
mod segment;
mod time_index;
/// The aborted transactions of a segment.
pub mod transaction_index;
