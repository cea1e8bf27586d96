//! Keys of this node's identity, of the metadata quorum and of its log.

use super::table::{ANY, FILLED_LIST, at_least, filled_list_of};
use crate::config::rule::Rule;

keys! {
    KEYS: Broker;

    "node.id": Int = "1", at_least(0); High ReadOnly Acts;
        "This node's number in the cluster. Kafka has no default; a single node is 1.";
    "broker.id": Int = "-1", ANY; High ReadOnly Acts;
        "The old name of `node.id`.";
    "process.roles": List = "broker,controller", filled_list_of(&["broker", "controller"]);
        High ReadOnly Acts;
        "What this node is: `broker`, `controller`, or both, which is the default; Kafka has none.";
    "broker.rack": String = unset, ANY; Medium ReadOnly Acts;
        "Where this broker stands, for placing replicas and for reading from a near one.";
    "broker.heartbeat.interval.ms": Int = "2000", ANY; Medium ReadOnly Acts;
        "How often a broker reports to the controller.";
    "broker.session.timeout.ms": Int = "9000", ANY; Medium ReadOnly Acts;
        "A broker that has not reported for this long is fenced.";
    "initial.broker.registration.timeout.ms": Int = "60000", ANY; Medium ReadOnly Acts;
        "How long a starting broker waits to be registered before it gives up.";
    "controller.listener.names": List = "CONTROLLER", FILLED_LIST; High ReadOnly Acts;
        "The listeners of the controller; over the first, controllers are asked. Kafka has no \
         default.";
    "controller.quorum.voters": List = "", Rule::QuorumVoters; High ReadOnly Acts;
        "The controllers, as `id@host:port`, the same on all nodes. This node alone if unset; \
         several need `node.id` and `cluster.id` as well.";
    "controller.quorum.bootstrap.servers": List = "", Rule::BootstrapServers; High ReadOnly Acts;
        "Where controllers can be asked for the quorum, as `host:port`. Voters are static here: \
         one server is taken for this node, several do nothing beside `controller.quorum.voters`.";
    "controller.quorum.auto.join.enable": Boolean = "false", ANY; Low ReadOnly NotYet;
        "Whether a controller adds itself to the quorum.";
    "controller.quorum.election.timeout.ms": Int = "1000", at_least(0); High ReadOnly Acts;
        "How long a voter waits for an election to end.";
    "controller.quorum.election.backoff.max.ms": Int = "1000", at_least(0); High ReadOnly Acts;
        "The longest wait before another election.";
    "controller.quorum.fetch.timeout.ms": Int = "2000", at_least(0); High ReadOnly Acts;
        "How long a voter that cannot fetch waits before it calls an election.";
    "controller.quorum.append.linger.ms": Int = "25", at_least(0); Medium ReadOnly NotYet;
        "How long metadata records are gathered before they are synced.";
    "controller.quorum.request.timeout.ms": Int = "2000", at_least(0); Medium ReadOnly Acts;
        "How long a voter waits for an answer.";
    "controller.quorum.retry.backoff.ms": Int = "20", at_least(0); Low ReadOnly Acts;
        "How long a voter waits before it asks again.";
    "controller.quorum.fetch.max.bytes": Int = "1048576", at_least(1); Low ReadOnly NotYet;
        "Bytes of the metadata log fetched at a time.";
    "controller.quorum.fetch.snapshot.max.bytes": Int = "1048576", at_least(1); Low ReadOnly NotYet;
        "Bytes of a metadata snapshot fetched at a time.";
    "controller.socket.timeout.ms": Int = "30000", ANY; Medium ReadOnly NotYet;
        "How long a broker waits for an answer of a controller on another node.";
    "metadata.log.dir": String = unset, ANY; High ReadOnly Acts;
        "The directory of the metadata log; the first of `log.dirs` if unset.";
    "metadata.log.segment.bytes": Int = "1073741824", at_least(8388608); High ReadOnly Acts;
        "Bytes after which a new segment of the metadata log is begun.";
    "metadata.log.segment.ms": Long = "604800000", ANY; High ReadOnly Acts;
        "Age at which a new segment of the metadata log is begun.";
    "metadata.log.max.record.bytes.between.snapshots": Long = "20971520", at_least(1);
        High ReadOnly Acts;
        "Bytes of new metadata after which a snapshot is written.";
    "metadata.log.max.snapshot.interval.ms": Long = "3600000", at_least(0); High ReadOnly Acts;
        "Age of the last snapshot at which a new one is written; 0 never for age.";
    "metadata.max.retention.bytes": Long = "104857600", ANY; High ReadOnly Acts;
        "How large the metadata log and its snapshots may grow before the oldest go.";
    "metadata.max.retention.ms": Long = "604800000", ANY; High ReadOnly Acts;
        "How long they are kept.";
    "metadata.max.idle.interval.ms": Int = "500", at_least(0); Low ReadOnly Acts;
        "How often an idle controller writes a record that does nothing, so that others see it \
         alive; 0 never.";
}
