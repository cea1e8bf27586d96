//! Transcripts: a request against a state; the whole list of records and the response are asserted.

mod activation;
mod alter_partition;
mod brokers;
mod client_metrics_configs;
mod client_quotas;
mod configs;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod directories;
mod drains;
mod elections;
mod elr;
mod elr_feature;
mod elr_model;
mod features;
mod index;
mod lost_replicas;
mod placement;
mod reassignments;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{
    Controller, ControllerSettings, Decision, ElectionIntervals, activation_records,
    bootstrap_records,
};
use crate::doubles::history::Dice;
use crate::metadata::image::{MetadataImage, SUPPORTED_FEATURES};
use crate::model::{BrokerId, Offset, TopicId, Uuid};
use crate::protocol::messages::broker_heartbeat::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse,
};
use crate::protocol::messages::broker_registration::{
    BrokerRegistrationRequest, Feature, Listener,
};
use crate::protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicResult,
    CreateTopicsRequest,
};
use crate::protocol::messages::metadata_records::MetadataRecord;

const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qk";
const SESSION: Duration = Duration::from_secs(9);

/// A controller with its clock and its dice.
struct World {
    controller: Controller,
    now: Instant,
    dice: Dice,
}

fn settings() -> ControllerSettings {
    ControllerSettings {
        node_id: BrokerId(1),
        cluster_id: CLUSTER.to_owned(),
        quorum: vec![BrokerId(1)],
        num_partitions: 3,
        default_replication_factor: 1,
        delete_topic_enable: true,
        broker_session_timeout: SESSION,
        elections: ElectionIntervals::default(),
        settings: BTreeMap::new(),
    }
}

fn directory(broker: i32) -> Uuid {
    Uuid::from_bytes([u8::try_from(broker).unwrap(); 16])
}

fn registration(broker: i32, incarnation: u8) -> BrokerRegistrationRequest {
    let features = SUPPORTED_FEATURES.iter().map(|(name, min, max)| Feature {
        name: (*name).into(),
        min_supported_version: *min,
        max_supported_version: *max,
    });
    BrokerRegistrationRequest {
        broker_id: broker,
        cluster_id: CLUSTER.into(),
        incarnation_id: Uuid::from_bytes([incarnation; 16]),
        listeners: vec![Listener {
            name: "PLAINTEXT".into(),
            host: "localhost".into(),
            port: 9092,
            security_protocol: 0,
        }],
        features: features.collect(),
        log_dirs: vec![directory(broker)],
        ..BrokerRegistrationRequest::default()
    }
}

impl World {
    /// An activated controller that no broker has registered with.
    fn empty(settings: ControllerSettings) -> Self {
        Self::founded(settings, &bootstrap_records())
    }

    /// As [`Self::empty`], in a cluster whose first records are these.
    fn founded(settings: ControllerSettings, bootstrap: &[MetadataRecord]) -> Self {
        let now = Instant::now();
        let image = MetadataImage::default();
        let first = activation_records(&image, false, bootstrap, 1);
        let mut controller = Controller::new(Arc::new(settings), image, Offset(1), now);
        controller.replay(&first).unwrap();
        Self {
            controller,
            now,
            dice: Dice::new(7),
        }
    }

    /// A controller with brokers 1 to `count`, all unfenced.
    fn with_brokers(count: i32) -> Self {
        let mut world = Self::empty(settings());
        for broker in 1..=count {
            world.register(broker);
            world.heartbeat(broker, |_| {});
        }
        world
    }

    fn apply<R>(&mut self, decision: Decision<R>) -> (Vec<MetadataRecord>, R) {
        self.controller.replay(&decision.records).unwrap();
        (decision.records, decision.answer)
    }

    fn register(&mut self, broker: i32) -> Vec<MetadataRecord> {
        let request = registration(broker, u8::try_from(broker).unwrap());
        let decision = self.controller.register_broker(&request, self.now).unwrap();
        self.apply(decision).0
    }

    /// A heartbeat of a broker that has read everything.
    fn heartbeat(
        &mut self,
        broker: i32,
        set: impl FnOnce(&mut BrokerHeartbeatRequest),
    ) -> (Vec<MetadataRecord>, BrokerHeartbeatResponse) {
        let mut request = BrokerHeartbeatRequest {
            broker_id: broker,
            broker_epoch: self.epoch(broker),
            current_metadata_offset: self.controller.next_offset().0 - 1,
            ..BrokerHeartbeatRequest::default()
        };
        set(&mut request);
        let decision = self
            .controller
            .broker_heartbeat(&request, self.now)
            .unwrap();
        self.apply(decision)
    }

    fn epoch(&self, broker: i32) -> i64 {
        self.controller
            .image()
            .brokers()
            .get(BrokerId(broker))
            .unwrap()
            .epoch
    }

    fn create(
        &mut self,
        topics: Vec<CreatableTopic>,
    ) -> (Vec<MetadataRecord>, Vec<CreatableTopicResult>) {
        let request = CreateTopicsRequest {
            topics,
            ..CreateTopicsRequest::default()
        };
        let dice = &mut self.dice;
        let decision =
            self.controller
                .create_topics(&request, &mut |bytes| dice.fill(bytes), &mut |_| Ok(()));
        let (records, response) = self.apply(decision);
        (records, response.topics)
    }

    /// Creates a topic that must succeed, with replicas by partition.
    fn create_assigned(&mut self, name: &'static str, replicas: &[&[i32]]) -> TopicId {
        let assignments =
            (0..)
                .zip(replicas)
                .map(|(partition_index, brokers)| CreatableReplicaAssignment {
                    partition_index,
                    broker_ids: brokers.to_vec(),
                });
        let (_, results) = self.create(vec![CreatableTopic {
            assignments: assignments.collect(),
            ..topic(name, -1, -1)
        }]);
        assert!(!results[0].error_code.is_error(), "{:?}", results[0]);
        results[0].topic_id
    }
}

fn topic(name: &str, num_partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic {
        name: name.to_owned().into(),
        num_partitions,
        replication_factor,
        ..CreatableTopic::default()
    }
}

fn config(name: &'static str, value: Option<&'static str>) -> CreatableTopicConfig {
    CreatableTopicConfig {
        name: name.into(),
        value: value.map(Into::into),
    }
}
