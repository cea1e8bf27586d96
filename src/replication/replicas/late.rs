//! Partitions whose disk hangs are brought in line with the metadata when it goes on, by what the metadata
//! says then; the others are not kept waiting.

use std::sync::Arc;

use super::Replicas;
use super::heal::may_heal;
use super::roles::set_eligible;
use super::topic_configs::TopicConfigs;
use crate::metadata::delta::LocalPartition;
use crate::metadata::image::MetadataImage;
use crate::model::{DirectoryId, TopicId, TopicIdPartition, TopicPartition, Uuid};
use crate::replication::dirs::{CheckpointKind, DataDir};
use crate::replication::hosted::{HostedPartition, Offline};
use crate::replication::partition::Partition;
use crate::replication::threads::now;

impl Replicas {
    /// The directory that a change of a partition has to wait for, because its disk hangs. `wanted` is where
    /// one that is not here would be made.
    pub fn hanging_dir(&self, id: &TopicIdPartition, wanted: DirectoryId) -> Option<&Arc<DataDir>> {
        if let Some(dir) = self.making_dir(id) {
            return Some(dir);
        }
        let mut online = self.dirs.online();
        match self.hosted.get(id) {
            Some(HostedPartition::Online(partition)) => self.hanging_dir_of(&partition),
            // Its folder is looked for in all directories.
            Some(HostedPartition::Offline(Offline::Damaged(_))) => online.find(|dir| dir.lags()),
            Some(HostedPartition::Offline(Offline::Directory | Offline::Unusable)) => None,
            Some(HostedPartition::Offline(Offline::NotMade)) | None => {
                self.dirs.choose(wanted).filter(|dir| dir.lags())
            }
        }
    }

    /// The directory of an open partition, if its disk hangs.
    pub fn hanging_dir_of(&self, partition: &Partition) -> Option<&Arc<DataDir>> {
        let dir = self.dirs.of(partition)?;
        (dir.lags() || !partition.is_free()).then_some(dir)
    }

    /// Brings a partition in line with the metadata once the disk goes on.
    pub fn settle_late(
        self: &Arc<Self>,
        dir: &Arc<DataDir>,
        topic_id: TopicId,
        name: &TopicPartition,
    ) {
        let id = TopicIdPartition {
            topic_id,
            partition: name.partition,
        };
        if let Some(HostedPartition::Online(partition)) = self.hosted.get(&id)
            && !partition.begin_late_settling()
        {
            return;
        }
        let (replicas, here, name) = (Arc::downgrade(self), Arc::clone(dir), name.clone());
        dir.do_late(move || {
            if let Some(replicas) = replicas.upgrade() {
                replicas.settle(&here, id, &name);
            }
        });
    }

    /// Brings a partition in line with the metadata as it is now.
    pub fn settle(&self, dir: &DataDir, id: TopicIdPartition, name: &TopicPartition) {
        if let Some(HostedPartition::Online(partition)) = self.hosted.get(&id) {
            partition.end_late_settling();
        }
        let image = self.hosted.image().clone();
        self.dirs
            .remember_metadata_in(dir, image.provenance().offset);
        let configs = TopicConfigs::new(&image, &self.settings.load());
        let Some(replica) = self.local(&image, id, name) else {
            self.remove(id.topic_id, name);
            self.dirs.write_checkpoints_of(dir, &CheckpointKind::ALL);
            return;
        };
        if let Some(placed) = self.take_role(&replica, &configs) {
            self.dirs.tell_placed(placed);
        }
        if let Some(HostedPartition::Online(partition)) = self.hosted.get(&id) {
            partition.set_config(configs.of(&name.topic), now());
            set_eligible(&partition, &image);
        }
    }

    /// The damaged partitions that can be healed by now, though nothing of them has changed: they were damaged
    /// again, or their folder could not be set aside.
    pub fn waiting_to_heal(&self, image: &MetadataImage) -> Vec<LocalPartition> {
        let offline = self.hosted.offline().into_iter();
        let damaged = offline.filter(|id| {
            let hosted = self.hosted.get(id);
            matches!(hosted, Some(HostedPartition::Offline(Offline::Damaged(_))))
        });
        damaged
            .filter_map(|id| self.local_that_waits(image, id))
            .collect()
    }

    /// The replica with this id, if its log can be made by now: it is damaged and may be healed, or could not be
    /// made before.
    pub fn local_that_waits(
        &self,
        image: &MetadataImage,
        id: TopicIdPartition,
    ) -> Option<LocalPartition> {
        let HostedPartition::Offline(offline) = self.hosted.get(&id)? else {
            return None;
        };
        let topic = image.topics().by_id(&id.topic_id)?;
        let name = TopicPartition::new(Arc::clone(&topic.name), id.partition);
        let local = self.local(image, id, &name)?;
        let is_waiting = match offline {
            Offline::Damaged(_) => may_heal(&local.state, self.node_id),
            Offline::NotMade => {
                local.directory != Uuid::LOST_DIRECTORY || may_heal(&local.state, self.node_id)
            }
            Offline::Directory | Offline::Unusable => false,
        };
        is_waiting.then_some(local)
    }

    /// The replica of this broker, as an image has it.
    fn local(
        &self,
        image: &MetadataImage,
        id: TopicIdPartition,
        name: &TopicPartition,
    ) -> Option<LocalPartition> {
        let topic = image.topics().by_id(&id.topic_id)?;
        let state = topic.partitions.get(&id.partition)?;
        Some(LocalPartition {
            topic_id: id.topic_id,
            partition: name.clone(),
            state: Arc::clone(state),
            is_new_leader_epoch: true,
            is_new: false,
            directory: state.directory_of(self.node_id)?,
        })
    }
}
