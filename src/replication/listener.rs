//! Whom the replicas tell what the rest of the broker, and with it the controller, must know.

use crate::metadata::ReplicaDirectory;
use crate::model::DirectoryId;
use crate::replication::partition::IsrChange;

/// What the replicas tell the rest of the broker. Called from any thread; must not block.
pub trait ReplicaListener: Send + Sync {
    /// A log directory went offline: the controller is to hear of it. With the last one gone the
    /// broker must stop.
    fn log_dir_failed(&self, dir: DirectoryId, is_last: bool);

    /// The controller is to be told in which directory a replica lies, or is about to.
    fn replica_placed(&self, replica_directory: ReplicaDirectory);

    /// The controller is to be asked for a change of an in-sync set (AlterPartition); what becomes
    /// of it is told to [`crate::replication::partition::Partition::proposal_ended`].
    fn isr_change_wanted(&self, change: IsrChange);
}
