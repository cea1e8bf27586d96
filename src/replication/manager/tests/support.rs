//! A broker's replicas on a disk in memory, and the metadata that says what they are.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::super::*;
use crate::config::{BrokerConfig, Layers, Settings};
use crate::doubles::CrashDisk;
use crate::metadata::ReplicaDirectory;
use crate::metadata::delta::MetadataDelta;
use crate::model::{BrokerId, LeaderEpoch, Offset, Timestamp, TopicId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::metadata_records::{
    ConfigRecord, MetadataRecord, PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord,
    RemoveTopicRecord, TopicRecord,
};
use crate::protocol::payload::Payload;
use crate::records::validate::ValidatedBatch;
use crate::records::{BatchBuilder, Batches, NewRecord};
use crate::replication::delayed::{AckWait, Interest};
use crate::replication::fetch_session::{
    FINAL_EPOCH, NO_SESSION, PartitionRequest, SessionError, TopicRef,
};
use crate::replication::listener::ReplicaListener;
use crate::replication::partition::{IsrChange, LeaderWrite, Reader};
use crate::replication::threads::random_bytes;
use crate::storage::checkpoint::StateFileError;
use crate::storage::disk::{Disk, OpenMode};
use crate::storage::log_dir::{Identity, LogDirs};
use crate::storage::producer_state::Origin;
use crate::telemetry::Metrics;

pub(super) const LOCAL: i32 = 1;

pub(super) struct World {
    pub(super) metrics: Arc<Metrics>,
    pub(super) disk: CrashDisk,
    paths: Vec<PathBuf>,
    pub(super) manager: ReplicaManager,
    pub(super) previous_broker_epoch: Option<i64>,
    pub(super) replica_directories: Vec<ReplicaDirectory>,
    pub(super) image: Mutex<Arc<MetadataImage>>,
    topics_made: Mutex<u8>,
    failures: Arc<Mutex<Vec<bool>>>,
    /// What the controller was told of moves.
    pub(super) placed: Arc<Mutex<Vec<ReplicaDirectory>>>,
    pub(super) isr_changes: Arc<Mutex<Vec<IsrChange>>>,
    /// Held as long as the manager runs.
    _dirs: LogDirs,
}

/// A change of the metadata.
pub(super) enum Change {
    Topic {
        name: &'static str,
        partitions: i32,
        replicas: Vec<i32>,
        directory: DirectoryId,
    },
    Delete(&'static str),
    Isr(&'static str, Vec<i32>),
    Record(MetadataRecord),
}

impl Change {
    pub(super) fn topic(name: &'static str, partitions: i32) -> Self {
        Self::topic_in(name, partitions, DirectoryId::UNASSIGNED_DIRECTORY)
    }

    pub(super) fn topic_in(name: &'static str, partitions: i32, directory: DirectoryId) -> Self {
        Self::Topic {
            name,
            partitions,
            replicas: vec![LOCAL],
            directory,
        }
    }

    pub(super) fn topic_on(name: &'static str, replicas: &[i32]) -> Self {
        Self::Topic {
            name,
            partitions: 1,
            replicas: replicas.to_vec(),
            directory: DirectoryId::UNASSIGNED_DIRECTORY,
        }
    }

    pub(super) fn delete(name: &'static str) -> Self {
        Self::Delete(name)
    }

    pub(super) fn isr(name: &'static str, isr: &[i32]) -> Self {
        Self::Isr(name, isr.to_vec())
    }

    pub(super) fn config(topic: &'static str, name: &'static str, value: &'static str) -> Self {
        Self::Record(MetadataRecord::Config(ConfigRecord {
            resource_type: 2,
            resource_name: topic.into(),
            name: name.into(),
            value: Some(value.into()),
        }))
    }
}

/// A dynamic setting of a broker; the empty name stands for all.
pub(super) fn broker_config(
    broker: &'static str,
    name: &'static str,
    value: &'static str,
) -> Change {
    Change::Record(MetadataRecord::Config(ConfigRecord {
        resource_type: 4,
        resource_name: broker.into(),
        name: name.into(),
        value: Some(value.into()),
    }))
}

pub(super) fn broker(id: i32, fenced: bool) -> Change {
    Change::Record(MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker_id: id,
        broker_epoch: 1,
        fenced,
        ..RegisterBrokerRecord::default()
    }))
}

#[derive(Clone, Default)]
struct Listener {
    failures: Arc<Mutex<Vec<bool>>>,
    placed: Arc<Mutex<Vec<ReplicaDirectory>>>,
    isr_changes: Arc<Mutex<Vec<IsrChange>>>,
}

impl ReplicaListener for Listener {
    fn log_dir_failed(&self, _dir: DirectoryId, is_last: bool) {
        self.failures.lock().push(is_last);
    }

    fn replica_placed(&self, replica_directory: ReplicaDirectory) {
        self.placed.lock().push(replica_directory);
    }

    fn isr_change_wanted(&self, change: IsrChange) {
        self.isr_changes.lock().push(change);
    }
}

impl World {
    pub(super) fn new(paths: &[&str]) -> Self {
        let image = Arc::new(MetadataImage::default());
        Self::start(CrashDisk::new(), paths, &[], image)
    }

    fn start(disk: CrashDisk, paths: &[&str], failed: &[&str], image: Arc<MetadataImage>) -> Self {
        let paths: Vec<_> = paths.iter().map(PathBuf::from).collect();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let identity = Identity {
            node_id: BrokerId(LOCAL),
            cluster_id: Some("cluster".to_owned()),
        };
        let new_id = || DirectoryId::from_bytes(random_bytes());
        let mut dirs = LogDirs::open(&shared, &paths, &identity, new_id).unwrap();
        dirs.failed.extend(failed.iter().map(|path| {
            let path = PathBuf::from(path);
            let source = std::io::Error::other("it is broken");
            (path.clone(), StateFileError::Io { path, source })
        }));
        let told = Listener::default();
        let listener = Box::new(told.clone());
        let config = BrokerConfig::read(&Layers::of(&Settings::default())).unwrap();
        let mut settings = ReplicaSettings {
            node_id: BrokerId(LOCAL),
            ..ReplicaSettings::of(&config)
        };
        // Tests ask what it would do; at work, it would be there before them at times.
        settings.storage.cleaner.enable = false;
        let metrics = Arc::new(Metrics::new([]));
        let started = ReplicaManager::start(&settings, &dirs, &image, listener, &metrics).unwrap();
        Self {
            metrics,
            disk,
            paths,
            manager: started.manager,
            previous_broker_epoch: started.previous_broker_epoch,
            replica_directories: started.replica_directories,
            image: Mutex::new(image),
            topics_made: Mutex::new(0),
            failures: told.failures,
            placed: told.placed,
            isr_changes: told.isr_changes,
            _dirs: dirs,
        }
    }

    /// Another process on what is left on `disk`, with the same metadata.
    pub(super) fn restarted(&self, disk: &CrashDisk) -> Self {
        let paths: Vec<_> = self
            .paths
            .iter()
            .map(|path| path.to_str().unwrap())
            .collect();
        self.restarted_on(disk, &paths, &[])
    }

    pub(super) fn restarted_on(&self, disk: &CrashDisk, paths: &[&str], failed: &[&str]) -> Self {
        // The disk outlives the process, its locks do not.
        let disk = disk.after_power_cut(crate::doubles::Tear::Kept);
        let again = Self::start(disk, paths, failed, Arc::clone(&self.image.lock()));
        *again.topics_made.lock() = *self.topics_made.lock();
        again.register();
        again
    }

    pub(super) fn apply(&self, changes: &[Change]) -> Vec<ReplicaDirectory> {
        let delta = self.delta(changes);
        let placed = self.manager.apply(&delta, &self.image.lock());
        // A fault that a test lets happen next is to hit what the test does next.
        let dirs = self.manager.rooms.dirs.all();
        self.until(|| {
            dirs.iter()
                .all(|dir| dir.log_dir.is_offline() || dir.syncs.has_synced_folders())
        });
        placed
    }

    /// Changes the metadata while the broker is away.
    pub(super) fn change_image(&self, changes: &[Change]) {
        self.delta(changes);
    }

    pub(super) fn delta(&self, changes: &[Change]) -> MetadataDelta {
        let mut image = self.image.lock();
        let mut delta = MetadataDelta::new((**image).clone());
        for change in changes {
            for record in self.records(change, delta.image()) {
                delta.replay(&record).unwrap();
            }
        }
        *image = Arc::new(delta.image().clone());
        delta
    }

    fn records(&self, change: &Change, image: &MetadataImage) -> Vec<MetadataRecord> {
        let id_of = |name: &str| image.topics().id_of(name).unwrap();
        match change {
            Change::Record(record) => vec![record.clone()],
            Change::Delete(name) => vec![MetadataRecord::RemoveTopic(RemoveTopicRecord {
                topic_id: id_of(name),
            })],
            Change::Isr(name, isr) => {
                vec![MetadataRecord::PartitionChange(PartitionChangeRecord {
                    partition_id: 0,
                    topic_id: id_of(name),
                    isr: Some(isr.clone()),
                    ..PartitionChangeRecord::default()
                })]
            }
            Change::Topic {
                name,
                partitions,
                replicas,
                directory,
            } => {
                let mut made = self.topics_made.lock();
                *made += 1;
                let topic_id = TopicId::from_bytes([*made; 16]);
                let topic = TopicRecord {
                    name: (*name).into(),
                    topic_id,
                };
                let partition = |partition_id| {
                    MetadataRecord::Partition(PartitionRecord {
                        partition_id,
                        topic_id,
                        replicas: replicas.clone(),
                        isr: replicas.clone(),
                        leader: replicas[0],
                        leader_epoch: 0,
                        partition_epoch: 0,
                        directories: vec![*directory; replicas.len()],
                        ..PartitionRecord::default()
                    })
                };
                let topic = std::iter::once(MetadataRecord::Topic(topic));
                topic.chain((0..*partitions).map(partition)).collect()
            }
        }
    }

    pub(super) fn partition(&self, topic: &str, partition: i32) -> Arc<Partition> {
        let name = TopicPartition::new(topic, partition);
        self.manager.partition_by_name(&name).unwrap()
    }

    /// Appends a batch of `count` records: its first offset.
    pub(super) fn append(
        &self,
        topic: &str,
        partition: i32,
        count: i64,
    ) -> Result<Offset, ErrorCode> {
        self.write(topic, partition, &batch(count), None)
    }

    /// Appends a record with acks=all.
    pub(super) fn append_waiting(
        &self,
        topic: &str,
        partition: i32,
        wait: &AckWait,
    ) -> Result<Offset, ErrorCode> {
        self.write(topic, partition, &batch(1), Some(wait))
    }

    fn write(
        &self,
        topic: &str,
        partition: i32,
        batch: &ValidatedBatch,
        wait: Option<&AckWait>,
    ) -> Result<Offset, ErrorCode> {
        let name = TopicPartition::new(topic, partition);
        let found = self.manager.partition_by_name(&name);
        let write = LeaderWrite {
            batch,
            origin: Origin::Client,
            expected_epoch: None,
            guard: None,
            transaction_version: 0,
            ticket: wait.map(|wait| wait.ticket(0)),
        };
        let appended = found.and_then(|found| self.manager.append(&found, write));
        appended
            .map(|done| done.info.first_offset)
            .map_err(|error| error.code())
    }

    /// Fetches with no session and without waiting.
    pub(super) async fn fetch_once(&self, wanted: &[(&str, i32, i64)]) -> FetchAnswer {
        self.fetch(wanted, Duration::ZERO, FINAL_EPOCH).run().await
    }

    pub(super) fn fetch(
        &self,
        wanted: &[(&str, i32, i64)],
        max_wait: Duration,
        epoch: i32,
    ) -> Fetch {
        self.begin_in(NO_SESSION, epoch, wanted, max_wait).unwrap()
    }

    pub(super) async fn fetch_in(
        &self,
        id: i32,
        epoch: i32,
        changed: &[(&str, i32, i64)],
        max_wait: Duration,
    ) -> Result<FetchAnswer, SessionError> {
        let fetch = self.begin_in(id, epoch, changed, max_wait)?;
        Ok(fetch.run().await)
    }

    pub(super) fn begin_in(
        &self,
        id: i32,
        epoch: i32,
        changed: &[(&str, i32, i64)],
        max_wait: Duration,
    ) -> Result<Fetch, SessionError> {
        self.begin_with(params(max_wait), (id, epoch), changed)
    }

    /// Begins a Fetch in a session, by its id and epoch.
    pub(super) fn begin_with(
        &self,
        params: FetchParams,
        (id, epoch): (i32, i32),
        changed: &[(&str, i32, i64)],
    ) -> Result<Fetch, SessionError> {
        let session = SessionRequest {
            id,
            epoch,
            uses_topic_ids: false,
        };
        let wanted = changed
            .iter()
            .map(|&(topic, partition, offset)| (TopicRef::Name(topic), partition, request(offset)));
        self.manager
            .begin_fetch(params, session, wanted, std::iter::empty())
    }

    /// The folders in a log directory.
    pub(super) fn folders(&self, path: &str) -> Vec<String> {
        let entries = self.disk.list(Path::new(path)).unwrap();
        let folders = entries.into_iter().filter(|entry| entry.is_dir);
        folders.map(|entry| entry.name).collect()
    }

    /// The names in a folder that end so, sorted.
    pub(super) fn files(&self, folder: &str, suffix: &str) -> Vec<String> {
        let entries = self.disk.list(Path::new(folder)).unwrap();
        let names = entries.into_iter().map(|entry| entry.name);
        let mut names: Vec<_> = names.filter(|name| name.ends_with(suffix)).collect();
        names.sort();
        names
    }

    /// Writes something else into the first batch of a log.
    pub(super) fn damage(&self, log: &str) {
        self.write_at(log, 70, b"damage");
    }

    pub(super) fn write_at(&self, path: &str, position: u64, bytes: &[u8]) {
        let path = Path::new(path);
        let file = self.disk.open(path, OpenMode::Existing).unwrap();
        file.write_at(&[std::io::IoSlice::new(bytes)], position)
            .unwrap();
    }

    /// A line of the metrics that is there: with this name and value.
    pub(super) fn assert_metric(&self, name: &str, value: u64) {
        let text = self.metrics.to_string();
        let line = format!("broker_{name} {value}");
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }

    /// For each directory that failed, whether it was the last.
    pub(super) fn failures(&self) -> Vec<bool> {
        self.failures.lock().clone()
    }

    /// Waits for what another thread is about to do.
    pub(super) fn until(&self, is_done: impl Fn() -> bool) {
        let started = Instant::now();
        while !is_done() {
            let waited = started.elapsed();
            assert!(waited < Duration::from_secs(10), "it never happened");
            std::thread::yield_now();
        }
    }
}

pub(super) fn batch(count: i64) -> ValidatedBatch {
    let mut builder = BatchBuilder::new(Offset(0));
    let record = NewRecord {
        timestamp: Timestamp(1_700_000_000_000),
        value: Some(b"value"),
        ..NewRecord::default()
    };
    (0..count).for_each(|_| builder.append(record));
    ValidatedBatch::trusted(&builder.build()).unwrap()
}

/// A consumer's Fetch that waits for one byte.
pub(super) fn params(max_wait: Duration) -> FetchParams {
    FetchParams {
        max_wait,
        min_bytes: 1,
        max_bytes: 1 << 20,
        interest: Interest::HighWatermark,
        only_leader: true,
        near: None,
        follower: None,
    }
}

pub(super) fn request(offset: i64) -> PartitionRequest {
    PartitionRequest {
        fetch_offset: Offset(offset),
        max_bytes: 1 << 20,
        current_leader_epoch: LeaderEpoch::NONE,
        last_fetched_epoch: LeaderEpoch::NONE,
        log_start_offset: Offset::NONE,
    }
}

pub(super) fn reader() -> Reader<'static> {
    Reader {
        interest: Interest::HighWatermark,
        only_leader: true,
        follower: None,
        near: &[],
    }
}

/// The base offsets of the batches in a payload.
pub(super) fn base_offsets(payload: &Payload) -> Vec<i64> {
    let bytes = payload.bytes().unwrap();
    let batches = Batches::new(bytes);
    batches
        .map(|batch| batch.unwrap().base_offset().0)
        .collect()
}
