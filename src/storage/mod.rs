//! One replica's log on disk: Kafka's partition folder, byte for byte, behind one disk seam.
//!
//! Plain blocking code: the caller chooses the thread. Nothing here knows of sockets or clocks.

/// Text checkpoints of log directories and partition folders.
pub mod checkpoint;
/// Which leader epoch wrote which offsets.
pub mod leader_epochs;
/// Producer states on disk.
pub mod producer_snapshot;
/// Sequences, epochs and open transactions of a partition's producers.
pub mod producer_state;
/// The aborted transactions of a segment.
pub mod transaction_index;
