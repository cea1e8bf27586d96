//! The group coordinator on replicas whose disk is in memory, with one partition of
//! `__consumer_offsets`.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::super::*;
use crate::config::{BrokerConfig, Layers, Settings};
use crate::coordinator::runtime::tests::replicas::{LOCAL, Replicas, topic};
use crate::coordinator::shard::Token;
use crate::model::TopicId;
use crate::protocol::ErrorCode;
use crate::protocol::messages::metadata_records::{MetadataRecord, RemoveTopicRecord};
use crate::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::messages::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};

/// The topic that offsets are committed for.
pub(super) const TOPIC_ID: TopicId = TopicId::from_bytes([2; 16]);

pub(super) struct World {
    pub(super) groups: GroupCoordinator,
    pub(super) replicas: Replicas,
    config: GroupCoordinatorConfig,
    /// What the coordinator counts.
    pub(super) metrics: Arc<Metrics>,
}

impl World {
    /// `settings` are of the broker; `replicas` hold the partition of `__consumer_offsets`.
    pub(super) fn new(settings: &[(&str, &str)], replicas: &[i32]) -> Self {
        let mut given = Settings::default();
        for (key, value) in settings {
            given.insert((*key).to_owned(), (*value).to_owned());
        }
        let config = BrokerConfig::read(&Layers::of(&given)).unwrap();
        let started = Replicas::start(&config, OFFSETS_TOPIC);
        let metrics = Arc::new(Metrics::new([]));
        let world = Self {
            groups: coordinator(&config.groups, &started, &metrics),
            metrics,
            replicas: started,
            config: config.groups,
        };
        let mut records = world.replicas.coordinator_topic(replicas);
        records.extend(topic("t", TOPIC_ID, &[LOCAL]));
        world.apply(&records);
        world
    }

    /// What another process would find: a new coordinator on the same logs.
    pub(super) fn restart_groups(&mut self) {
        self.metrics = Arc::new(Metrics::new([]));
        self.groups = coordinator(&self.config, &self.replicas, &self.metrics);
        let everything = self.replicas.everything();
        self.groups.apply(&everything, &self.replicas.image());
    }

    pub(super) fn apply(&self, records: &[MetadataRecord]) {
        let delta = self.replicas.apply(records);
        self.groups.apply(&delta, &self.replicas.image());
    }

    /// Sets who leads the partition of `__consumer_offsets`, in the next epoch.
    pub(super) fn elect(&self, leader: i32) {
        self.apply(&[Replicas::election(leader)]);
    }

    pub(super) fn set_isr(&self, isr: &[i32]) {
        self.apply(&[Replicas::in_sync(isr)]);
    }

    pub(super) fn set_config(&self, name: &'static str, value: &'static str) {
        self.apply(&[self.replicas.config(name, value)]);
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
        self.replicas.apply(&records);
    }

    /// Lines of the metrics that are there.
    pub(super) fn assert_metrics(&self, expected: &[&str]) {
        let replicas = self.replicas.metrics.to_string();
        let text = self.metrics.to_string() + &replicas;
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
        self.groups.runtime.hold_loads().await
    }

    /// Starts a second load of the shard, in the term of the first.
    pub(super) fn load_again(&self) {
        self.groups.runtime.load_again(0);
    }

    /// How many requests wait in the shard.
    pub(super) fn waiting(&self) -> usize {
        self.groups.runtime.waiting_in(0)
    }

    /// How often a shard was loaded.
    pub(super) fn loads(&self) -> u64 {
        self.metrics.groups.coordinator.loads.get()
    }

    pub(super) fn submit(&self, request: &Request) -> Submitted<Answer> {
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
    replicas: &Replicas,
    metrics: &Arc<Metrics>,
) -> GroupCoordinator {
    let (replicas, metrics) = (replicas.manager.clone(), Arc::clone(metrics));
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
