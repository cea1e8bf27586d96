//! Brokers in one process that fetch from each other over real sockets, each with a disk in memory, and the
//! metadata of all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::server::{self, Server};
use crate::config::{BrokerConfig, Layers, Settings};
use parking_lot::Mutex;

use crate::doubles::CrashDisk;
use crate::metadata::delta::MetadataDelta;
use crate::metadata::image::MetadataImage;
use crate::model::{BrokerId, DirectoryId, Offset, TopicId, TopicPartition};
use crate::network::RunningListener;
use crate::protocol::messages::metadata_records::broker::BrokerEndpoint;
use crate::protocol::messages::metadata_records::{
    ConfigRecord, MetadataRecord, PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord,
    TopicRecord,
};
use crate::records::BatchBuilder;
use crate::records::NewRecord;
use crate::records::validate::ValidatedBatch;
use crate::replication::listener::ReplicaListener;
use crate::replication::manager::{Arc, ReplicaManager};
use crate::replication::partition::{IsrChange, LeaderWrite, Partition};
use crate::replication::settings::ReplicaSettings;
use crate::storage::disk::{Disk, read_file};
use crate::storage::log_dir::{Identity, LogDirs};
use crate::storage::producer_state::Origin;
use crate::telemetry::Metrics;
use crate::telemetry::ReplicationMetrics;

/// A broker.
pub(super) struct Node {
    pub(super) manager: ReplicaManager,
    pub(super) disk: CrashDisk,
    pub(super) server: Arc<Server>,
    pub(super) settings: ReplicaSettings,
    pub(super) placed: Placed,
    /// The directories that the last change of the metadata has answered: the controller is told of these, too.
    pub(super) answered: Vec<DirectoryId>,
    pub(super) isr_changes: Arc<Mutex<Vec<IsrChange>>>,
    /// Lets the thread that asks for the broker epoch next end by a panic.
    pub(super) plants_panic: Arc<AtomicBool>,
    _listener: RunningListener,
    _dirs: LogDirs,
}

/// Brokers, by their ids.
pub(super) struct Cluster {
    pub(super) nodes: BTreeMap<i32, Node>,
    /// What all of them will have heard of.
    image: MetadataImage,
    topics_made: u8,
    change_settings: fn(&mut ReplicaSettings),
    /// The log directories of each broker.
    pub(super) paths: &'static [&'static str],
}

#[derive(Clone, Default)]
struct Listener {
    placed: Placed,
    isr_changes: Arc<Mutex<Vec<IsrChange>>>,
}

/// What the controller was told of directories.
type Placed = Arc<Mutex<Vec<DirectoryId>>>;

impl ReplicaListener for Listener {
    fn log_dir_failed(&self, _dir: DirectoryId, _is_last: bool) {}
    fn replica_placed(&self, placed: crate::metadata::ReplicaDirectory) {
        self.placed.lock().push(placed.directory);
    }
    fn isr_change_wanted(&self, change: IsrChange) {
        self.isr_changes.lock().push(change);
    }
}

impl Cluster {
    pub(super) async fn start(ids: &[i32]) -> Self {
        Self::start_with(ids, |_| {}).await
    }

    pub(super) async fn start_with(ids: &[i32], change: fn(&mut ReplicaSettings)) -> Self {
        let mut cluster = Self {
            nodes: BTreeMap::new(),
            image: MetadataImage::default(),
            topics_made: 0,
            change_settings: change,
            paths: &["/a"],
        };
        for &id in ids {
            cluster.start_node(id, CrashDisk::new()).await;
        }
        cluster
    }

    /// Starts a broker on a disk, in the place of an earlier process of it.
    pub(super) async fn start_node(&mut self, id: i32, disk: CrashDisk) {
        let bound = server::bind().await;
        let registration = MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: id,
            broker_epoch: i64::from(id),
            fenced: false,
            end_points: vec![BrokerEndpoint {
                name: "PLAINTEXT".into(),
                host: "127.0.0.1".into(),
                port: bound.address().port(),
                security_protocol: 0,
            }],
            ..RegisterBrokerRecord::default()
        });
        self.nodes.remove(&id);
        self.apply(&[registration]);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let identity = Identity {
            node_id: BrokerId(id),
            cluster_id: Some("cluster".to_owned()),
        };
        let mut made = 0;
        let new_id = || {
            made += 1;
            DirectoryId::from_bytes([99 + made + id as u8; 16])
        };
        let paths: Vec<_> = self.paths.iter().map(PathBuf::from).collect();
        let dirs = LogDirs::open(&shared, &paths, &identity, new_id).unwrap();
        let config = BrokerConfig::read(&Layers::of(&Settings::default())).unwrap();
        let mut settings = ReplicaSettings {
            node_id: BrokerId(id),
            ..ReplicaSettings::of(&config)
        };
        settings.storage.cleaner.enable = false;
        settings.follower.backoff = Duration::from_millis(20);
        (self.change_settings)(&mut settings);
        let metrics = Arc::new(Metrics::new([]));
        let image = Arc::new(self.image.clone());
        let told = Listener::default();
        let listener = Box::new(told.clone());
        let started = ReplicaManager::start(&settings, &dirs, &image, listener, &metrics).unwrap();
        let manager = started.manager;
        let at_start = started.replica_directories.iter();
        told.placed.lock().extend(at_start.map(|it| it.directory));
        let plants_panic = Arc::<AtomicBool>::default();
        let panics = Arc::clone(&plants_panic);
        manager.set_broker_epoch(move || {
            assert!(!panics.swap(false, Ordering::AcqRel), "a planted bug");
            i64::from(id)
        });
        let (server, listener) = server::serve(bound, &manager);
        let node = Node {
            manager,
            disk,
            server,
            settings,
            placed: told.placed,
            answered: Vec::new(),
            isr_changes: told.isr_changes,
            plants_panic,
            _listener: listener,
            _dirs: dirs,
        };
        self.nodes.insert(id, node);
    }

    /// Tells all brokers of changes.
    pub(super) fn apply(&mut self, records: &[MetadataRecord]) {
        let ids: Vec<_> = self.nodes.keys().copied().collect();
        self.apply_in_order(records, &ids, |_| {});
    }

    /// Tells brokers of changes one after the other, and calls `between` after each.
    pub(super) fn apply_in_order(
        &mut self,
        records: &[MetadataRecord],
        ids: &[i32],
        mut between: impl FnMut(&Self),
    ) {
        let mut delta = MetadataDelta::new(self.image.clone());
        for record in records {
            delta.replay(record).unwrap();
        }
        self.image = delta.image().clone();
        let image = Arc::new(self.image.clone());
        for id in ids {
            let node = self.nodes.get_mut(id).unwrap();
            let answered = node.manager.apply(&delta, &image).into_iter();
            node.answered = answered.map(|it| it.directory).collect();
            between(self);
        }
    }

    /// Makes a topic of one partition, led by the first of `replicas`.
    pub(super) fn create(
        &mut self,
        name: &'static str,
        replicas: &[i32],
        configs: &[(&'static str, &'static str)],
    ) {
        self.topics_made += 1;
        let topic_id = TopicId::from_bytes([self.topics_made; 16]);
        let mut records = vec![
            MetadataRecord::Topic(TopicRecord {
                name: name.into(),
                topic_id,
            }),
            MetadataRecord::Partition(PartitionRecord {
                partition_id: 0,
                topic_id,
                replicas: replicas.to_vec(),
                isr: replicas.to_vec(),
                leader: replicas[0],
                leader_epoch: 0,
                partition_epoch: 0,
                directories: vec![DirectoryId::UNASSIGNED_DIRECTORY; replicas.len()],
                ..PartitionRecord::default()
            }),
        ];
        records.extend(configs.iter().map(|(key, value)| {
            MetadataRecord::Config(ConfigRecord {
                resource_type: 2,
                resource_name: name.into(),
                name: (*key).into(),
                value: Some((*value).into()),
            })
        }));
        self.apply(&records);
    }

    /// Says where the replicas of a topic lie, and which are in sync.
    pub(super) fn placed(
        &self,
        topic: &str,
        directories: &[DirectoryId],
        isr: &[i32],
    ) -> MetadataRecord {
        MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: 0,
            topic_id: self.image.topics().id_of(topic).unwrap(),
            directories: Some(directories.to_vec()),
            isr: Some(isr.to_vec()),
            ..PartitionChangeRecord::default()
        })
    }

    /// Says which replicas of a topic are in sync.
    pub(super) fn in_sync(&self, topic: &str, isr: &[i32]) -> MetadataRecord {
        MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: 0,
            topic_id: self.image.topics().id_of(topic).unwrap(),
            isr: Some(isr.to_vec()),
            ..PartitionChangeRecord::default()
        })
    }

    /// Says where the replicas of a topic lie that nobody leads or is in sync with; `last` led it.
    pub(super) fn leaderless(
        &self,
        topic: &str,
        directories: &[DirectoryId],
        last: i32,
    ) -> MetadataRecord {
        MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: 0,
            topic_id: self.image.topics().id_of(topic).unwrap(),
            directories: Some(directories.to_vec()),
            isr: Some(Vec::new()),
            leader: BrokerId::NONE.0,
            last_known_elr: Some(vec![last]),
            ..PartitionChangeRecord::default()
        })
    }

    /// The record by which another broker leads.
    pub(super) fn led_by(&self, topic: &str, leader: i32, isr: &[i32]) -> MetadataRecord {
        MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: 0,
            topic_id: self.image.topics().id_of(topic).unwrap(),
            isr: Some(isr.to_vec()),
            leader,
            ..PartitionChangeRecord::default()
        })
    }

    pub(super) fn partition(&self, id: i32, topic: &str) -> Arc<Partition> {
        let name = TopicPartition::new(topic, 0);
        self.nodes[&id].manager.partition_by_name(&name).unwrap()
    }

    /// Appends a batch of `count` records with this value.
    pub(super) fn append(&self, id: i32, topic: &str, count: i64, value: &str) -> Offset {
        let mut builder = BatchBuilder::new(Offset(0));
        for _ in 0..count {
            builder.append(NewRecord {
                timestamp: crate::model::Timestamp(1_700_000_000_000),
                value: Some(value.as_bytes()),
                ..NewRecord::default()
            });
        }
        let batch = ValidatedBatch::trusted(&builder.build()).unwrap();
        let write = LeaderWrite {
            batch: &batch,
            origin: Origin::Client,
            expected_epoch: None,
            guard: None,
            transaction_version: 0,
            ticket: None,
        };
        let manager = &self.nodes[&id].manager;
        let appended = manager.append(&self.partition(id, topic), write).unwrap();
        appended.info.first_offset
    }

    /// The end of a topic's log on a broker.
    /// The metrics of a broker's replication.
    pub(super) fn replication_metrics(&self, id: i32) -> &ReplicationMetrics {
        &self.nodes[&id].manager.rooms.dirs.metrics.replication
    }

    pub(super) fn end(&self, id: i32, topic: &str) -> Offset {
        self.partition(id, topic).end_offset()
    }

    /// Waits until both brokers' logs of a topic end at the same offset.
    pub(super) fn until_caught_up(&self, one: i32, other: i32, topic: &str) {
        until(|| self.end(one, topic) == self.end(other, topic));
    }

    /// The bytes of a topic's segments on a broker, by the names of their files.
    pub(super) fn log_bytes(&self, id: i32, topic: &str) -> BTreeMap<String, Vec<u8>> {
        let disk = &self.nodes[&id].disk;
        let folder = PathBuf::from(format!("/a/{topic}-0"));
        let names = disk.list(&folder).unwrap().into_iter();
        let logs = names.filter(|entry| entry.name.ends_with(".log"));
        let contents = logs.map(|entry| {
            let path = folder.join(&entry.name);
            (entry.name, read_file(disk, &path).unwrap().unwrap())
        });
        contents.collect()
    }
}

/// Waits for what other threads are about to do.
pub(super) fn until(is_done: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_done() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "it never happened"
        );
        std::thread::yield_now();
    }
}
