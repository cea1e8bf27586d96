//! The partitions that this broker holds, beside the metadata image that says which it should hold: so
//! there is a reason for each that is missing.
//!
//! Owns: the table of partitions by topic id and index, in shards that are locked apart, with two gauges
//! that count them as they come, fail and go; and the newest image that was applied. The table is changed
//! by `replicas`, as the metadata says, and by `dirs`, for what has failed.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use arc_swap::{ArcSwap, Guard};
use parking_lot::{Mutex, RwLock};

use crate::metadata::image::{BrokerImage, MetadataImage};
use crate::model::{BrokerId, TopicIdPartition, TopicPartition, Uuid};
use crate::replication::error::ReplicaError;
use crate::replication::partition::Partition;
use crate::storage::error::StorageError;
use crate::telemetry::{Gauge, TopicTraffic};

const SHARD_COUNT: usize = 64;

/// A partition that the controller has put here.
#[derive(Clone, Debug)]
pub enum HostedPartition {
    /// Its log is open.
    Online(Arc<Partition>),
    /// Its log cannot be used.
    Offline(Offline),
}

/// Why the log of a partition cannot be used.
#[derive(Clone, Debug)]
pub enum Offline {
    /// Its log directory has failed, which the controller is told of the whole directory.
    Directory,
    /// The log is damaged, with what was open of it; or it was lost so.
    Damaged(Option<Arc<Partition>>),
    /// The log could not be made, for want of room: it is tried again.
    NotMade,
    /// The log could not be opened or made, or it is not known which of several it is.
    Unusable,
}

impl Offline {
    /// What a fault means for a log alone, when it is made.
    pub fn of_new(error: &StorageError) -> Self {
        match error {
            StorageError::Full { .. } => Self::NotMade,
            error => Self::of(error),
        }
    }

    /// What a fault means for a log alone, when it is opened.
    pub fn of(error: &StorageError) -> Self {
        match error {
            StorageError::Corrupt { .. } => Self::Damaged(None),
            StorageError::Io { .. } | StorageError::Offline => Self::Directory,
            StorageError::Full { .. }
            | StorageError::Inconsistent { .. }
            | StorageError::WouldWait
            | StorageError::SegmentDeleted => Self::Unusable,
        }
    }
}

impl HostedPartition {
    fn is_offline(&self) -> bool {
        matches!(self, Self::Offline(_))
    }
}

/// All partitions of this broker.
#[derive(Debug)]
pub struct Hosted {
    shards: Vec<RwLock<BTreeMap<TopicIdPartition, HostedPartition>>>,
    count: Gauge,
    offline_count: Gauge,
    image: ArcSwap<MetadataImage>,
    /// The traffic of each topic that has partitions here, and perhaps of some that had.
    traffic: Mutex<BTreeMap<Uuid, Weak<TopicTraffic>>>,
}

impl Hosted {
    /// An empty table. `count` shows how many partitions there are, `offline_count` how many of them cannot
    /// be used.
    pub fn new(image: &Arc<MetadataImage>, count: Gauge, offline_count: Gauge) -> Self {
        Self {
            shards: (0..SHARD_COUNT).map(|_| RwLock::default()).collect(),
            count,
            offline_count,
            image: ArcSwap::from(Arc::clone(image)),
            traffic: Mutex::default(),
        }
    }

    /// The newest metadata that was applied here.
    pub fn image(&self) -> Guard<Arc<MetadataImage>> {
        self.image.load()
    }

    /// Takes over newer metadata. `replicas` then changes the table accordingly.
    pub fn set_image(&self, image: &Arc<MetadataImage>) {
        let before = self.image.swap(Arc::clone(image));
        assert!(
            before.provenance().offset <= image.provenance().offset,
            "replicas act on no image that is older than one before"
        );
    }

    /// The partition with this id, if it can be used.
    ///
    /// # Errors
    /// The topic id or the partition is unknown, it is held elsewhere, or its disk is offline.
    pub fn partition(&self, id: &TopicIdPartition) -> Result<Arc<Partition>, ReplicaError> {
        match self.get(id) {
            Some(HostedPartition::Online(partition)) => Ok(partition),
            Some(HostedPartition::Offline(_)) => Err(StorageError::Offline.into()),
            None => Err(self.why_not_here(id)),
        }
    }

    /// The partition of a topic's name, see [`Self::partition`].
    pub fn partition_by_name(&self, name: &TopicPartition) -> Result<Arc<Partition>, ReplicaError> {
        let topic_id = self.image().topics().id_of(&name.topic);
        self.partition(&TopicIdPartition {
            topic_id: topic_id.ok_or(ReplicaError::UnknownTopicOrPartition)?,
            partition: name.partition,
        })
    }

    fn why_not_here(&self, id: &TopicIdPartition) -> ReplicaError {
        let image = self.image();
        match image.topics().by_id(&id.topic_id) {
            None => ReplicaError::UnknownTopicId,
            Some(topic) if topic.partition(id.partition).is_none() => {
                ReplicaError::UnknownTopicOrPartition
            }
            Some(_) => ReplicaError::NotLeader,
        }
    }

    /// Whether this broker has a partition's log open.
    pub fn is_online(&self, id: &TopicIdPartition) -> bool {
        matches!(self.get(id), Some(HostedPartition::Online(_)))
    }

    /// The partition with this id.
    pub fn get(&self, id: &TopicIdPartition) -> Option<HostedPartition> {
        self.shard(id).read().get(id).cloned()
    }

    /// Puts a partition into the table, and returns what was in its place.
    pub fn insert(
        &self,
        id: TopicIdPartition,
        partition: HostedPartition,
    ) -> Option<HostedPartition> {
        if let HostedPartition::Online(partition) = &partition {
            partition.share_traffic(&self.traffic_of(id.topic_id));
        }
        let is_offline = partition.is_offline();
        let previous = self.shard(&id).write().insert(id, partition);
        self.count(&previous, Some(is_offline));
        previous
    }

    /// The traffic of a topic: its partitions keep it.
    fn traffic_of(&self, topic: Uuid) -> Arc<TopicTraffic> {
        let mut all = self.traffic.lock();
        if let Some(known) = all.get(&topic).and_then(Weak::upgrade) {
            return known;
        }
        // Those of topics that are gone go when as many have come: each look costs little on the whole.
        if all.len().is_power_of_two() {
            all.retain(|_, traffic| traffic.strong_count() > 0);
        }
        let new = Arc::<TopicTraffic>::default();
        all.insert(topic, Arc::downgrade(&new));
        new
    }

    /// Whether this is the partition of its id, and its log is open.
    pub fn holds(&self, partition: &Partition) -> bool {
        match self.get(&partition.id()) {
            Some(HostedPartition::Online(known)) => std::ptr::eq(&*known, partition),
            _ => false,
        }
    }

    /// Marks a partition as offline, unless it is that already, or is gone, or another of its id has come.
    /// Returns it if this has changed.
    pub fn take_offline(
        &self,
        partition: &Partition,
        why: impl FnOnce(Option<Arc<Partition>>) -> Offline,
    ) -> Option<Arc<Partition>> {
        let mut shard = self.shard(&partition.id()).write();
        let place = shard.get_mut(&partition.id())?;
        let known = match place {
            HostedPartition::Online(known) if std::ptr::eq(&**known, partition) => {
                Arc::clone(known)
            }
            _ => return None,
        };
        *place = HostedPartition::Offline(why(Some(Arc::clone(&known))));
        self.offline_count.inc_by(1);
        Some(known)
    }

    /// Takes a partition out of the table.
    pub fn remove(&self, id: &TopicIdPartition) -> Option<HostedPartition> {
        let removed = self.shard(id).write().remove(id);
        self.count(&removed, None);
        removed
    }

    /// Counts a change from `before` to something that is offline (`Some(true)`) or not, or to nothing.
    fn count(&self, before: &Option<HostedPartition>, after: Option<bool>) {
        self.count
            .inc_by(i64::from(after.is_some()) - i64::from(before.is_some()));
        let was_offline = before.as_ref().is_some_and(HostedPartition::is_offline);
        self.offline_count
            .inc_by(i64::from(after == Some(true)) - i64::from(was_offline));
    }

    /// The partitions whose logs are open, in any order.
    pub fn online(&self) -> Vec<Arc<Partition>> {
        let mut online = Vec::new();
        for shard in &self.shards {
            let shard = shard.read();
            online.extend(shard.values().filter_map(|hosted| match hosted {
                HostedPartition::Online(partition) => Some(Arc::clone(partition)),
                HostedPartition::Offline(_) => None,
            }));
        }
        online
    }

    /// Shows all partitions whose logs are open, always in the same order, while the table is locked a part at
    /// a time: `look` must neither wait nor come back to the table. Unlike [`Self::online`] it makes no list, and
    /// touches no more of a partition than `look` does.
    pub fn look_at_online(&self, mut look: impl FnMut(&Partition)) {
        for shard in &self.shards {
            for hosted in shard.read().values() {
                if let HostedPartition::Online(partition) = hosted {
                    look(partition);
                }
            }
        }
    }

    /// The ids of the partitions that cannot be used.
    pub fn offline(&self) -> Vec<TopicIdPartition> {
        let mut offline = Vec::new();
        if self.offline_count.get() == 0 {
            return offline;
        }
        for shard in &self.shards {
            let shard = shard.read();
            let found = shard.iter().filter(|(_, it)| it.is_offline());
            offline.extend(found.map(|(id, _)| *id));
        }
        offline
    }

    fn shard(&self, id: &TopicIdPartition) -> &RwLock<BTreeMap<TopicIdPartition, HostedPartition>> {
        // Topic ids are random. The index is mixed in, so that the partitions of one topic do not share a
        // lock.
        let [first, ..] = *id.topic_id.as_bytes();
        let mixed = usize::from(first).wrapping_add(id.partition.unsigned_abs() as usize);
        &self.shards[mixed % SHARD_COUNT]
    }
}

/// Whether deletions of a partition's records wait for this broker: it is not fenced, and has the directory
/// of its replica.
pub fn is_alive(image: &MetadataImage, partition: &TopicIdPartition, id: BrokerId) -> bool {
    let broker = image.brokers().get(id).filter(|broker| !broker.fenced);
    broker.is_some_and(|broker| has_its_directory(image, partition, broker))
}

/// Whether a follower may join a partition's in-sync set: its broker is neither fenced nor shutting down, the
/// fetch does not come from an earlier process of it (KIP-903), and its replica is not lost.
pub fn is_eligible(
    image: &MetadataImage,
    partition: &TopicIdPartition,
    id: BrokerId,
    epoch: i64,
) -> bool {
    let broker = image.brokers().get(id).filter(|broker| broker.is_active());
    broker.is_some_and(|broker| {
        (epoch == -1 || epoch == broker.epoch) && has_its_directory(image, partition, broker)
    })
}

/// Whether a broker has the directory of its replica online, as far as is known (KIP-858).
fn has_its_directory(
    image: &MetadataImage,
    partition: &TopicIdPartition,
    broker: &BrokerImage,
) -> bool {
    let state = image
        .topics()
        .partition(&partition.topic_id, partition.partition);
    match state.and_then(|state| state.directory_of(broker.id)) {
        Some(Uuid::LOST_DIRECTORY) => false,
        None | Some(Uuid::ZERO | Uuid::UNASSIGNED_DIRECTORY) => true,
        Some(directory) => broker.directories.is_empty() || broker.directories.contains(&directory),
    }
}
