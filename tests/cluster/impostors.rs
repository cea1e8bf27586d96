//! Who is no replica and says that it is one: nothing that it says counts as replication, and the replicas
//! that it speaks for go on.

use broker::model::Uuid;
use broker::protocol::messages::allocate_producer_ids::AllocateProducerIdsRequest;
use broker::protocol::messages::alter_partition::AlterPartitionRequest;
use broker::protocol::messages::assign_replicas_to_dirs::AssignReplicasToDirsRequest;
use broker::protocol::messages::broker_heartbeat::BrokerHeartbeatRequest;
use broker::protocol::messages::broker_registration::BrokerRegistrationRequest;
use broker::protocol::messages::controller_registration::ControllerRegistrationRequest;
use broker::protocol::messages::envelope::EnvelopeRequest;
use broker::protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchTopic, PartitionData, ReplicaState,
};
use broker::protocol::messages::fetch_snapshot::FetchSnapshotRequest;
use broker::protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use broker::protocol::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use broker::protocol::messages::vote::VoteRequest;
use broker::protocol::{ErrorCode, Request};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rustix::process::Signal;

use crate::nodes::{Maker, Nodes};
use crate::replication::{self, TOPIC};
use crate::topics;
use crate::voice::{PATIENCE, ask, ask_at, wait_for};

const SETTINGS: [(&str, &str); 2] = [
    // A replica that is silent stays in the in-sync set, so that the high watermark waits for it.
    ("broker.session.timeout.ms", "60000"),
    ("replica.lag.time.max.ms", "60000"),
];
/// The last version of Fetch that carries no broker epoch.
const WITHOUT_EPOCH: i16 = 14;
/// The first version of Fetch with a broker epoch.
const WITH_EPOCH: i16 = 15;

/// A topic of one partition with three replicas, of which one is silent, so that the last message is on the
/// leader's disk and not committed.
struct Pending {
    nodes: Nodes,
    topic_id: Uuid,
    leader: i32,
    silent: i32,
    epoch: i32,
    high_watermark: i64,
}

impl Pending {
    fn begin(mut nodes: Nodes) -> Self {
        nodes.start_all();
        replication::create(&nodes, 1, 1, "2");
        let (topic_id, partition) = wait_for("all replicas in sync", || {
            let topic = topics::find(&nodes.bootstrap(1), TOPIC)?;
            let partition = topic.partitions.into_iter().next()?;
            (partition.isr_nodes.len() == 3).then_some((topic.topic_id, partition))
        });
        let leader = partition.leader_id;
        send(&nodes, leader, "all");
        let silent = 1 + leader % 3;
        nodes.signal(silent, Signal::STOP);
        send(&nodes, leader, "1");
        let mut this = Self {
            nodes,
            topic_id,
            leader,
            silent,
            epoch: partition.leader_epoch,
            high_watermark: -1,
        };
        this.high_watermark = this.high_watermark();
        assert_eq!(this.high_watermark, 1, "the second message waits");
        this
    }

    /// Asks the leader for the partition from `offset` on.
    fn fetch_at(
        &self,
        address: &str,
        version: i16,
        (id, broker_epoch): (i32, i64),
        offset: i64,
    ) -> Option<PartitionData> {
        let request = FetchRequest {
            replica_id: if version < WITH_EPOCH { id } else { -1 },
            replica_state: ReplicaState {
                replica_id: if version < WITH_EPOCH { -1 } else { id },
                replica_epoch: if version < WITH_EPOCH {
                    -1
                } else {
                    broker_epoch
                },
            },
            topics: vec![FetchTopic {
                topic_id: self.topic_id,
                partitions: vec![FetchPartition {
                    current_leader_epoch: self.epoch,
                    fetch_offset: offset,
                    last_fetched_epoch: -1,
                    log_start_offset: 0,
                    partition_max_bytes: 1 << 20,
                    ..FetchPartition::default()
                }],
                ..FetchTopic::default()
            }],
            ..FetchRequest::default()
        };
        let answer = ask_at(address, &request, version)?;
        let topic = answer.responses.into_iter().next()?;
        topic.partitions.into_iter().next()
    }

    fn high_watermark(&self) -> i64 {
        let address = self.nodes.bootstrap(self.leader);
        let answer = self.fetch_at(&address, 18, (-1, -1), 0);
        answer.expect("an answer").high_watermark
    }

    /// Claims to be each replica, with any broker epoch but a current one, and to have any offset. Each
    /// claim is answered by one of `codes`.
    fn claim(&self, address: &str, codes: &[ErrorCode]) {
        for id in [self.silent, self.leader, 1, 2, 3, 4, 77, i32::MAX] {
            for offset in [2, 1, 0, -1, i64::MIN, 3, i64::MAX] {
                for epoch in [-1, i64::MIN, i64::MAX, 1] {
                    let answer = self.fetch_at(address, WITH_EPOCH, (id, epoch), offset);
                    let code = answer.expect("an answer").error_code;
                    assert!(
                        codes.contains(&code),
                        "{id} in {epoch} at {offset}: {code:?}"
                    );
                }
                let answer = self.fetch_at(address, WITHOUT_EPOCH, (id, -1), offset);
                let code = answer.expect("an answer").error_code;
                assert!(codes.contains(&code), "{id} at {offset}: {code:?}");
            }
        }
        assert_eq!(self.high_watermark(), self.high_watermark);
        let topic = topics::find(&self.nodes.bootstrap(self.leader), TOPIC).expect("an answer");
        assert_eq!(topic.partitions[0].isr_nodes.len(), 3);
        assert_eq!(topic.partitions[0].leader_epoch, self.epoch);
    }

    /// Lets the silent replica go on, and waits until it has what the others have.
    fn resume(&mut self) {
        self.nodes.signal(self.silent, Signal::CONT);
        wait_for("the second message is committed", || {
            (self.high_watermark() == 2).then_some(())
        });
    }
}

fn send(nodes: &Nodes, leader: i32, acks: &str) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", nodes.bootstrap(leader))
        .set("acks", acks)
        .create()
        .expect("librdkafka's settings");
    let record = BaseRecord::<(), str>::to(TOPIC).payload("message");
    producer
        .send(record)
        .map_err(|(error, _)| error)
        .expect("room");
    producer.flush(PATIENCE).expect("it is acknowledged");
}

fn assert_is_closed_by<R: Request>(address: &str, request: &R) {
    let newest = *R::KEY.valid_versions().end();
    assert!(ask_at(address, request, newest).is_none(), "{:?}", R::KEY);
}

#[test]
fn replicas_do_not_come_by_the_listener_of_clients() {
    let mut nodes = Nodes::combined(73, &[Maker::Ours; 3], &SETTINGS).expect("they are ours");
    nodes.separate_clients();
    let mut pending = Pending::begin(nodes);
    let address = pending.nodes.for_clients(pending.leader);

    pending.claim(&address, &[ErrorCode::TOPIC_AUTHORIZATION_FAILED]);

    let offsets = ListOffsetsRequest {
        replica_id: pending.silent,
        topics: vec![ListOffsetsTopic {
            name: TOPIC.into(),
            partitions: vec![ListOffsetsPartition {
                current_leader_epoch: pending.epoch,
                timestamp: -1,
                ..ListOffsetsPartition::default()
            }],
        }],
        ..ListOffsetsRequest::default()
    };
    let answer = ask(&address, &offsets).expect("an answer");
    let partition = &answer.topics[0].partitions[0];
    assert_eq!(partition.error_code, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    let epochs = OffsetForLeaderEpochRequest {
        replica_id: pending.silent,
        topics: vec![OffsetForLeaderTopic {
            topic: TOPIC.into(),
            partitions: vec![OffsetForLeaderPartition {
                current_leader_epoch: pending.epoch,
                leader_epoch: pending.epoch,
                ..OffsetForLeaderPartition::default()
            }],
        }],
    };
    let answer = ask(&address, &epochs).expect("an answer");
    let partition = &answer.topics[0].partitions[0];
    assert_eq!(partition.error_code, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    pending.resume();
}

#[test]
fn a_replica_on_the_listener_of_brokers_has_the_epoch_of_its_registration() {
    let mut nodes = Nodes::combined(74, &[Maker::Ours; 3], &SETTINGS).expect("they are ours");
    nodes.separate_clients();
    let mut pending = Pending::begin(nodes);
    let address = pending.nodes.bootstrap(pending.leader);

    pending.claim(&address, &[ErrorCode::UNKNOWN_LEADER_EPOCH]);

    pending.resume();
}

#[test]
fn where_clients_and_brokers_share_a_listener_a_replica_has_its_epoch_too() {
    let nodes = Nodes::combined(75, &[Maker::Ours; 3], &SETTINGS).expect("they are ours");
    let mut pending = Pending::begin(nodes);
    let address = pending.nodes.bootstrap(pending.leader);

    pending.claim(&address, &[ErrorCode::UNKNOWN_LEADER_EPOCH]);
    // Even who knows the epoch cannot have what the leader has not, or be a replica of another partition.
    let impossible = |id, offset| {
        let guesses = (0..100).map(|epoch| pending.fetch_at(&address, 18, (id, epoch), offset));
        let codes = guesses.map(|answer| answer.expect("an answer").error_code);
        codes
            .filter(|code| *code != ErrorCode::UNKNOWN_LEADER_EPOCH)
            .collect::<Vec<_>>()
    };
    for offset in [3, i64::MAX, -1, i64::MIN] {
        let codes = impossible(pending.silent, offset);
        assert_eq!(codes, [ErrorCode::OFFSET_OUT_OF_RANGE], "{offset}");
    }
    assert_eq!(impossible(pending.leader, 2), []);
    assert_eq!(pending.high_watermark(), pending.high_watermark);

    pending.resume();
}

#[test]
fn what_brokers_ask_of_the_controller_is_not_served_to_clients() {
    let mut nodes = Nodes::combined(76, &[Maker::Ours; 1], &[]).expect("it is ours");
    nodes.separate_clients();
    nodes.start_all();

    for address in [nodes.for_clients(1), nodes.bootstrap(1)] {
        assert_is_closed_by(&address, &AlterPartitionRequest::default());
        assert_is_closed_by(&address, &BrokerRegistrationRequest::default());
        assert_is_closed_by(&address, &BrokerHeartbeatRequest::default());
        assert_is_closed_by(&address, &AllocateProducerIdsRequest::default());
        assert_is_closed_by(&address, &AssignReplicasToDirsRequest::default());
        assert_is_closed_by(&address, &ControllerRegistrationRequest::default());
        assert_is_closed_by(&address, &EnvelopeRequest::default());
        assert_is_closed_by(&address, &VoteRequest::default());
        assert_is_closed_by(&address, &FetchSnapshotRequest::default());
    }
}
