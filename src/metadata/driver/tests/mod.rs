//! A whole node on a disk in memory: what was answered is seen, survives, and is found again.

mod controller_links;
mod controllers;
mod full_disk;
mod gone_brokers;
mod heartbeats;
mod isr_changes;
mod refusals;
mod restart;
mod sessions;
mod slow_folders;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::doubles::history::Dice;
use crate::doubles::{CrashDisk, Fault, Tear};
use crate::metadata::controller::{ControllerRequestContext, ElectionIntervals, bootstrap_records};
use crate::metadata::{
    BrokerIdentity, BrokerLifecycle, LifecycleState, ReplicaDirectory, ReplicaDirectoryInbox,
    replica_directories,
};
use crate::model::{TopicIdPartition, Uuid};
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_configs;
use crate::protocol::messages::broker_heartbeat::BrokerHeartbeatRequest;
use crate::protocol::messages::broker_registration::Listener;
use crate::protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use crate::protocol::messages::delete_topics::DeleteTopicsRequest;
use crate::raft::{NoPeers, RaftConfig, Retention, Timeouts, Voter};
use crate::security::Principal;
use crate::storage::disk::{DirEntry, Disk, DiskFile, DiskLock, FileStat, OpenMode};
use crate::storage::reserve::Reserve;

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qk";

/// What the publisher of a node was given: names of topics created and deleted, each time.
type Publications = Arc<Mutex<Vec<(Vec<String>, Vec<String>)>>>;

struct Recorder(Publications);

impl MetadataPublisher for Recorder {
    fn on_update(&mut self, delta: &MetadataDelta, image: &Arc<MetadataImage>) {
        assert_eq!(delta.image(), &**image);
        let created = delta
            .created_topics()
            .map(|topic| topic.name.to_string())
            .collect();
        let deleted = delta
            .deleted_topics()
            .map(|topic| topic.name.to_string())
            .collect();
        self.0.lock().unwrap().push((created, deleted));
    }
}

/// One node: the quorum, metadata and a broker.
struct Node {
    raft: Raft,
    metadata: Metadata,
    publications: Publications,
    fatal: watch::Receiver<Option<String>>,
}

fn config() -> MetadataConfig {
    MetadataConfig {
        controller: ControllerSettings {
            node_id: BrokerId(1),
            cluster_id: CLUSTER.to_owned(),
            quorum: vec![BrokerId(1)],
            num_partitions: 1,
            default_replication_factor: 1,
            delete_topic_enable: true,
            broker_session_timeout: PATIENCE,
            elections: ElectionIntervals::default(),
            settings: crate::config::Settings::new(),
        },
        bootstrap: bootstrap_records(),
        registration: ControllerRegistrationRequest {
            controller_id: 1,
            incarnation_id: Uuid::from_bytes([9; 16]),
            ..ControllerRegistrationRequest::default()
        },
        max_idle_interval: None,
        max_bytes_between_snapshots: u64::MAX,
        max_snapshot_interval: None,
        acted_on: None,
    }
}

fn identity(incarnation: u8) -> BrokerIdentity {
    BrokerIdentity {
        id: BrokerId(1),
        cluster_id: CLUSTER.to_owned(),
        incarnation: Uuid::from_bytes([incarnation; 16]),
        listeners: vec![Listener {
            name: "PLAINTEXT".into(),
            host: "localhost".into(),
            port: 9092,
            security_protocol: 0,
        }],
        rack: None,
        log_dirs: vec![Uuid::from_bytes([7; 16])],
        previous_epoch: -1,
        heartbeat_interval: Duration::from_millis(50),
        registration_timeout: PATIENCE,
    }
}

fn formatted_disk() -> CrashDisk {
    let disk = CrashDisk::new();
    disk.create_dir(Path::new("data")).unwrap();
    disk.sync_dir(Path::new("")).unwrap();
    disk
}

fn is_fenced(image: &MetadataImage) -> bool {
    image
        .brokers()
        .get(BrokerId(1))
        .is_some_and(|broker| broker.fenced)
}

impl Node {
    fn start(disk: &CrashDisk, config: MetadataConfig) -> Self {
        Self::start_with(disk, config, Vec::new())
    }

    /// Besides what records publications, `others` act on them.
    fn start_with(
        disk: &CrashDisk,
        config: MetadataConfig,
        others: Vec<Box<dyn MetadataPublisher>>,
    ) -> Self {
        Self::start_by(disk, config, others, None)
    }

    fn start_by(
        disk: &CrashDisk,
        config: MetadataConfig,
        others: Vec<Box<dyn MetadataPublisher>>,
        reserve: Option<Arc<Reserve>>,
    ) -> Self {
        let raft_config = RaftConfig {
            node_id: BrokerId(1),
            directory_id: Uuid::from_bytes([7; 16]),
            voters: vec![Voter {
                id: BrokerId(1),
                host: "localhost".to_owned(),
                port: 9093,
            }],
            must_vote: true,
            log_dir: PathBuf::from("data"),
            segment_bytes: 1 << 30,
            segment_ms: i64::MAX,
            retention: Retention::default(),
            timeouts: Timeouts::default(),
            reserve,
            seed: 1,
        };
        let (listener, events) = events();
        let raft = Raft::open(
            &raft_config,
            Arc::new(disk.clone()),
            listener,
            Box::new(NoPeers),
        );
        let raft = raft.unwrap();
        let publications = Publications::default();
        let (sender, fatal) = watch::channel(None);
        let on_fatal: OnFatal = Arc::new(move |reason| {
            sender.send_replace(Some(reason));
        });
        let recorder: Box<dyn MetadataPublisher> = Box::new(Recorder(Arc::clone(&publications)));
        let publishers = std::iter::once(recorder).chain(others).collect();
        let metadata = Metadata::start(config, events, &raft, publishers, &on_fatal).unwrap();
        Self {
            raft,
            metadata,
            publications,
            fatal,
        }
    }

    /// A broker of this node, unfenced.
    async fn join(&self, incarnation: u8) -> BrokerLifecycle {
        let lifecycle = self.broker(incarnation);
        lifecycle.caught_up().await.unwrap();
        lifecycle.set_ready();
        lifecycle.unfenced().await.unwrap();
        lifecycle
    }

    fn broker(&self, incarnation: u8) -> BrokerLifecycle {
        self.broker_with(identity(incarnation), replica_directories().1)
    }

    fn broker_with(
        &self,
        identity: BrokerIdentity,
        inbox: ReplicaDirectoryInbox,
    ) -> BrokerLifecycle {
        let controller = self.metadata.controller().clone();
        let published = self.metadata.published().offset();
        let on_fatal: OnFatal = Arc::new(|reason| panic!("{reason}"));
        BrokerLifecycle::start(identity, controller, published, inbox, &on_fatal).unwrap()
    }

    async fn create(&self, name: &str) -> ErrorCode {
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: name.to_owned().into(),
                num_partitions: 1,
                replication_factor: 1,
                ..CreatableTopic::default()
            }],
            ..CreateTopicsRequest::default()
        };
        let response = self
            .metadata
            .controller()
            .change(
                request,
                ControllerRequestContext::unlimited(Principal::ANONYMOUS, 7),
            )
            .await;
        response.topics[0].error_code
    }

    async fn delete(&self, name: &str) -> ErrorCode {
        let request = DeleteTopicsRequest {
            topic_names: vec![name.to_owned().into()],
            timeout_ms: 10_000,
            ..DeleteTopicsRequest::default()
        };
        let response = self
            .metadata
            .controller()
            .change(
                request,
                ControllerRequestContext::unlimited(Principal::ANONYMOUS, 5),
            )
            .await;
        response.responses[0].error_code
    }

    fn topics(&self) -> Vec<String> {
        let image = self.metadata.published().image_full();
        image
            .topics()
            .iter()
            .map(|topic| topic.name.to_string())
            .collect()
    }

    /// Waits until the image is as it should become: answers to heartbeats come with the commit,
    /// and do not wait for publishers.
    async fn until(&self, is_there: impl Fn(&MetadataImage) -> bool) -> Arc<MetadataImage> {
        let published = self.metadata.published();
        let mut offset = published.offset();
        let there = offset.wait_for(|_| is_there(&published.image()));
        tokio::time::timeout(PATIENCE, there)
            .await
            .unwrap()
            .unwrap();
        published.image_full()
    }

    async fn published_beyond(&self, offset: Offset) {
        let mut published = self.metadata.published().offset();
        let beyond = published.wait_for(|published| *published > offset);
        tokio::time::timeout(PATIENCE, beyond)
            .await
            .unwrap()
            .unwrap();
    }

    fn stop(self) {
        self.metadata.stop();
        self.raft.close();
    }
}

#[tokio::test]
async fn a_topic_is_there_when_its_creation_is_answered() {
    let node = Node::start(&formatted_disk(), config());
    let _broker = node.join(1).await;

    assert_eq!(node.create("orders").await, ErrorCode::NONE);

    assert_eq!(node.topics(), ["orders"]);
    let image = node.metadata.published().image_full();
    let topic = image.topics().by_name("orders").unwrap();
    assert_eq!(topic.partition(0).unwrap().leader, BrokerId(1));
    assert_eq!(image.metadata_version().0, 30);
    assert!(image.controllers().get(BrokerId(1)).is_some());
    let created = node.publications.lock().unwrap().last().unwrap().0.clone();
    assert_eq!(created, ["orders"]);
    assert_eq!(node.delete("orders").await, ErrorCode::NONE);
    assert!(node.topics().is_empty());
    node.stop();
}

#[tokio::test]
async fn the_controller_learns_where_replicas_are_also_what_was_told_before_it_was_there() {
    let node = Node::start(&formatted_disk(), config());
    let (first, second) = (Uuid::from_bytes([7; 16]), Uuid::from_bytes([8; 16]));
    let identity = BrokerIdentity {
        log_dirs: vec![first, second],
        ..identity(1)
    };
    let (placed, inbox) = replica_directories();
    let broker = node.broker_with(identity, inbox);
    broker.caught_up().await.unwrap();
    broker.set_ready();
    broker.unfenced().await.unwrap();
    node.create("t").await;
    let image = node.metadata.published().image_full();
    let topic_id = image.topics().id_of("t").unwrap();
    let is_in = |image: &MetadataImage, directory| {
        let partition = image.topics().partition(&topic_id, 0).unwrap();
        partition.directory_of(BrokerId(1)) == Some(directory)
    };
    assert!(is_in(&image, Uuid::UNASSIGNED_DIRECTORY));

    for directory in [first, second] {
        let partition = TopicIdPartition {
            topic_id,
            partition: 0,
        };
        placed.send(ReplicaDirectory {
            partition,
            directory,
        });
        node.until(|image| is_in(image, directory)).await;
    }

    broker.directory_offline(second);
    let lost = |image: &MetadataImage| {
        let partition = image.topics().partition(&topic_id, 0).unwrap();
        partition.leader == BrokerId::NONE
    };
    node.until(lost).await;
    node.stop();
}

#[tokio::test]
async fn requests_that_come_together_are_decided_one_after_the_other() {
    let node = Arc::new(Node::start(&formatted_disk(), config()));
    let _broker = node.join(1).await;

    let mut tasks = tokio::task::JoinSet::new();
    for attempt in 0..60 {
        let node = Arc::clone(&node);
        tasks.spawn(async move { node.create(&format!("topic-{}", attempt % 20)).await });
    }
    let codes = tasks.join_all().await;

    let created = codes
        .iter()
        .filter(|code| **code == ErrorCode::NONE)
        .count();
    let refused = codes
        .iter()
        .filter(|code| **code == ErrorCode::TOPIC_ALREADY_EXISTS)
        .count();
    assert_eq!((created, refused), (20, 40));
    assert_eq!(node.topics().len(), 20);
}

#[tokio::test]
async fn a_decision_that_needs_several_batches_is_seen_as_a_whole() {
    let disk = formatted_disk();
    let node = Node::start(&disk, config());
    let _broker = node.join(1).await;
    let topic = |name: &'static str, num_partitions| CreatableTopic {
        name: name.into(),
        num_partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic("large", 9_000), topic("small", 1_000)],
        ..CreateTopicsRequest::default()
    };

    let response = node
        .metadata
        .controller()
        .change(
            request,
            ControllerRequestContext::unlimited(Principal::ANONYMOUS, 7),
        )
        .await;

    assert!(
        response
            .topics
            .iter()
            .all(|topic| !topic.error_code.is_error())
    );
    let image = node.metadata.published().image_full();
    assert_eq!(image.topics().partition_count(), 10_000);
    let both = (vec!["large".to_owned(), "small".to_owned()], vec![]);
    let mut last = node.publications.lock().unwrap().last().unwrap().clone();
    last.0.sort_unstable();
    assert_eq!(
        last, both,
        "both topics at once, though they are two batches"
    );
    node.stop();

    let again = Node::start(&disk, config());
    again
        .until(|image| image.topics().partition_count() == 10_000)
        .await;
    again.stop();
}

#[tokio::test]
async fn an_idle_log_gets_a_record_now_and_then() {
    let node = Node::start(
        &formatted_disk(),
        MetadataConfig {
            max_idle_interval: Some(Duration::from_millis(10)),
            ..config()
        },
    );
    let _broker = node.join(1).await;
    let before = node.metadata.published().image_full();

    node.published_beyond(before.provenance().offset + 3).await;

    let after = node.metadata.published().image_full();
    assert_eq!(after.topics(), before.topics());
    node.stop();
}

#[tokio::test]
async fn a_leadership_that_ended_before_its_image_was_ready_never_begins() {
    let node = Node::start(&formatted_disk(), config());
    node.join(1).await;
    let (inputs, receiver) = mpsc::channel();
    let thread = ControllerThread::new(receiver, node.raft.clone(), config());
    let epoch = LeaderEpoch(77);
    inputs.send(ControllerInput::Resigned { epoch }).unwrap();
    let activate = ControllerInput::Activate {
        epoch,
        image: Box::new(MetadataImage::default()),
        next_offset: Offset(1),
        has_open_transaction: false,
    };
    inputs.send(activate).unwrap();
    let handle = ControllerHandle::new(inputs.clone(), Arc::clone(node.metadata.published()));
    let runner = thread::spawn(move || thread.run());

    let response = handle.ask(identity(1).registration()).await;

    assert_eq!(response.error_code, ErrorCode::NOT_CONTROLLER);
    inputs.send(ControllerInput::Stop).unwrap();
    runner.join().unwrap();
    node.stop();
}
