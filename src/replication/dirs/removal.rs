//! Removing what was deleted, once its readers have had time to finish: folders, and the files of
//! segments.

use std::sync::Arc;

use super::Dirs;
use crate::replication::partition::Partition;
use crate::replication::threads::now;

impl Dirs {
    /// Removes the folders whose time has come.
    pub fn remove_due_folders(&self) {
        for dir in self.online() {
            if let Err(error) = dir.remove_due(now().instant) {
                self.fail(dir, &error.to_string());
            }
        }
    }

    /// Has the files of deleted segments removed when their time comes.
    pub fn queue_removal(&self, partition: &Arc<Partition>) {
        let mut deleting = self.deleting.lock();
        let is_queued = deleting.iter().any(|queued| Arc::ptr_eq(queued, partition));
        if !is_queued && partition.next_deletion().is_some() {
            deleting.push(Arc::clone(partition));
        }
    }

    /// Removes the files of deleted segments whose readers have had time to finish.
    pub fn remove_due_files(&self) {
        let wall = now().wall;
        let deleting = std::mem::take(&mut *self.deleting.lock());
        for partition in deleting {
            for files in partition.take_due_deletions(wall) {
                if let Err(error) = files.remove() {
                    self.note_failed_chore(&partition, &error.into());
                }
            }
            self.queue_removal(&partition);
        }
    }
}
