//! Finds the folders of a directory whose logs belong to this broker, at the start. Folders that the
//! metadata does not put here are set aside, never deleted.
//!
//! Damage is not absence: a folder with records whose `partition.metadata` is missing or damaged takes the
//! partition of its name offline, and stays as it is until somebody has looked at it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Replicas;
use super::heal::may_heal;
use super::topic_configs::TopicConfigs;
use crate::metadata::image::MetadataImage;
use crate::model::{DirectoryId, TopicId, TopicIdPartition, TopicPartition};
use crate::replication::dirs::DataDir;
use crate::replication::partition::PartitionConfig;
use crate::replication::threads::{now, random_bytes};
use crate::storage::partition_folder::{self, FolderMark, FolderOwner, PartitionFolder};

/// The topic of the metadata log, whose folder is not a replica of this kind.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// A folder whose log must be opened.
pub struct Found {
    pub id: TopicIdPartition,
    pub name: TopicPartition,
    pub folder: PathBuf,
    pub config: Arc<PartitionConfig>,
    /// Whether it was a copy: neither checkpoints nor the clean-stop mark say anything about it.
    pub was_copy: bool,
    /// Whether another folder may be the partition's log, and this one be left from before a move: nothing says
    /// in which directory the log of a lost replica was.
    pub may_be_older: bool,
    /// Whether the controller takes the replica for lost, and it is not the only one.
    pub is_lost: bool,
}

/// A copy that was to take a log's place when the last process ended.
pub struct FoundCopy {
    pub dir: Arc<DataDir>,
    pub folder: PathBuf,
    pub partition: TopicPartition,
    pub topic_id: TopicId,
}

/// The content of a directory.
#[derive(Default)]
pub struct Content {
    pub logs: Vec<Found>,
    pub copies: Vec<FoundCopy>,
    /// Partitions whose records are here, or may be, but cannot be served.
    pub unusable: Vec<(TopicIdPartition, TopicPartition)>,
    /// Partitions whose records here are known to be damaged, and can be fetched from another replica.
    pub damaged: Vec<(TopicIdPartition, TopicPartition)>,
}

impl Replicas {
    /// Looks at the folders of a directory, and says which logs must be opened. Others are set aside.
    pub fn find(&self, dir: &Arc<DataDir>, image: &MetadataImage) -> io::Result<Content> {
        let folders = dir.log_dir.folders()?;
        for name in &folders.unknown {
            tracing::warn!(dir = %dir.path().display(), name, "not a partition folder");
        }
        let mut finder = Finder {
            replicas: self,
            dir,
            image,
            configs: TopicConfigs::new(image, &self.settings.load()),
            content: Content::default(),
        };
        for (folder, PartitionFolder { partition, mark }) in folders.partitions {
            match mark {
                // The quorum opens that log itself.
                None if &*partition.topic == METADATA_TOPIC => {}
                None => finder.look_at_log(&folder, &partition, false)?,
                Some(FolderMark::Delete) => {
                    // The delay is for those that still read it, and nobody does after a start.
                    let path = dir.path().join(folder);
                    dir.remove_later(path, now().instant, Duration::ZERO);
                }
                Some(FolderMark::Future) => finder.look_at_copy(&folder, partition)?,
                Some(FolderMark::Stray) => self.tell_of_stray(dir, &folder, &partition),
            }
        }
        Ok(finder.content)
    }

    /// The directory that the metadata has for a replica of this broker.
    fn assigned(
        &self,
        image: &MetadataImage,
        topic_id: TopicId,
        partition: i32,
    ) -> Option<DirectoryId> {
        let state = image.topics().partition(&topic_id, partition)?;
        state.directory_of(self.node_id)
    }
}

/// The search through the folders of one directory.
struct Finder<'a> {
    replicas: &'a Replicas,
    dir: &'a Arc<DataDir>,
    image: &'a MetadataImage,
    configs: TopicConfigs<'a>,
    content: Content,
}

impl Finder<'_> {
    /// The topic that has the name now, and the directory that the metadata has for this broker's replica.
    fn placed(&self, partition: &TopicPartition) -> Option<(TopicId, DirectoryId)> {
        let topic_id = self.image.topics().id_of(&partition.topic)?;
        let assigned = self
            .replicas
            .assigned(self.image, topic_id, partition.partition)?;
        Some((topic_id, assigned))
    }

    /// Whether the records of a lost replica are on another one, see [`may_heal`].
    fn may_heal(&self, id: &TopicIdPartition) -> bool {
        let state = self.image.topics().partition(&id.topic_id, id.partition);
        state.is_some_and(|state| may_heal(state, self.replicas.node_id))
    }

    fn has_others(&self, id: &TopicIdPartition) -> bool {
        let state = self.image.topics().partition(&id.topic_id, id.partition);
        state.is_some_and(|state| state.replicas.len() > 1)
    }

    fn owner_of(&self, dir: &DataDir, partition: &TopicPartition) -> io::Result<FolderOwner> {
        let folder = dir.path().join(partition_folder::folder_name(partition));
        let expected = self.image.topics().id_of(&partition.topic);
        partition_folder::owner_of(&**dir.log_dir.disk(), &folder, expected)
    }

    /// The other directories, with what each has under a partition's name. One that cannot be read fails by
    /// itself.
    fn elsewhere(&self, partition: &TopicPartition) -> Vec<(&Arc<DataDir>, FolderOwner)> {
        let others = self.replicas.dirs.all().iter();
        let others = others.filter(|other| !Arc::ptr_eq(other, self.dir));
        others
            .filter_map(|other| Some((other, self.owner_of(other, partition).ok()?)))
            .collect()
    }

    fn look_at_log(
        &mut self,
        folder: &str,
        partition: &TopicPartition,
        was_copy: bool,
    ) -> io::Result<()> {
        let topic_id = match self.owner_of(self.dir, partition)? {
            FolderOwner::Unknown(damage) => {
                return self.keep_unknown(folder, partition, &damage);
            }
            FolderOwner::Nobody => None,
            FolderOwner::Topic(topic_id) => Some(topic_id),
        };
        let number = partition.partition;
        let assigned = topic_id.and_then(|id| self.replicas.assigned(self.image, id, number));
        let (Some(topic_id), Some(assigned)) = (topic_id, assigned) else {
            return self.set_aside(folder, partition, "not assigned to this broker");
        };
        let id = TopicIdPartition {
            topic_id,
            partition: number,
        };
        // It may open, and be served until somebody reads where the damage is.
        if assigned == DirectoryId::LOST_DIRECTORY && self.may_heal(&id) {
            self.content.damaged.push((id, partition.clone()));
            return Ok(());
        }
        // The metadata says another directory. If the log is there, this folder is left from before a move;
        // if not, the move never came to its end, and this is the log.
        let mut may_be_older = false;
        if assigned != self.dir.log_dir.id() {
            let elsewhere = self.elsewhere(partition);
            may_be_older = !self.replicas.dirs.failed_at_start().is_empty()
                || elsewhere.iter().any(|(_, it)| *it != FolderOwner::Nobody);
            let is_in_place = |(other, owner): &(&Arc<DataDir>, FolderOwner)| {
                other.log_dir.id() == assigned && *owner == FolderOwner::Topic(topic_id)
            };
            if elsewhere.iter().any(is_in_place) {
                return self.set_aside(folder, partition, "it is in another directory");
            }
            // Opening this folder's log while the other one may have newer records would hide those.
            let is_unknown = |(_, owner): &&(_, _)| matches!(owner, FolderOwner::Unknown(_));
            if let Some((other, _)) = elsewhere.iter().find(is_unknown) {
                let (dir, other) = (self.dir.path().display(), other.path().display());
                tracing::error!(%partition, %dir, %other, "partition is offline: its log is in one of two directories, and the folder in the other cannot be told");
                self.content.unusable.push((id, partition.clone()));
                return Ok(());
            }
        }
        self.content.logs.push(Found {
            id,
            name: partition.clone(),
            folder: self.dir.path().join(folder),
            config: self.configs.of(&partition.topic),
            was_copy,
            may_be_older,
            is_lost: assigned == DirectoryId::LOST_DIRECTORY && self.has_others(&id),
        });
        Ok(())
    }

    /// Leaves records alone whose topic is unknown. The partition of that name is offline, unless its log
    /// is where the metadata says.
    fn keep_unknown(
        &mut self,
        folder: &str,
        partition: &TopicPartition,
        damage: &str,
    ) -> io::Result<()> {
        let path = self.dir.path().join(folder);
        let Some((topic_id, assigned)) = self.placed(partition) else {
            tracing::error!(folder = %path.display(), damage, "records of an unknown topic");
            return self.set_aside(folder, partition, "no topic of its name is on this broker");
        };
        let elsewhere = self.elsewhere(partition);
        let in_place = elsewhere.iter().find(|(other, owner)| {
            other.log_dir.id() == assigned && *owner == FolderOwner::Topic(topic_id)
        });
        if let Some((other, _)) = in_place {
            let in_use = other.path().display();
            tracing::error!(folder = %path.display(), %in_use, damage, "leaving records alone whose topic is not known: the partition is served from another directory");
            return Ok(());
        }
        tracing::error!(
            %partition,
            folder = %path.display(),
            damage,
            "partition is offline: its records are in this folder, and the file that says so is gone or \
             damaged. If they are those of the topic, write `version: 0` and `topic_id: {topic_id}` as two \
             lines into its partition.metadata; if not, move the folder away; then start again"
        );
        let id = TopicIdPartition {
            topic_id,
            partition: partition.partition,
        };
        self.content.unusable.push((id, partition.clone()));
        Ok(())
    }

    fn set_aside(&self, folder: &str, partition: &TopicPartition, why: &str) -> io::Result<()> {
        let replicas = self.replicas;
        replicas.set_aside_stray(self.dir, folder, partition, why)
    }

    fn look_at_copy(&mut self, folder: &str, partition: TopicPartition) -> io::Result<()> {
        let path = self.dir.path().join(folder);
        let expected = self.image.topics().id_of(&partition.topic);
        let disk = &**self.dir.log_dir.disk();
        let topic_id = match partition_folder::owner_of(disk, &path, expected)? {
            FolderOwner::Topic(topic_id) => topic_id,
            FolderOwner::Nobody => {
                // Nothing was written to it yet.
                self.dir.remove_later(path, now().instant, Duration::ZERO);
                return Ok(());
            }
            FolderOwner::Unknown(damage) => {
                self.keep_unknown_copy(path, &partition, &damage);
                return Ok(());
            }
        };
        let copy = FoundCopy {
            dir: Arc::clone(self.dir),
            folder: path,
            partition,
            topic_id,
        };
        if self.is_abandoned(&copy) {
            let name = adopt_copy(&copy)?;
            return self.look_at_log(&name, &copy.partition, true);
        }
        self.content.copies.push(copy);
        Ok(())
    }

    /// Deals with a copy of an unknown topic. If the log is here the copy is removed, and made again; if
    /// not, it may be all there is.
    fn keep_unknown_copy(&mut self, path: PathBuf, partition: &TopicPartition, damage: &str) {
        let placed = self.placed(partition);
        let is_copied = |dir| match (self.owner_of(dir, partition), placed) {
            (Ok(FolderOwner::Topic(found)), Some((topic_id, _))) => found == topic_id,
            _ => false,
        };
        if self.replicas.dirs.all().iter().any(|dir| is_copied(dir)) {
            self.dir.remove_later(path, now().instant, Duration::ZERO);
            return;
        }
        let folder = path.display();
        tracing::error!(%partition, %folder, damage, "leaving a copy alone whose topic is not known: it may be all that there is of a log");
        self.content.unusable.extend(placed.map(|(topic_id, _)| {
            let id = TopicIdPartition {
                topic_id,
                partition: partition.partition,
            };
            (id, partition.clone())
        }));
    }

    /// Whether a copy is all that is left of a log: the controller knows that the replica is in its
    /// directory, and the directory that it came from is gone.
    fn is_abandoned(&self, copy: &FoundCopy) -> bool {
        let number = copy.partition.partition;
        let assigned = self.replicas.assigned(self.image, copy.topic_id, number);
        let has_log = |dir: &Arc<DataDir>| {
            let owner = self.owner_of(dir, &copy.partition);
            !matches!(owner, Ok(FolderOwner::Nobody))
        };
        assigned == Some(copy.dir.log_dir.id()) && !self.replicas.dirs.all().iter().any(has_log)
    }
}

/// Makes a copy the log. Returns the new name of its folder.
fn adopt_copy(copy: &FoundCopy) -> io::Result<String> {
    let name = partition_folder::folder_name(&copy.partition);
    tracing::warn!(
        folder = %copy.folder.display(),
        "a copy takes the place of a log whose directory is gone"
    );
    let (disk, place) = (copy.dir.log_dir.disk(), copy.dir.path().join(&name));
    if disk.list(&place).is_ok() {
        // The folder has no record.
        let mark = FolderMark::Stray;
        let partition = &copy.partition;
        copy.dir.set_aside(&name, partition, mark, random_bytes())?;
    }
    disk.rename(&copy.folder, &place)?;
    disk.sync_dir(copy.dir.path())?;
    Ok(name)
}
