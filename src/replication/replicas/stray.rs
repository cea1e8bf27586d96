//! Folders of logs that do not belong here: they get another name, and are reported as long as they hold
//! records.

use std::io;

use super::Replicas;
use crate::model::TopicPartition;
use crate::replication::dirs::DataDir;
use crate::replication::threads::random_bytes;
use crate::storage::partition_folder::{self, FolderMark};

impl Replicas {
    /// Renames the folder of a log that does not belong here; nothing in it is touched.
    pub fn set_aside_stray(
        &self,
        dir: &DataDir,
        folder: &str,
        partition: &TopicPartition,
        why: &str,
    ) -> io::Result<()> {
        tracing::warn!(dir = %dir.path().display(), folder, why, "setting a stray folder aside");
        let unique = random_bytes();
        dir.set_aside(folder, partition, FolderMark::Stray, unique)?;
        let name = partition_folder::marked_folder_name(partition, FolderMark::Stray, unique);
        self.tell_of_stray(dir, &name, partition);
        Ok(())
    }

    /// Reports records that nobody is served, with where they lie and how to get them back.
    pub fn tell_of_stray(&self, dir: &DataDir, folder: &str, partition: &TopicPartition) {
        let path = dir.path().join(folder);
        let holds_records = partition_folder::holds_records(&**dir.log_dir.disk(), &path);
        // A folder that cannot be read may hold records.
        if !holds_records.unwrap_or(true) {
            tracing::warn!(folder = %path.display(), "leaving an empty stray folder alone");
            return;
        }
        self.metrics.stray_partitions.inc();
        tracing::error!(
            folder = %path.display(),
            "a stray folder holds records that are not served: remove it if they are not needed; to \
             give them back to the topic that they were written to, stop the broker, put the folder in \
             the place of {partition}, and start again"
        );
    }
}
