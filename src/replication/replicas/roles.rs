//! Holding what the metadata log says this broker holds: partitions come, change roles, and go.

use std::sync::Arc;
use std::thread;

use super::Replicas;
use super::topic_configs::TopicConfigs;
use crate::metadata::ReplicaDirectory;
use crate::metadata::delta::{LocalPartition, MetadataDelta};
use crate::metadata::image::{MetadataImage, PartitionImage, ResourceKind};
use crate::model::{BrokerId, TopicIdPartition, TopicPartition};
use crate::replication::dirs::CheckpointKind;
use crate::replication::hosted::{HostedPartition, is_alive, is_eligible};
use crate::replication::partition::{Partition, RoleChange};
use crate::replication::settings::ReplicaSettings;
use crate::replication::threads::{now, on_threads};

/// So many replicas are worth another thread: each makes or renames a folder.
const REPLICAS_PER_THREAD: usize = 50;
/// Threads that wait for syncs: several syncs at a time are one for the file system.
const SYNCING_THREADS: usize = 16;

impl Replicas {
    /// Does what a change of the metadata asks for: stops, deletes, creates and opens partitions,
    /// changes their roles and settings. Blocks on the disk. The answer is what the controller does
    /// not know yet of the log directories.
    pub fn apply(
        &self,
        delta: &MetadataDelta,
        image: &Arc<MetadataImage>,
    ) -> Vec<ReplicaDirectory> {
        let is_closed = self.is_closed.lock();
        self.hosted.set_image(image);
        if *is_closed {
            return Vec::new();
        }
        let local = delta.local_changes(self.node_id);
        if !local.is_empty() {
            self.dirs.remember_metadata(image.provenance().offset);
        }
        let removed: Vec<_> = local.deleted.iter().chain(&local.removed).collect();
        if !removed.is_empty() {
            let threads = SYNCING_THREADS.min(removed.len() / REPLICAS_PER_THREAD);
            on_threads(threads, &removed, |(topic_id, name)| {
                self.remove(*topic_id, name);
                None::<()>
            });
            // A new partition by the same name must not find the offsets of the old one.
            self.dirs.write_checkpoints(&CheckpointKind::ALL);
        }
        let configs = TopicConfigs::new(image, &self.settings.load());
        let replicas: Vec<_> = local.leaders.iter().chain(&local.followers).collect();
        let replica_directories = self.take_roles(&replicas, &configs);
        self.apply_configs(delta, &configs);
        if !delta.changes().brokers.is_empty() {
            self.apply_brokers(image);
        }
        self.moves.wake();
        replica_directories
    }

    /// Says what holds from now on, also for the partitions that are there. What is read only at the
    /// start, such as the directories, stays as it was.
    pub fn reconfigure(&self, settings: ReplicaSettings) {
        let is_closed = self.is_closed.lock();
        if *is_closed {
            return;
        }
        self.settings.store(Arc::new(settings));
        let image = self.hosted.image();
        let configs = TopicConfigs::new(&image, &self.settings.load());
        for partition in self.hosted.online() {
            partition.set_config(configs.of(&partition.name().topic), now());
        }
    }

    /// Opens or creates partitions if need be, and gives them their roles.
    pub fn take_roles(
        &self,
        replicas: &[&LocalPartition],
        configs: &TopicConfigs<'_>,
    ) -> Vec<ReplicaDirectory> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(replicas.len() / REPLICAS_PER_THREAD);
        on_threads(threads, replicas, |replica| {
            self.take_role(replica, configs)
        })
    }

    fn take_role(
        &self,
        replica: &LocalPartition,
        configs: &TopicConfigs<'_>,
    ) -> Option<ReplicaDirectory> {
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
        // What a crash left unsynced, where writes count only once they are synced: it counts for the
        // high watermark then, as what is written from now on.
        self.dirs.queue_sync_if_due(&partition);
        let directory = partition.dir().id();
        let known = replica.state.directory_of(self.node_id);
        if let Some(moving) = self.moves.of(&id)
            && known == Some(moving.to.log_dir.id())
        {
            // The controller was told where it will be.
            return None;
        }
        (known != Some(directory)).then_some(ReplicaDirectory {
            partition: id,
            directory,
        })
    }

    fn change_role(&self, partition: &Partition, state: &PartitionImage) {
        let change = RoleChange {
            local: self.node_id,
            leader: state.leader,
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            replicas: &state.replicas,
            isr: &state.isr,
        };
        partition.change_role(&change, now().instant);
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

/// The replicas on a broker, as if all had just come.
pub fn all_local(image: &MetadataImage, broker: BrokerId) -> Vec<LocalPartition> {
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
