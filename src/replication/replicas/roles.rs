//! Follows the metadata log: partitions come, change roles, and go.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use super::Replicas;
use super::heal::may_be_whole;
use super::topic_configs::TopicConfigs;
use crate::metadata::ReplicaDirectory;
use crate::metadata::delta::{LocalPartition, MetadataDelta};
use crate::metadata::image::{MetadataImage, PartitionImage, ResourceKind};
use crate::model::{BrokerId, DirectoryId, TopicId, TopicIdPartition, TopicPartition, Uuid};
use crate::replication::dirs::CheckpointKind;
use crate::replication::hosted::{HostedPartition, Offline, is_alive, is_eligible};
use crate::replication::partition::{Partition, RoleChange};
use crate::replication::settings::ReplicaSettings;
use crate::replication::threads::{now, on_threads};

/// For so many replicas another thread is worth starting: each makes or renames a folder.
const REPLICAS_PER_THREAD: usize = 50;
/// Threads that wait for syncs. The file system makes one commit of several at a time.
const SYNCING_THREADS: usize = 16;

impl Replicas {
    /// Carries out a change of the metadata: stops, deletes, creates and opens partitions, changes their
    /// roles and settings. It blocks on the disk. Returns what the controller does not know yet about the
    /// directories of replicas.
    ///
    /// A partition whose disk hangs is left to a thread of its directory, see [`super::late`].
    pub fn apply(
        self: &Arc<Self>,
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
        let removed = local.deleted.iter().chain(&local.removed);
        let removed: Vec<_> = removed
            .filter(|(topic_id, name)| !self.must_wait(*topic_id, name, Uuid::UNASSIGNED_DIRECTORY))
            .collect();
        if !removed.is_empty() {
            let threads = SYNCING_THREADS.min(removed.len() / REPLICAS_PER_THREAD);
            on_threads(threads, &removed, |(topic_id, name)| {
                self.remove(*topic_id, name);
                None::<()>
            });
            // A new partition of the same name must not find the offsets of the old one.
            for dir in self.dirs.online().filter(|dir| !dir.lags()) {
                self.dirs.write_checkpoints_of(dir, &CheckpointKind::ALL);
            }
        }
        let configs = TopicConfigs::new(image, &self.settings.load());
        let replicas = local.leaders.iter().chain(&local.followers);
        let replicas: Vec<_> = replicas
            .filter(|it| !self.must_wait(it.topic_id, &it.partition, it.directory))
            .collect();
        let (new, known): (Vec<_>, Vec<_>) = replicas.into_iter().partition(|it| self.is_new(it));
        let mut replica_directories = self.take_roles(&known, &configs);
        if !new.is_empty() {
            replica_directories.extend(self.make_new(&new, &configs));
        }
        let waiting = self.waiting_to_heal(image);
        let waiting = waiting
            .iter()
            .filter(|it| !self.must_wait(it.topic_id, &it.partition, it.directory));
        let waiting: Vec<_> = waiting.collect();
        replica_directories.extend(self.take_roles(&waiting, &configs));
        self.apply_configs(delta, &configs);
        if !delta.changes().brokers.is_empty() {
            self.apply_brokers(image);
        }
        self.moves.wake();
        replica_directories
    }

    /// Whether a partition must wait for its disk, which hangs: it is left to a thread of the directory.
    fn must_wait(
        self: &Arc<Self>,
        topic_id: TopicId,
        name: &TopicPartition,
        wanted: DirectoryId,
    ) -> bool {
        let id = TopicIdPartition {
            topic_id,
            partition: name.partition,
        };
        let Some(dir) = self.hanging_dir(&id, wanted) else {
            return false;
        };
        self.settle_late(dir, topic_id, name);
        true
    }

    /// As [`Self::must_wait`], for a partition that is open.
    fn must_wait_for(self: &Arc<Self>, partition: &Partition) -> bool {
        let Some(dir) = self.hanging_dir_of(partition) else {
            return false;
        };
        self.settle_late(dir, partition.id().topic_id, partition.name());
        true
    }

    /// Takes over other settings, for existing partitions as well. Settings that are read only at the
    /// start, such as the directories, stay as they are.
    pub fn reconfigure(self: &Arc<Self>, settings: ReplicaSettings) {
        let is_closed = self.is_closed.lock();
        if *is_closed {
            return;
        }
        self.dirs.cordon(&settings.storage.cordoned_log_dirs);
        self.settings.store(Arc::new(settings));
        self.followers.reconfigure();
        let image = self.hosted.image();
        let configs = TopicConfigs::new(&image, &self.settings.load());
        for partition in self.hosted.online() {
            if !self.must_wait_for(&partition) {
                partition.set_config(configs.of(&partition.name().topic), now());
            }
        }
    }

    /// Opens or creates partitions where that is needed, and gives them their roles.
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

    /// As [`Self::take_roles`], for one.
    pub fn take_role(
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
            Some(HostedPartition::Offline(offline)) => {
                let again = match offline {
                    Offline::NotMade => self.create(id, replica, configs),
                    offline => self.heal(id, replica, &offline, configs),
                };
                match again {
                    Some(partition) => partition,
                    None => return self.tell_lost(id, &replica.state),
                }
            }
            None => match self.create(id, replica, configs) {
                Some(partition) => partition,
                None => return self.tell_lost(id, &replica.state),
            },
        };
        self.change_role(&partition, &replica.state);
        // After the role: what is fetched under the new epoch finds it.
        let (leader, leader_epoch) = partition.leader();
        self.followers.follow(id, leader, leader_epoch);
        // Where writes count only once they are synced, this syncs what a crash has left unsynced: then it
        // counts for the high watermark.
        self.dirs.queue_sync_if_due(&partition);
        let is_lost = replica.state.directory_of(self.node_id) == Some(Uuid::LOST_DIRECTORY);
        if is_lost && !self.is_whole(&partition, &replica.state) {
            if may_be_whole(&replica.state, self.node_id) {
                self.second_look.look_at(&partition);
            }
            return None;
        }
        self.tell_place(&partition, &replica.state)
    }

    /// What the controller is to be told of where an open log lies; `None` if it knows.
    pub fn tell_place(
        &self,
        partition: &Partition,
        state: &PartitionImage,
    ) -> Option<ReplicaDirectory> {
        let id = partition.id();
        let known = state.directory_of(self.node_id);
        let mut directory = partition.dir().id();
        if let Some(moving) = self.moves.of(&id) {
            let to = moving.to.log_dir.id();
            // The controller was told where the replica will be. It may hear late of where it was.
            if known == Some(to) || moving.is_told.load(Ordering::Acquire) {
                directory = to;
            }
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
        // A replica may be lost, or found again, since the last change.
        if state.leader == self.node_id {
            set_eligible(partition, &self.hosted.image());
        }
    }

    fn apply_configs(self: &Arc<Self>, delta: &MetadataDelta, configs: &TopicConfigs<'_>) {
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
                if let Some(HostedPartition::Online(partition)) = self.hosted.get(&id)
                    && !self.must_wait_for(&partition)
                {
                    partition.set_config(configs.of(&topic.name), now());
                }
            }
        }
    }

    /// Notes again who may join in-sync sets, because brokers have come, gone, or were fenced.
    fn apply_brokers(self: &Arc<Self>, image: &MetadataImage) {
        for partition in self.hosted.online() {
            if !self.must_wait_for(&partition) {
                set_eligible(&partition, image);
            }
        }
    }
}

/// Notes again who may join the in-sync set of a partition, and for whom deletions wait.
pub fn set_eligible(partition: &Partition, image: &MetadataImage) {
    let id = partition.id();
    partition.set_eligible(
        |broker, epoch| is_eligible(image, &id, broker, epoch),
        |broker| is_alive(image, &id, broker),
        now().instant,
    );
}

/// The replicas on a broker, as if all of them had just come.
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
