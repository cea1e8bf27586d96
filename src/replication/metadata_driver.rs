//! Holding what the metadata log says this broker holds: partitions come, change roles, and go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::cleaner_driver;
use super::data_dir_driver::{CheckpointKind, DataDir};
use super::driver::{ReplicaManager, Shared, now, random_bytes};
use super::hosted::HostedPartition;
use super::partition::{Partition, PartitionConfig, RoleChange, Stopped};
use super::settings::ReplicaSettings;
use super::stall_driver;
use crate::metadata::Assignment;
use crate::metadata::delta::{LocalPartition, MetadataDelta};
use crate::metadata::image::{MetadataImage, PartitionImage, ResourceKind};
use crate::model::{
    BrokerId, DirectoryId, Offset, TopicId, TopicIdPartition, TopicPartition, Uuid,
};
use crate::storage::applied_metadata::{self, APPLIED_METADATA_FILE};
use crate::storage::error::StorageError;
use crate::storage::log::{Log, Opening};
use crate::storage::partition_folder::{self, FolderMark};

/// So many replicas are worth another thread: each makes or renames a folder.
const REPLICAS_PER_THREAD: usize = 50;
/// Threads that wait for syncs: several syncs at a time are one for the file system.
const SYNCING_THREADS: usize = 16;

impl ReplicaManager {
    /// Does what a change of the metadata asks for: stops, deletes, creates and opens partitions,
    /// changes their roles and settings. Blocks on the disk. The answer is what the controller does
    /// not know yet of the log directories.
    pub fn apply(&self, delta: &MetadataDelta, image: &Arc<MetadataImage>) -> Vec<Assignment> {
        let shared = &*self.shared;
        let _one_at_a_time = shared.applying.lock();
        let offset = image.provenance().offset;
        let before = shared.image.swap(Arc::clone(image));
        assert!(
            before.provenance().offset <= offset,
            "replicas act on no image that is older than one before"
        );
        if shared.is_closed() {
            return Vec::new();
        }
        let node_id = shared.settings.load().node_id;
        let local = delta.local_changes(node_id);
        if !local.is_empty() {
            shared.remember_metadata(offset);
        }
        if !local.deleted.is_empty() || !local.removed.is_empty() {
            let removed: Vec<_> = local.deleted.iter().chain(&local.removed).collect();
            on_threads(SYNCING_THREADS, &removed, |(topic_id, name)| {
                shared.remove(*topic_id, name);
                None::<()>
            });
            // A new partition by the same name must not find the offsets of the old one.
            shared.write_checkpoints(&CheckpointKind::ALL);
        }
        let configs = TopicConfigs::new(image, &shared.settings.load());
        let replicas: Vec<_> = local.leaders.iter().chain(&local.followers).collect();
        let assignments = shared.take_roles(&replicas, &configs);
        shared.apply_configs(delta, &configs);
        if !delta.changes().brokers.is_empty() {
            shared.apply_brokers(image);
        }
        shared.moves.wake();
        assignments
    }

    /// Says what holds from now on, also for the partitions that are there and for compaction. What
    /// is read only at the start, such as the directories, stays as it was.
    pub fn reconfigure(&self, settings: ReplicaSettings) {
        let shared = &*self.shared;
        let _one_at_a_time = shared.applying.lock();
        if shared.is_closed() {
            return;
        }
        shared.settings.store(Arc::new(settings));
        let image = shared.image.load_full();
        let configs = TopicConfigs::new(&image, &shared.settings.load());
        for partition in shared.hosted.online() {
            partition.set_config(configs.of(&partition.name().topic), now());
        }
        if let Err(error) = cleaner_driver::restart(&self.shared) {
            tracing::error!(%error, "cannot start a thread for compaction");
        }
    }
}

/// Does something for each item, on several threads if there are many.
fn on_threads<T: Sync, R: Send>(
    max_threads: usize,
    items: &[T],
    act: impl Fn(&T) -> Option<R> + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let act_on_some = || {
        let mut results = Vec::new();
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            results.extend(act(item));
        }
        results
    };
    let threads = (items.len() / REPLICAS_PER_THREAD).min(max_threads);
    if threads <= 1 {
        return act_on_some();
    }
    thread::scope(|scope| {
        let helpers: Vec<_> = (0..threads).map(|_| scope.spawn(act_on_some)).collect();
        let joined = helpers.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .flat_map(|done| done.expect("what is done for an item does not panic"))
            .collect()
    })
}

/// The settings of topics, made once for all partitions of a topic.
pub(super) struct TopicConfigs<'a> {
    image: &'a MetadataImage,
    settings: Arc<ReplicaSettings>,
    made: Mutex<BTreeMap<Arc<str>, Arc<PartitionConfig>>>,
}

impl<'a> TopicConfigs<'a> {
    pub(super) fn new(image: &'a MetadataImage, settings: &Arc<ReplicaSettings>) -> Self {
        Self {
            image,
            settings: Arc::clone(settings),
            made: Mutex::default(),
        }
    }

    pub(super) fn of(&self, topic: &Arc<str>) -> Arc<PartitionConfig> {
        let mut all_made = self.made.lock();
        if let Some(made) = all_made.get(topic) {
            return Arc::clone(made);
        }
        let overrides = self.image.configs().of(ResourceKind::Topic, topic);
        let pairs = overrides.into_iter().flatten();
        let config = self
            .settings
            .of_topic(pairs.map(|(name, text)| (&**name, &**text)));
        all_made.insert(Arc::clone(topic), Arc::clone(&config));
        config
    }
}

/// The replicas on a broker, as if all had just come.
pub(super) fn all_local(image: &MetadataImage, broker: BrokerId) -> Vec<LocalPartition> {
    let mut local = Vec::new();
    for topic in image.topics().iter() {
        for (index, state) in topic.partitions.iter() {
            local.extend(state.directory_of(broker).map(|directory| LocalPartition {
                topic_id: topic.id,
                partition: TopicPartition::new(Arc::clone(&topic.name), *index),
                state: Arc::clone(state),
                is_new_leader_epoch: true,
                is_new: true,
                directory,
            }));
        }
    }
    local
}

impl Shared {
    /// Remembers in all directories, before anything is done by the word of an image, how new it is.
    pub(super) fn remember_metadata(&self, offset: Offset) {
        for dir in self.dirs.iter().filter(|dir| !dir.log_dir.is_offline()) {
            let disk = &**dir.log_dir.disk();
            let remembered = applied_metadata::remember(disk, dir.path(), offset);
            let remembered = remembered.map_err(|source| {
                StorageError::io("write", &dir.path().join(APPLIED_METADATA_FILE), source)
            });
            if let Err(error) = remembered
                && error.is_disk_failure()
            {
                self.fail_dir(dir, &error.to_string());
            }
        }
    }

    /// Opens or creates partitions if need be, and gives them their roles.
    pub(super) fn take_roles(
        &self,
        replicas: &[&LocalPartition],
        configs: &TopicConfigs<'_>,
    ) -> Vec<Assignment> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        on_threads(cores, replicas, |replica| self.take_role(replica, configs))
    }

    fn take_role(
        &self,
        replica: &LocalPartition,
        configs: &TopicConfigs<'_>,
    ) -> Option<Assignment> {
        let id = TopicIdPartition {
            topic_id: replica.topic_id,
            partition: replica.partition.partition,
        };
        let partition = match self.hosted.get(&id) {
            Some(HostedPartition::Online(partition)) => partition,
            Some(HostedPartition::Offline) => return None,
            None => self.create(id, replica, configs)?,
        };
        self.change_role(&partition, &replica.state);
        self.flush_what_was_found(&partition);
        let directory = partition.dir().id();
        let known = replica.state.directory_of(configs.settings.node_id);
        if let Some(moving) = self.moves.of(&id)
            && known == Some(moving.to.log_dir.id())
        {
            // The controller was told where it will be.
            return None;
        }
        (known != Some(directory)).then_some(Assignment {
            partition: id,
            directory,
        })
    }

    /// Syncs what a crash left unsynced where writes count only once they are: it counts for the
    /// high watermark then, as what is written from now on.
    fn flush_what_was_found(&self, partition: &Arc<Partition>) {
        if partition.flush_is_due(now().wall)
            && let Some(dir) = self.dir_of(partition)
        {
            dir.flushes.push_log(partition);
        }
    }

    pub(super) fn change_role(&self, partition: &Partition, state: &PartitionImage) {
        let change = RoleChange {
            local: self.settings.load().node_id,
            leader: state.leader,
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            replicas: &state.replicas,
            isr: &state.isr,
        };
        partition.change_role(&change, now().instant);
    }

    fn create(
        &self,
        id: TopicIdPartition,
        replica: &LocalPartition,
        configs: &TopicConfigs<'_>,
    ) -> Option<Arc<Partition>> {
        let name = &replica.partition;
        let preferred = self.moves.take_preferred(name);
        let wanted = match replica.directory {
            Uuid::ZERO | Uuid::UNASSIGNED_DIRECTORY => preferred.unwrap_or(replica.directory),
            assigned => assigned,
        };
        let Some(dir) = self.choose_dir(wanted) else {
            tracing::warn!(partition = %name, "its log directory is offline");
            self.hosted.insert(id, HostedPartition::Offline);
            return None;
        };
        let config = configs.of(&name.topic);
        match self.create_in(dir, id, name, &config) {
            Ok(partition) => Some(partition),
            Err(error) => {
                tracing::error!(partition = %name, %error, "cannot create the partition");
                self.hosted.insert(id, HostedPartition::Offline);
                if error.is_disk_failure() {
                    self.fail_dir(dir, &error.to_string());
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
        let sync = config.syncs_writes();
        let folder = dir.create_folder(name, id.topic_id, sync);
        let folder = folder.map_err(|source| {
            let path = dir.path().join(partition_folder::folder_name(name));
            StorageError::io("create", &path, source)
        })?;
        let opening = Opening::unknown(now().wall);
        let disk = Arc::clone(dir.log_dir.disk());
        let log = Log::open(disk, &folder, Arc::clone(&config.log), &opening)?;
        if !sync {
            dir.flushes.push_folder(folder);
        }
        Ok(self.adopt(dir, id, name, log, Offset::ZERO, config))
    }

    /// Takes an open log into use.
    pub(super) fn adopt(
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
        let wait = stall_driver::wait_elsewhere;
        let partition =
            Partition::new(id, name.clone(), log_dir, log, high_watermark, config, wait);
        let partition = Arc::new(partition);
        dir.partition_added();
        self.hosted
            .insert(id, HostedPartition::Online(Arc::clone(&partition)));
        // The directory may have failed while the log was opened.
        if dir.log_dir.is_offline() {
            self.hosted.insert(id, HostedPartition::Offline);
            partition.stop(Stopped::Offline);
        }
        partition
    }

    /// Where a new log goes: where the controller says, or else where the fewest are. `None`: the
    /// directory that may have it already is offline.
    fn choose_dir(&self, assigned: DirectoryId) -> Option<&Arc<DataDir>> {
        let mut online = self.dirs.iter().filter(|dir| !dir.log_dir.is_offline());
        if let Some(dir) = online.clone().find(|dir| dir.log_dir.id() == assigned) {
            return Some(dir);
        }
        let is_anywhere = [Uuid::ZERO, Uuid::UNASSIGNED_DIRECTORY].contains(&assigned);
        let all_known =
            self.failed_at_start.is_empty() && online.clone().count() == self.dirs.len();
        if !is_anywhere && !all_known {
            return None;
        }
        let first = online.next()?;
        let fewest = |best: &'_ Arc<DataDir>, dir: &'_ Arc<DataDir>| {
            dir.partition_count() < best.partition_count()
        };
        Some(online.fold(
            first,
            |best, dir| if fewest(best, dir) { dir } else { best },
        ))
    }

    /// Ends a partition that is deleted or held elsewhere, and has its folder removed later.
    fn remove(&self, topic_id: TopicId, name: &TopicPartition) {
        let id = TopicIdPartition {
            topic_id,
            partition: name.partition,
        };
        let Some(HostedPartition::Online(partition)) = self.hosted.remove(&id) else {
            self.remove_unopened(topic_id, name);
            return;
        };
        self.cancel_move(&id);
        let Some(dir) = self.dir_of(&partition) else {
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
                self.check_failure(dir, &error);
            }
        }
    }

    /// Removes the folder of a log that could not be opened, such as a corrupt one.
    fn remove_unopened(&self, topic_id: TopicId, name: &TopicPartition) {
        for dir in self.dirs.iter().filter(|dir| !dir.log_dir.is_offline()) {
            let folder = partition_folder::folder_name(name);
            let disk = &**dir.log_dir.disk();
            let found = partition_folder::read_topic_id(disk, &dir.path().join(&folder));
            if !matches!(found, Ok(Some(found)) if found == topic_id) {
                continue;
            }
            dir.drop_entries(name);
            let unique = random_bytes();
            let aside = dir.set_aside(&folder, name, FolderMark::Delete, unique);
            let marked = partition_folder::marked_folder_name(name, FolderMark::Delete, unique);
            match aside {
                Ok(()) => dir.remove_later(dir.path().join(marked), now().instant, Duration::ZERO),
                Err(error) => self.fail_dir(dir, &error.to_string()),
            }
        }
    }

    fn apply_configs(&self, delta: &MetadataDelta, configs: &TopicConfigs<'_>) {
        let changed = delta.changes().configs.iter();
        let topics = changed.filter(|(kind, _)| *kind == ResourceKind::Topic);
        for (_, name) in topics {
            let Some(topic) = delta.image().topics().by_name(name) else {
                continue;
            };
            for (index, _) in topic.partitions.iter() {
                let id = TopicIdPartition {
                    topic_id: topic.id,
                    partition: *index,
                };
                if let Some(HostedPartition::Online(partition)) = self.hosted.get(&id) {
                    partition.set_config(configs.of(&topic.name), now());
                }
            }
        }
    }

    /// Brokers came, went or were fenced: who may join an in-sync set is another now.
    fn apply_brokers(&self, image: &MetadataImage) {
        let is_eligible = |id: BrokerId, epoch: i64| is_eligible(image, id, epoch);
        for partition in self.hosted.online() {
            partition.set_eligible(is_eligible, |id| is_alive(image, id), now().instant);
        }
    }
}

/// Whether a broker has to be waited for.
pub(super) fn is_alive(image: &MetadataImage, id: BrokerId) -> bool {
    image.brokers().get(id).is_some_and(|broker| !broker.fenced)
}

/// Whether a follower may join an in-sync set: it is neither fenced nor shutting down, and it is
/// not an earlier incarnation that fetches (KIP-903).
pub(super) fn is_eligible(image: &MetadataImage, id: BrokerId, epoch: i64) -> bool {
    let broker = image.brokers().get(id).filter(|broker| broker.is_active());
    broker.is_some_and(|broker| epoch == -1 || epoch == broker.epoch)
}
