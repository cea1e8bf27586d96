//! One replica's log on disk: Kafka's partition folder, byte for byte, behind one disk seam.
//!
//! Plain blocking code: the caller chooses the thread. Nothing here knows of sockets or clocks.

/// Text checkpoints of log directories and partition folders.
pub mod checkpoint;
/// The mark that a log directory was closed in order.
pub mod clean_shutdown;
/// The seam between the log and its disk, and the two disks behind it.
pub mod disk;
/// Which leader epoch wrote which offsets.
pub mod leader_epochs;
/// Log directories: locked, identified, online or not.
pub mod log_dir;
/// Whose log directory it is.
pub mod meta_properties;
/// Names of partition folders, and their topic ids.
pub mod partition_folder;
/// Producer states on disk.
pub mod producer_snapshot;
/// Sequences, epochs and open transactions of a partition's producers.
pub mod producer_state;
/// The aborted transactions of a segment.
pub mod transaction_index;
