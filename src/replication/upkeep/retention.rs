//! Deletes segments that a log need not keep, and does what must follow.

use std::sync::Arc;

use crate::replication::dirs::Dirs;
use crate::replication::partition::Partition;
use crate::replication::threads::now;

/// Deletes the segments that retention gives up. The caller holds the partition's upkeep.
pub fn apply_to(dirs: &Dirs, partition: &Arc<Partition>) {
    match partition.apply_retention(now()) {
        Ok(true) => dirs.queue_removal(partition),
        Ok(false) => {}
        Err(error) => dirs.note_failed_chore(partition, &error),
    }
}
