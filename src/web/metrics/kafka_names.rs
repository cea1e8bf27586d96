//! Metrics without labels whose names are Kafka's, as the JMX exporter writes them, and where the values come from.

use std::fmt;

use crate::telemetry::MetricKind::{self, Counter, Gauge};
use crate::telemetry::{Exposition, GROUP_STATES, Metrics, SampleValue};

/// A family of one sample.
pub(super) struct Row {
    name: &'static str,
    kind: MetricKind,
    read: fn(&Metrics) -> SampleValue,
    help: &'static str,
}

/// Writes a table.
pub(super) fn write(rows: &[Row], metrics: &Metrics, out: &mut Exposition<'_>) -> fmt::Result {
    rows.iter()
        .try_for_each(|row| out.single(row.name, row.kind, row.help, (row.read)(metrics)))
}

/// What a broker tells.
#[rustfmt::skip]
pub(super) const OF_BROKERS: &[Row] = &[
    Row { name: "kafka_server_replicamanager_partitioncount", kind: Gauge, read: |it| it.partitions.get().into(), help: "Partitions with a replica here" },
    Row { name: "kafka_server_replicamanager_leadercount", kind: Gauge, read: |it| it.replication.led_partitions.get().into(), help: "Partitions led here" },
    Row { name: "kafka_server_replicamanager_offlinereplicacount", kind: Gauge, read: |it| it.offline_partitions.get().into(), help: "Replicas here that cannot be served" },
    Row { name: "kafka_server_replicamanager_underreplicatedpartitions", kind: Gauge, read: |it| it.replication.under_replicated_partitions.get().into(), help: "Partitions led here with replicas that are not in sync" },
    Row { name: "kafka_server_replicamanager_underminisrpartitioncount", kind: Gauge, read: |it| it.replication.under_min_isr_partitions.get().into(), help: "Partitions led here with too few in-sync replicas for acks=all" },
    Row { name: "kafka_server_replicamanager_atminisrpartitioncount", kind: Gauge, read: |it| it.replication.at_min_isr_partitions.get().into(), help: "Partitions led here with just enough in-sync replicas for acks=all" },
    Row { name: "kafka_server_replicamanager_reassigningpartitions", kind: Gauge, read: |it| it.replication.reassigning_partitions.get().into(), help: "Partitions led here that are reassigned" },
    Row { name: "kafka_server_replicamanager_isrshrinks_total", kind: Counter, read: |it| it.replication.isr_shrinks.get().into(), help: "In-sync sets of partitions led here that lost replicas" },
    Row { name: "kafka_server_replicamanager_isrexpands_total", kind: Counter, read: |it| it.replication.isr_expands.get().into(), help: "In-sync sets of partitions led here that gained replicas" },
    Row { name: "kafka_server_brokertopicmetrics_messagesin_total", kind: Counter, read: |it| it.traffic.appended_records.get().into(), help: "Records appended" },
    Row { name: "kafka_server_brokertopicmetrics_bytesin_total", kind: Counter, read: |it| it.traffic.appended_bytes.get().into(), help: "Bytes appended" },
    Row { name: "kafka_server_brokertopicmetrics_bytesout_total", kind: Counter, read: |it| it.traffic.fetched_bytes.get().into(), help: "Bytes of records sent to consumers" },
    Row { name: "kafka_server_brokertopicmetrics_bytesrejected_total", kind: Counter, read: |it| it.traffic.oversized_bytes.get().into(), help: "Bytes of batches that are too large" },
    Row { name: "kafka_server_brokertopicmetrics_totalproducerequests_total", kind: Counter, read: produces, help: "Batches that were to be appended" },
    Row { name: "kafka_server_brokertopicmetrics_failedproducerequests_total", kind: Counter, read: |it| it.traffic.refused_batches.get().into(), help: "Batches refused" },
    Row { name: "kafka_server_brokertopicmetrics_totalfetchrequests_total", kind: Counter, read: |it| it.traffic.fetched_partitions.get().into(), help: "Reads of partitions, by consumers and followers" },
    Row { name: "kafka_server_brokertopicmetrics_failedfetchrequests_total", kind: Counter, read: |it| it.traffic.refused_fetches.get().into(), help: "Reads of partitions refused" },
    Row { name: "kafka_server_brokertopicmetrics_replicationbytesin_total", kind: Counter, read: |it| it.replication.received_bytes.get().into(), help: "Bytes of records fetched from leaders" },
    Row { name: "kafka_server_brokertopicmetrics_replicationbytesout_total", kind: Counter, read: |it| it.replication.sent_bytes.get().into(), help: "Bytes of records sent to followers" },
    Row { name: "kafka_log_logmanager_offlinelogdirectorycount", kind: Gauge, read: |it| it.offline_log_dirs.get().into(), help: "Log directories that failed" },
    Row { name: "kafka_coordinator_group_groupmetadatamanager_numgroups", kind: Gauge, read: groups, help: "Groups coordinated here" },
    Row { name: "kafka_coordinator_group_groupmetadatamanager_numoffsets", kind: Gauge, read: |it| it.groups.offsets.get().into(), help: "Committed offsets held here" },
    Row { name: "kafka_coordinator_group_groupmetadatamanager_numgroupsempty", kind: Gauge, read: |it| it.groups.groups.at(0).get().into(), help: "Groups without members" },
    Row { name: "kafka_coordinator_group_groupmetadatamanager_numgroupspreparingrebalance", kind: Gauge, read: |it| it.groups.groups.at(1).get().into(), help: "Groups that wait for members to join" },
    Row { name: "kafka_coordinator_group_groupmetadatamanager_numgroupscompletingrebalance", kind: Gauge, read: |it| it.groups.groups.at(2).get().into(), help: "Groups that wait for their leader's assignment" },
    Row { name: "kafka_coordinator_group_groupmetadatamanager_numgroupsstable", kind: Gauge, read: |it| it.groups.groups.at(3).get().into(), help: "Groups whose members have an assignment" },
];

/// What a controller tells.
#[rustfmt::skip]
pub(super) const OF_CONTROLLERS: &[Row] = &[
    Row { name: "kafka_controller_kafkacontroller_activecontrollercount", kind: Gauge, read: |it| it.quorum.active_controller.get().into(), help: "1 if this node is the active controller" },
    Row { name: "kafka_controller_kafkacontroller_offlinepartitionscount", kind: Gauge, read: |it| it.cluster.leaderless_partitions.get().into(), help: "Partitions of the cluster without a leader" },
    Row { name: "kafka_controller_kafkacontroller_preferredreplicaimbalancecount", kind: Gauge, read: |it| it.cluster.not_preferred_partitions.get().into(), help: "Partitions of the cluster that their preferred replica does not lead" },
    Row { name: "kafka_controller_kafkacontroller_globaltopiccount", kind: Gauge, read: |it| it.cluster.topics.get().into(), help: "Topics of the cluster" },
    Row { name: "kafka_controller_kafkacontroller_globalpartitioncount", kind: Gauge, read: |it| it.cluster.partitions.get().into(), help: "Partitions of the cluster" },
    Row { name: "kafka_controller_kafkacontroller_activebrokercount", kind: Gauge, read: |it| it.cluster.active_brokers.get().into(), help: "Brokers that are not fenced" },
    Row { name: "kafka_controller_kafkacontroller_fencedbrokercount", kind: Gauge, read: |it| it.cluster.fenced_brokers.get().into(), help: "Brokers that are fenced" },
    Row { name: "kafka_controller_controllerstats_uncleanleaderelections_total", kind: Counter, read: |it| it.cluster.unclean_elections.get().into(), help: "Leaders that may lack what was committed" },
];

/// All batches that clients and coordinators sent: appended, repeated and refused.
fn produces(metrics: &Metrics) -> SampleValue {
    let taken = metrics.traffic.appended_batches.get() + metrics.traffic.repeated_batches.get();
    (taken + metrics.traffic.refused_batches.get()).into()
}

fn groups(metrics: &Metrics) -> SampleValue {
    let count = |place: usize| metrics.groups.groups.at(place).get();
    let all: i64 = (0..GROUP_STATES.len()).map(count).sum();
    all.into()
}
