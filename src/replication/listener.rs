//! The callbacks by which replicas tell the rest of the broker what it, or the controller, must know.

use crate::metadata::{IsrChange, ReplicaDirectory};
use crate::model::DirectoryId;

/// Told what happens to the replicas. It is called on any thread, and must not block.
pub trait ReplicaListener: Send + Sync {
    /// A log directory went offline: the controller must be told. If it was the last one, the broker must
    /// stop.
    fn log_dir_failed(&self, dir: DirectoryId, is_last: bool);

    /// A replica lies, or is about to lie, in this directory: the controller must be told.
    fn replica_placed(&self, replica_directory: ReplicaDirectory);

    /// The controller must be asked to change an in-sync set (AlterPartition). Its answer goes to
    /// [`crate::replication::partition::Partition::proposal_ended`].
    fn isr_change_wanted(&self, change: IsrChange);
}
