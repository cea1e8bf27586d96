//! Which folders of a directory hold logs that belong here, at the start. What the metadata does not
//! put here is set aside, never deleted.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Replicas;
use super::topic_configs::TopicConfigs;
use crate::metadata::image::MetadataImage;
use crate::model::{DirectoryId, TopicId, TopicIdPartition, TopicPartition};
use crate::replication::dirs::DataDir;
use crate::replication::partition::PartitionConfig;
use crate::replication::threads::now;
use crate::storage::partition_folder::{self, FolderMark, PartitionFolder};

/// The folder of the metadata log, which is not a replica of this kind.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// A folder whose log is to be opened.
pub struct Found {
    pub id: TopicIdPartition,
    pub name: TopicPartition,
    pub folder: PathBuf,
    pub config: Arc<PartitionConfig>,
    /// It was a copy: nothing that a checkpoint or the clean-stop mark says is about it.
    pub was_copy: bool,
}

/// A copy that was to take a log's place when the last process ended.
pub struct FoundCopy {
    pub dir: Arc<DataDir>,
    pub folder: PathBuf,
    pub partition: TopicPartition,
    pub topic_id: TopicId,
}

/// What a directory holds.
#[derive(Default)]
pub struct Content {
    pub logs: Vec<Found>,
    pub copies: Vec<FoundCopy>,
}

impl Replicas {
    /// Looks at the folders of a directory: which logs are to be opened. Others are set aside.
    pub fn find(&self, dir: &Arc<DataDir>, image: &MetadataImage) -> io::Result<Content> {
        let folders = dir.log_dir.folders()?;
        for name in &folders.unknown {
            tracing::warn!(dir = %dir.path().display(), name, "not a partition folder");
        }
        let configs = TopicConfigs::new(image, &self.settings.load());
        let mut found = Content::default();
        for (folder, PartitionFolder { partition, mark }) in folders.partitions {
            match mark {
                None if &*partition.topic == METADATA_TOPIC => {}
                None => {
                    let one = self.find_one(dir, image, &folder, &partition, &configs)?;
                    found.logs.extend(one);
                }
                Some(FolderMark::Delete) => {
                    let path = dir.path().join(folder);
                    dir.remove_later(path, now().instant, Duration::ZERO);
                }
                Some(FolderMark::Future) => {
                    let copy = find_copy(dir, &folder, partition);
                    let Some(copy) = copy else { continue };
                    if self.is_abandoned(&copy, image) {
                        let name = adopt_copy(&copy)?;
                        let partition = &copy.partition;
                        let one = self.find_one(dir, image, &name, partition, &configs)?;
                        found.logs.extend(one.map(|one| Found {
                            was_copy: true,
                            ..one
                        }));
                    } else {
                        found.copies.push(copy);
                    }
                }
                Some(FolderMark::Stray) => self.tell_of_stray(dir, &folder, &partition),
            }
        }
        Ok(found)
    }

    fn find_one(
        &self,
        dir: &DataDir,
        image: &MetadataImage,
        folder: &str,
        partition: &TopicPartition,
        configs: &TopicConfigs<'_>,
    ) -> io::Result<Option<Found>> {
        let path = dir.path().join(folder);
        let topic_id = partition_folder::read_topic_id(&**dir.log_dir.disk(), &path);
        // Without an id next to nothing was written: the id is synced right after the creation.
        let topic_id = topic_id.unwrap_or_else(|error| {
            tracing::warn!(%error, "the topic of a partition folder is not known");
            None
        });
        let state = topic_id.and_then(|id| image.topics().partition(&id, partition.partition));
        let is_here = state.filter(|state| state.replicas.contains(&self.node_id));
        let assigned = is_here.and_then(|state| state.directory_of(self.node_id));
        let (Some(topic_id), Some(assigned)) = (topic_id, assigned) else {
            self.set_aside_stray(dir, folder, partition, "not assigned to this broker")?;
            return Ok(None);
        };
        if self.is_in_another(dir, assigned, folder, topic_id) {
            self.set_aside_stray(dir, folder, partition, "it is in another directory")?;
            return Ok(None);
        }
        let id = TopicIdPartition {
            topic_id,
            partition: partition.partition,
        };
        Ok(Some(Found {
            id,
            name: partition.clone(),
            folder: path,
            config: configs.of(&partition.topic),
            was_copy: false,
        }))
    }

    /// Whether the directory that the controller has on record holds the partition as well.
    fn is_in_another(
        &self,
        dir: &DataDir,
        assigned: DirectoryId,
        folder: &str,
        topic_id: TopicId,
    ) -> bool {
        let others = self
            .dirs
            .all()
            .iter()
            .filter(|other| other.log_dir.id() != dir.log_dir.id());
        others
            .filter(|other| other.log_dir.id() == assigned)
            .any(|other| {
                let disk = &**other.log_dir.disk();
                let found = partition_folder::read_topic_id(disk, &other.path().join(folder));
                matches!(found, Ok(Some(found)) if found == topic_id)
            })
    }

    /// Whether a copy is all that there is of a log: the controller knows that the replica is here,
    /// and the directory that it was to come from is gone.
    fn is_abandoned(&self, copy: &FoundCopy, image: &MetadataImage) -> bool {
        let state = image
            .topics()
            .partition(&copy.topic_id, copy.partition.partition);
        let assigned = state.and_then(|state| state.directory_of(self.node_id));
        let folder = partition_folder::folder_name(&copy.partition);
        let has_log = |dir: &Arc<DataDir>| {
            let disk = &**dir.log_dir.disk();
            let found = partition_folder::read_topic_id(disk, &dir.path().join(&folder));
            !matches!(found, Ok(None))
        };
        assigned == Some(copy.dir.log_dir.id()) && !self.dirs.all().iter().any(has_log)
    }
}

/// A copy, as its folder says; one without a topic id was not begun, and is removed.
fn find_copy(dir: &Arc<DataDir>, folder: &str, partition: TopicPartition) -> Option<FoundCopy> {
    let path = dir.path().join(folder);
    match partition_folder::read_topic_id(&**dir.log_dir.disk(), &path) {
        Ok(Some(topic_id)) => Some(FoundCopy {
            dir: Arc::clone(dir),
            folder: path,
            partition,
            topic_id,
        }),
        Ok(None) | Err(_) => {
            dir.remove_later(path, now().instant, Duration::ZERO);
            None
        }
    }
}

/// Makes a copy the log: the name of its folder then.
fn adopt_copy(copy: &FoundCopy) -> io::Result<String> {
    let name = partition_folder::folder_name(&copy.partition);
    tracing::warn!(
        folder = %copy.folder.display(),
        "a copy takes the place of a log whose directory is gone"
    );
    let disk = copy.dir.log_dir.disk();
    disk.rename(&copy.folder, &copy.dir.path().join(&name))?;
    disk.sync_dir(copy.dir.path())?;
    Ok(name)
}
