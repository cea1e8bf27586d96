//! Ends partitions that were deleted, or that other brokers hold from now on.

use std::time::Duration;

use super::Replicas;
use crate::model::{TopicId, TopicIdPartition, TopicPartition};
use crate::replication::hosted::HostedPartition;
use crate::replication::threads::{now, random_bytes};
use crate::storage::partition_folder::{self, FolderMark, FolderOwner};

impl Replicas {
    /// Ends a partition that was deleted or is held elsewhere, and schedules the removal of its folder.
    pub fn remove(&self, topic_id: TopicId, name: &TopicPartition) {
        let id = TopicIdPartition {
            topic_id,
            partition: name.partition,
        };
        self.followers.unfollow(&id);
        let Some(HostedPartition::Online(partition)) = self.hosted.remove(&id) else {
            self.remove_unopened(topic_id, name);
            return;
        };
        self.moves.cancel(&id);
        let Some(dir) = self.dirs.of(&partition) else {
            return;
        };
        dir.partition_removed();
        let folder = partition_folder::marked_folder_name(name, FolderMark::Delete, random_bytes());
        match partition.remove(&folder) {
            Ok((folder, delay_ms)) => {
                let delay = Duration::from_millis(u64::try_from(delay_ms).unwrap_or(0));
                dir.remove_later(folder, now().instant, delay);
            }
            Err(error) => {
                tracing::error!(partition = %name, %error, "cannot delete the partition");
                self.dirs.check_failure(dir, &error);
            }
        }
    }

    /// Removes the folder of a log that could not be opened, such as a damaged one.
    fn remove_unopened(&self, topic_id: TopicId, name: &TopicPartition) {
        for dir in self.dirs.online() {
            let folder = partition_folder::folder_name(name);
            let path = dir.path().join(&folder);
            match partition_folder::owner_of(&**dir.log_dir.disk(), &path, Some(topic_id)) {
                Ok(FolderOwner::Topic(found)) if found == topic_id => {}
                Ok(FolderOwner::Unknown(damage)) => {
                    let folder = path.display();
                    tracing::error!(partition = %name, %folder, damage, "leaving records alone that may be those of a partition that is deleted here");
                    continue;
                }
                Ok(FolderOwner::Nobody | FolderOwner::Topic(_)) | Err(_) => continue,
            }
            dir.drop_entries(name);
            let unique = random_bytes();
            let aside = dir.set_aside(&folder, name, FolderMark::Delete, unique);
            let marked = partition_folder::marked_folder_name(name, FolderMark::Delete, unique);
            match aside {
                Ok(()) => dir.remove_later(dir.path().join(marked), now().instant, Duration::ZERO),
                Err(error) => self.dirs.fail(dir, &error.to_string()),
            }
        }
    }
}
