//! One replica's log on disk: Kafka's partition folder, byte for byte, behind one disk seam.
//!
//! Plain blocking code: the caller chooses the thread. Nothing here knows of sockets or clocks.

/// The seam between the log and its disk, and the two disks behind it.
pub mod disk;
