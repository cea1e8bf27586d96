//! Makes the logs of partitions that have just come to this broker, and takes open logs into use.

use std::sync::Arc;

use super::Replicas;
use super::topic_configs::TopicConfigs;
use crate::metadata::delta::LocalPartition;
use crate::model::{Offset, TopicIdPartition, TopicPartition, Uuid};
use crate::replication::dirs::{self, DataDir};
use crate::replication::hosted::{HostedPartition, Offline};
use crate::replication::partition::{Partition, PartitionConfig, Stopped};
use crate::replication::threads::now;
use crate::storage::error::StorageError;
use crate::storage::log::{Log, Opening};
use crate::storage::partition_folder::{self, FolderOwner};
use crate::telemetry::LogGate;

/// A client can ask for thousands of partitions where none can be made.
static OFFLINE: LogGate = LogGate::of_many(100);
static NOT_MADE: LogGate = LogGate::of_many(100);

impl Replicas {
    /// Makes the log of a replica in the directory that the controller, or an operator, wants. `None` if it
    /// cannot be made, and is offline.
    pub fn create(
        &self,
        id: TopicIdPartition,
        replica: &LocalPartition,
        configs: &TopicConfigs<'_>,
    ) -> Option<Arc<Partition>> {
        let name = &replica.partition;
        if replica.directory == Uuid::LOST_DIRECTORY {
            return self.make_anew(id, replica, configs);
        }
        let Some(dir) = self.dirs.choose(self.wanted_dir(replica)) else {
            if let Some(suppressed) = OFFLINE.pass() {
                tracing::warn!(partition = %name, suppressed, "its log directory is offline");
            }
            self.hosted
                .insert(id, HostedPartition::Offline(Offline::Directory));
            return None;
        };
        self.create_or_give_up(dir, id, name, configs)
    }

    /// Makes a log in a directory. `None` if that fails, and the partition is offline.
    pub fn create_or_give_up(
        &self,
        dir: &Arc<DataDir>,
        id: TopicIdPartition,
        name: &TopicPartition,
        configs: &TopicConfigs<'_>,
    ) -> Option<Arc<Partition>> {
        let config = configs.of(&name.topic);
        match self.create_in(dir, id, name, &config) {
            Ok(partition) => Some(partition),
            Err(error) => {
                if let Some(suppressed) = NOT_MADE.pass() {
                    tracing::error!(partition = %name, %error, suppressed, "cannot create the partition");
                }
                let offline = HostedPartition::Offline(Offline::of_new(&error));
                self.hosted.insert(id, offline);
                if error.is_disk_failure() {
                    self.dirs.fail(dir, &error.to_string());
                }
                None
            }
        }
    }

    fn create_in(
        &self,
        dir: &Arc<DataDir>,
        id: TopicIdPartition,
        name: &TopicPartition,
        config: &Arc<PartitionConfig>,
    ) -> Result<Arc<Partition>, StorageError> {
        self.check_no_other_log(dir, id, name)?;
        let sync = config.syncs_writes();
        let folder = dir.create_folder(name, id.topic_id, sync);
        let folder = folder.map_err(|source| {
            let path = dir.path().join(partition_folder::folder_name(name));
            StorageError::io("create", &path, source)
        })?;
        let opening = Opening {
            generation: dir.log_dir.generation(),
            ..Opening::unknown(now().wall)
        };
        let disk = Arc::clone(dir.log_dir.disk());
        let log = Log::open(disk, &folder, Arc::clone(&config.log), &opening)?;
        if !sync {
            dir.syncs.push_folder(folder);
        }
        Ok(self.adopt(dir, id, name, log, Offset::ZERO, config))
    }

    /// Refuses to make a log where another topic's lies, or while there is a folder of that name whose
    /// records may be the partition's.
    fn check_no_other_log(
        &self,
        dir: &DataDir,
        id: TopicIdPartition,
        name: &TopicPartition,
    ) -> Result<(), StorageError> {
        // One that hangs was looked through at the start.
        let others = self.dirs.online();
        for other in others.filter(|it| !it.lags() || it.log_dir.id() == dir.log_dir.id()) {
            let folder = other.path().join(partition_folder::folder_name(name));
            let disk = &**other.log_dir.disk();
            let is_here = other.log_dir.id() == dir.log_dir.id();
            let reason = match partition_folder::owner_of(disk, &folder, Some(id.topic_id)) {
                Ok(FolderOwner::Unknown(damage)) => {
                    format!("it has records and {damage}: they may be those of {name}")
                }
                Ok(FolderOwner::Topic(found)) if is_here && found != id.topic_id => {
                    format!("it is the log of another topic, {found}")
                }
                Err(source) if is_here => return Err(StorageError::io("read", &folder, source)),
                // Another directory that cannot be read fails by itself.
                Ok(FolderOwner::Nobody | FolderOwner::Topic(_)) | Err(_) => continue,
            };
            return Err(StorageError::Inconsistent {
                path: folder,
                reason,
            });
        }
        Ok(())
    }

    /// Takes an open log into use.
    pub fn adopt(
        &self,
        dir: &Arc<DataDir>,
        id: TopicIdPartition,
        name: &TopicPartition,
        log: Log,
        high_watermark: Offset,
        config: &Arc<PartitionConfig>,
    ) -> Arc<Partition> {
        let log_dir = Arc::clone(&dir.log_dir);
        let config = Arc::clone(config);
        let wait = dirs::wait_elsewhere;
        let partition =
            Partition::new(id, name.clone(), log_dir, log, high_watermark, config, wait);
        let partition = Arc::new(partition);
        dir.partition_added();
        self.hosted
            .insert(id, HostedPartition::Online(Arc::clone(&partition)));
        // The directory may have failed while the log was opened.
        if dir.log_dir.is_offline() {
            self.hosted.take_offline(&partition, |_| Offline::Directory);
            partition.stop(Stopped::Offline);
        }
        partition
    }
}
