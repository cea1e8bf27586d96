//! A broker's replicas on a disk in memory with one partition of `__consumer_offsets`, and its group
//! coordinator.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;

use super::super::*;
use crate::config::{BrokerConfig, Layers, Settings};
use crate::coordinator::group::{Answer, Token};
use crate::doubles::CrashDisk;
use crate::metadata::Assignment;
use crate::metadata::delta::MetadataDelta;
use crate::model::{DirectoryId, Offset, TopicId, TopicPartition};
use crate::protocol::messages::metadata_records::{
    ConfigRecord, MetadataRecord, PartitionChangeRecord, PartitionRecord, RemoveTopicRecord,
    TopicRecord,
};
use crate::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::messages::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use crate::records::validate::ValidatedBatch;
use crate::replication::driver::ReplicaListener;
use crate::replication::leadership::FollowerFetch;
use crate::replication::partition::{IsrChange, LeaderWrite, Partition};
use crate::replication::settings::ReplicaSettings;
use crate::storage::disk::{Disk, OpenMode};
use crate::storage::log_dir::{Identity, LogDirs};
use crate::storage::producer_state::Origin;
use crate::telemetry::Metrics;

const LOCAL: i32 = 1;
const OFFSETS_ID: TopicId = TopicId::from_bytes([1; 16]);
/// The topic that offsets are committed for.
pub(super) const TOPIC_ID: TopicId = TopicId::from_bytes([2; 16]);

struct Listener;

impl ReplicaListener for Listener {
    fn log_dir_failed(&self, _dir: DirectoryId, _is_last: bool) {}
    fn replica_placed(&self, _assignment: Assignment) {}
    fn isr_change_wanted(&self, _change: IsrChange) {}
}

pub(super) struct World {
    pub(super) groups: GroupCoordinator,
    pub(super) replicas: ReplicaManager,
    image: Mutex<Arc<MetadataImage>>,
    config: GroupCoordinatorConfig,
    disk: Arc<dyn Disk>,
    /// What the replicas count.
    replica_metrics: Arc<Metrics>,
    /// What the coordinator counts.
    pub(super) metrics: Arc<Metrics>,
    /// Held as long as the replicas run.
    _dirs: LogDirs,
}

impl World {
    /// `settings` are of the broker; `replicas` hold the partition of `__consumer_offsets`.
    pub(super) fn new(settings: &[(&str, &str)], replicas: &[i32]) -> Self {
        let mut given = Settings::default();
        for (key, value) in settings {
            given.insert((*key).to_owned(), (*value).to_owned());
        }
        let config = BrokerConfig::read(&Layers::of(&given)).unwrap();
        let disk: Arc<dyn Disk> = Arc::new(CrashDisk::new());
        let identity = Identity {
            node_id: BrokerId(LOCAL),
            cluster_id: Some("cluster".to_owned()),
        };
        let paths = [PathBuf::from("/data")];
        let new_id = || DirectoryId::from_bytes([7; 16]);
        let dirs = LogDirs::open(&disk, &paths, &identity, new_id).unwrap();
        let replica_settings = ReplicaSettings {
            node_id: BrokerId(LOCAL),
            ..ReplicaSettings::of(&config)
        };
        let image = Arc::new(MetadataImage::default());
        let metrics = Arc::new(Metrics::new([]));
        let listener = Box::new(Listener);
        let started = ReplicaManager::start(
            replica_settings,
            &dirs,
            &image,
            listener,
            Arc::clone(&metrics),
        )
        .unwrap();
        let group_metrics = Arc::new(Metrics::new([]));
        let world = Self {
            groups: coordinator(&config.groups, &started.manager, &group_metrics),
            disk,
            replica_metrics: metrics,
            metrics: group_metrics,
            replicas: started.manager,
            image: Mutex::new(image),
            config: config.groups,
            _dirs: dirs,
        };
        let mut records = topic(OFFSETS_TOPIC, OFFSETS_ID, replicas);
        records.extend(topic("t", TOPIC_ID, &[LOCAL]));
        world.apply(&records);
        world
    }

    /// What another process would find: a new coordinator on the same logs.
    pub(super) fn restart_groups(&mut self) {
        self.metrics = Arc::new(Metrics::new([]));
        self.groups = coordinator(&self.config, &self.replicas, &self.metrics);
        let image = self.image.lock();
        let mut delta = MetadataDelta::new(MetadataImage::default());
        for record in image.records() {
            delta.replay(&record).unwrap();
        }
        self.groups.apply(&delta, &image);
    }

    pub(super) fn apply(&self, records: &[MetadataRecord]) {
        let delta = self.apply_to_replicas(records);
        self.groups.apply(&delta, &self.image.lock());
    }

    /// A change that the coordinator is not told of.
    fn apply_to_replicas(&self, records: &[MetadataRecord]) -> MetadataDelta {
        let mut image = self.image.lock();
        let mut delta = MetadataDelta::new((**image).clone());
        for record in records {
            delta.replay(record).unwrap();
        }
        *image = Arc::new(delta.image().clone());
        self.replicas.apply(&delta, &image);
        delta
    }

    /// Sets who leads the partition of `__consumer_offsets`, in the next epoch.
    pub(super) fn elect(&self, leader: i32) {
        self.apply(&[MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: 0,
            topic_id: OFFSETS_ID,
            leader,
            ..PartitionChangeRecord::default()
        })]);
    }

    pub(super) fn set_isr(&self, isr: &[i32]) {
        self.apply(&[MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: 0,
            topic_id: OFFSETS_ID,
            isr: Some(isr.to_vec()),
            ..PartitionChangeRecord::default()
        })]);
    }

    pub(super) fn set_config(&self, name: &'static str, value: &'static str) {
        self.apply(&[MetadataRecord::Config(ConfigRecord {
            resource_type: 2,
            resource_name: OFFSETS_TOPIC.into(),
            name: name.into(),
            value: Some(value.into()),
        })]);
    }

    pub(super) fn delete_topic(&self) {
        self.apply(&[removal()]);
    }

    /// The process dies before it removes the offsets of a deleted topic; `successor` is the id of
    /// another topic that gets its name.
    pub(super) fn delete_topic_unnoticed(&self, successor: Option<TopicId>) {
        let mut records = vec![removal()];
        records.extend(
            successor
                .into_iter()
                .flat_map(|id| topic("t", id, &[LOCAL])),
        );
        self.apply_to_replicas(&records);
    }

    /// Writes something else into the first batch of the log.
    pub(super) fn damage(&self) {
        let path = "/data/__consumer_offsets-0/00000000000000000000.log";
        let file = self.disk.open(path.as_ref(), OpenMode::Existing).unwrap();
        file.write_at(&[std::io::IoSlice::new(b"damage")], 70)
            .unwrap();
    }

    /// Puts a batch of magic 1, which is whole, in the place of the first batch of the log.
    pub(super) fn make_legacy(&self) {
        let path = "/data/__consumer_offsets-0/00000000000000000000.log";
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

    /// Lines of the metrics that are there.
    pub(super) fn assert_metrics(&self, expected: &[&str]) {
        let text = format!("{}{}", self.metrics.render(), self.replica_metrics.render());
        for line in expected {
            let line = format!("broker_{line}");
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
    }

    /// Lets no load begin until it is dropped, and waits for those that have begun or wait before it.
    pub(super) async fn hold_loads(&self) -> OwnedSemaphorePermit {
        // Those that were just started get into the queue.
        tokio::task::yield_now().await;
        let services = &self.groups.shared.services;
        let all = thread::available_parallelism().map_or(1, usize::from);
        let loaders = Arc::clone(&services.loaders);
        let held = loaders.acquire_many_owned(u32::try_from(all).unwrap());
        held.await.unwrap()
    }

    /// The shard of the partition.
    pub(super) fn shard(&self) -> Arc<ShardDriver> {
        Arc::clone(&self.groups.shared.shards.load()[&0])
    }

    /// How often a shard was loaded.
    pub(super) fn loads(&self) -> u64 {
        self.metrics.groups.loads.get()
    }

    pub(super) fn partition(&self) -> Arc<Partition> {
        let name = TopicPartition::new(OFFSETS_TOPIC, 0);
        self.replicas.partition_by_name(&name).unwrap()
    }

    /// Writes a batch into the log behind the coordinator's back.
    pub(super) fn write(&self, batch: &Bytes) {
        let write = LeaderWrite {
            batch: &ValidatedBatch::trusted(batch).unwrap(),
            origin: Origin::Coordinator,
            expected_epoch: None,
            guard: None,
            transaction_version: 0,
            ticket: None,
        };
        self.replicas.append(&self.partition(), write).unwrap();
    }

    /// The follower has all that the leader has.
    pub(super) fn follower_catches_up(&self) {
        let partition = self.partition();
        let fetch = FollowerFetch {
            id: BrokerId(2),
            end_offset: partition.end_offset(),
            log_start_offset: Offset(0),
            broker_epoch: -1,
            is_eligible: true,
            at: Instant::now(),
            session: None,
        };
        partition.follower_fetched(&fetch).unwrap();
    }

    pub(super) fn submit(&self, request: &Request) -> Submitted {
        self.groups.submit("g", caller(), request)
    }

    /// Commits `offset` for partition 0 of `t`: the error.
    pub(super) async fn commit(&self, offset: i64) -> ErrorCode {
        error_of(self.submit(&commit("g", offset)).answer().await)
    }

    /// As [`Self::commit`], until the pause after a failed append is over.
    pub(super) async fn commit_after_pause(&self, offset: i64) -> ErrorCode {
        loop {
            match self.commit(offset).await {
                ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                other => return other,
            }
        }
    }

    /// The committed offset, once the shard is loaded.
    pub(super) async fn committed(&self) -> i64 {
        self.committed_of(TOPIC_ID).await
    }

    /// As [`Self::committed`], for a topic `t` with this id.
    pub(super) async fn committed_of(&self, topic_id: TopicId) -> i64 {
        loop {
            let request = Request::OffsetFetch {
                group: OffsetFetchRequestGroup {
                    group_id: "g".into(),
                    topics: Some(vec![OffsetFetchRequestTopics {
                        name: "t".into(),
                        topic_id,
                        partition_indexes: vec![0],
                    }]),
                    ..OffsetFetchRequestGroup::default()
                },
                require_stable: false,
            };
            let Answer::OffsetFetch(group) = self.submit(&request).answer().await else {
                unreachable!("offsets were asked for");
            };
            if group.error_code != ErrorCode::COORDINATOR_LOAD_IN_PROGRESS {
                assert_eq!(group.error_code, ErrorCode::NONE);
                return group.topics[0].partitions[0].committed_offset;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn coordinator(
    config: &GroupCoordinatorConfig,
    replicas: &ReplicaManager,
    metrics: &Arc<Metrics>,
) -> GroupCoordinator {
    let (replicas, metrics) = (replicas.clone(), Arc::clone(metrics));
    GroupCoordinator::start(
        config,
        BrokerId(LOCAL),
        replicas,
        Handle::current(),
        metrics,
    )
}

fn removal() -> MetadataRecord {
    MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: TOPIC_ID })
}

fn topic(name: &'static str, topic_id: TopicId, replicas: &[i32]) -> Vec<MetadataRecord> {
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

pub(super) fn caller() -> Caller {
    Caller {
        token: Token(0),
        version: 9,
        client_id: "tests".into(),
        client_host: "/127.0.0.1".into(),
    }
}

pub(super) fn commit(group: &str, offset: i64) -> Request {
    Request::OffsetCommit(OffsetCommitRequest {
        group_id: Str::copy_from(group),
        topics: vec![OffsetCommitRequestTopic {
            name: "t".into(),
            topic_id: TOPIC_ID,
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: 0,
                committed_offset: offset,
                committed_metadata: Some(Str::EMPTY),
                ..OffsetCommitRequestPartition::default()
            }],
        }],
        ..OffsetCommitRequest::default()
    })
}

/// The error in the answer to a commit or a join.
pub(super) fn error_of(answer: Answer) -> ErrorCode {
    match answer {
        Answer::OffsetCommit(response) => response.topics[0].partitions[0].error_code,
        Answer::JoinGroup(response) => response.error_code,
        other => unreachable!("neither a commit nor a join: {other:?}"),
    }
}
