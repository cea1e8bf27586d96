//! A broker's replicas on a disk in memory, with one partition of a coordinator's topic.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::config::BrokerConfig;
use crate::doubles::CrashDisk;
use crate::metadata::ReplicaDirectory;
use crate::metadata::delta::MetadataDelta;
use crate::metadata::image::MetadataImage;
use crate::model::{BrokerId, DirectoryId, Offset, TopicId, TopicPartition};
use crate::protocol::messages::metadata_records::{
    ConfigRecord, MetadataRecord, PartitionChangeRecord, PartitionRecord, TopicRecord,
};
use crate::records::validate::ValidatedBatch;
use crate::replication::leadership::FollowerFetch;
use crate::replication::listener::ReplicaListener;
use crate::replication::manager::ReplicaManager;
use crate::replication::partition::{IsrChange, LeaderWrite, Partition};
use crate::replication::settings::ReplicaSettings;
use crate::storage::disk::{Disk, OpenMode};
use crate::storage::log_dir::{Identity, LogDirs};
use crate::storage::producer_state::Origin;
use crate::telemetry::Metrics;

/// This broker.
pub(in crate::coordinator) const LOCAL: i32 = 1;
/// The id of the coordinator's topic.
const TOPIC_ID: TopicId = TopicId::from_bytes([1; 16]);

struct Listener;

impl ReplicaListener for Listener {
    fn log_dir_failed(&self, _dir: DirectoryId, _is_last: bool) {}
    fn replica_placed(&self, _replica_directory: ReplicaDirectory) {}
    fn isr_change_wanted(&self, _change: IsrChange) {}
}

/// The replicas, and what they know of the cluster.
pub(in crate::coordinator) struct Replicas {
    pub(in crate::coordinator) manager: ReplicaManager,
    /// What the replicas count.
    pub(in crate::coordinator) metrics: Arc<Metrics>,
    /// The coordinator's.
    topic: &'static str,
    image: Mutex<Arc<MetadataImage>>,
    disk: Arc<dyn Disk>,
    /// Held as long as the replicas run.
    _dirs: LogDirs,
}

impl Replicas {
    /// Replicas without any topic; `topic` is the name that the coordinator's will have.
    pub(in crate::coordinator) fn start(config: &BrokerConfig, topic: &'static str) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(CrashDisk::new());
        let identity = Identity {
            node_id: BrokerId(LOCAL),
            cluster_id: Some("cluster".to_owned()),
        };
        let paths = [PathBuf::from("/data")];
        let new_id = || DirectoryId::from_bytes([7; 16]);
        let dirs = LogDirs::open(&disk, &paths, &identity, new_id).unwrap();
        let settings = ReplicaSettings {
            node_id: BrokerId(LOCAL),
            ..ReplicaSettings::of(config)
        };
        let image = Arc::new(MetadataImage::default());
        let metrics = Arc::new(Metrics::new([]));
        let listener = Box::new(Listener);
        let started = ReplicaManager::start(&settings, &dirs, &image, listener, &metrics).unwrap();
        Self {
            manager: started.manager,
            metrics,
            topic,
            image: Mutex::new(image),
            disk,
            _dirs: dirs,
        }
    }

    /// The newest image.
    pub(in crate::coordinator) fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.image.lock())
    }

    /// The records that make the coordinator's topic, with one partition on these replicas.
    pub(in crate::coordinator) fn coordinator_topic(
        &self,
        replicas: &[i32],
    ) -> Vec<MetadataRecord> {
        topic(self.topic, TOPIC_ID, replicas)
    }

    /// All that is known, as one change.
    pub(in crate::coordinator) fn everything(&self) -> MetadataDelta {
        let mut delta = MetadataDelta::new(MetadataImage::default());
        for record in self.image().records() {
            delta.replay(&record).unwrap();
        }
        delta
    }

    /// The replicas follow a change, which a coordinator is still to be told of.
    pub(in crate::coordinator) fn apply(&self, records: &[MetadataRecord]) -> MetadataDelta {
        let mut image = self.image.lock();
        let mut delta = MetadataDelta::new((**image).clone());
        for record in records {
            delta.replay(record).unwrap();
        }
        *image = Arc::new(delta.image().clone());
        self.manager.apply(&delta, &image);
        delta
    }

    /// Says who leads the coordinator's partition, in the next epoch.
    pub(in crate::coordinator) fn election(leader: i32) -> MetadataRecord {
        MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: 0,
            topic_id: TOPIC_ID,
            leader,
            ..PartitionChangeRecord::default()
        })
    }

    /// Says who is in sync with the coordinator's partition.
    pub(in crate::coordinator) fn in_sync(isr: &[i32]) -> MetadataRecord {
        MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: 0,
            topic_id: TOPIC_ID,
            isr: Some(isr.to_vec()),
            ..PartitionChangeRecord::default()
        })
    }

    /// Changes the config of the coordinator's topic.
    pub(in crate::coordinator) fn config(
        &self,
        name: &'static str,
        value: &'static str,
    ) -> MetadataRecord {
        MetadataRecord::Config(ConfigRecord {
            resource_type: 2,
            resource_name: self.topic.into(),
            name: name.into(),
            value: Some(value.into()),
        })
    }

    /// Writes something else into the first batch of the log.
    pub(in crate::coordinator) fn damage(&self) {
        let path = format!("/data/{}-0/00000000000000000000.log", self.topic);
        let file = self.disk.open(path.as_ref(), OpenMode::Existing).unwrap();
        file.write_at(&[std::io::IoSlice::new(b"damage")], 70)
            .unwrap();
    }

    /// Puts a batch of magic 1, which is whole, in the place of the first batch of the log.
    pub(in crate::coordinator) fn make_legacy(&self) {
        let path = format!("/data/{}-0/00000000000000000000.log", self.topic);
        let file = self.disk.open(path.as_ref(), OpenMode::Existing).unwrap();
        let mut head = [0; 12];
        file.read_at(&mut head, 0).unwrap();
        let size = i32::from_be_bytes([head[8], head[9], head[10], head[11]]);
        // From the magic on: attributes, timestamp, a key that is null, and a value.
        let mut rest = vec![1, 0];
        rest.extend(1_i64.to_be_bytes());
        rest.extend((-1_i32).to_be_bytes());
        let value = size - 4 - 18;
        rest.extend(value.to_be_bytes());
        rest.resize(usize::try_from(size).unwrap() - 4, 0);
        let mut crc = flate2::Crc::new();
        crc.update(&rest);
        let crc = crc.sum().to_be_bytes();
        let parts = [&head[..], &crc, &rest].map(std::io::IoSlice::new);
        file.write_at(&parts, 0).unwrap();
    }

    pub(in crate::coordinator) fn partition(&self) -> Arc<Partition> {
        let name = TopicPartition::new(self.topic, 0);
        self.manager.partition_by_name(&name).unwrap()
    }

    /// Writes a batch into the log behind the coordinator's back.
    pub(in crate::coordinator) fn write(&self, batch: &Bytes) {
        let write = LeaderWrite {
            batch: &ValidatedBatch::trusted(batch).unwrap(),
            origin: Origin::Coordinator,
            expected_epoch: None,
            guard: None,
            transaction_version: 0,
            ticket: None,
        };
        self.manager.append(&self.partition(), write).unwrap();
    }

    /// The follower has all that the leader has.
    pub(in crate::coordinator) fn follower_catches_up(&self) {
        let partition = self.partition();
        let fetch = FollowerFetch {
            id: BrokerId(2),
            end_offset: partition.end_offset(),
            log_start_offset: Offset(0),
            broker_epoch: 80,
            at: Instant::now(),
            session: None,
        };
        partition
            .follower_fetched(partition.leader().1, &fetch, || true)
            .unwrap();
    }
}

/// The records that make a topic with one partition.
pub(in crate::coordinator) fn topic(
    name: &'static str,
    topic_id: TopicId,
    replicas: &[i32],
) -> Vec<MetadataRecord> {
    let topic = TopicRecord {
        name: name.into(),
        topic_id,
    };
    let partition = PartitionRecord {
        partition_id: 0,
        topic_id,
        replicas: replicas.to_vec(),
        isr: replicas.to_vec(),
        leader: replicas[0],
        leader_epoch: 0,
        partition_epoch: 0,
        directories: vec![DirectoryId::UNASSIGNED_DIRECTORY; replicas.len()],
        ..PartitionRecord::default()
    };
    vec![topic.into(), MetadataRecord::Partition(partition)]
}
