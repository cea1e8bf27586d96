//! Removes deleted folders, and files of deleted segments, after their readers have had time to finish.

use std::sync::Arc;

use super::Dirs;
use crate::replication::partition::Partition;
use crate::replication::threads::now;

impl Dirs {
    /// Removes the folders that are due.
    pub fn remove_due_folders(&self) {
        for dir in self.online().filter(|dir| !dir.hangs()) {
            if let Err(error) = dir.remove_due(now().instant) {
                self.fail(dir, &error.to_string());
            }
        }
    }

    /// Schedules the removal of a partition's deleted files.
    pub fn queue_removal(&self, partition: &Arc<Partition>) {
        let mut deleting = self.deleting.lock();
        let is_queued = deleting.iter().any(|queued| Arc::ptr_eq(queued, partition));
        if !is_queued && partition.next_deletion().is_some() {
            deleting.push(Arc::clone(partition));
        }
    }

    /// Removes the files of deleted segments that are due.
    pub fn remove_due_files(&self) {
        let wall = now().wall;
        let deleting = std::mem::take(&mut *self.deleting.lock());
        for partition in deleting {
            if self.hangs(&partition) {
                self.deleting.lock().push(partition);
                continue;
            }
            for files in partition.take_due_deletions(wall) {
                if let Err(error) = files.remove() {
                    self.note_failed_chore(&partition, &error.into());
                }
            }
            self.queue_removal(&partition);
        }
    }
}
