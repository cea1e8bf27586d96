//! The node as a whole, in few series: under the names that dashboards and alerts for Kafka expect (those of the
//! JMX exporter, and of kafka_exporter for the cluster), beside our own.
//!
//! What only a controller of Kafka tells, only a controller tells here; the sums over all nodes are the
//! cluster's.

use std::collections::BTreeMap;
use std::fmt;

use super::recent::Recent;
use super::requests::Requests;
use super::{kafka_names, process};
use crate::api::{BrokerParts, Parts};
use crate::telemetry::MetricKind::{self, Counter, Gauge};
use crate::telemetry::{Exposition, Metrics, SampleValue};
use crate::web::{Node, Serving, Stage};

/// A family of one sample.
type Single<'a> = (&'a str, MetricKind, &'a str, SampleValue);

/// Writes all of it.
pub(super) fn write(node: &Node, recent: &Recent, out: &mut Exposition<'_>) -> fmt::Result {
    let stage = node.stage();
    write_node(node, &stage, recent, out)?;
    if let Stage::Serving(serving) = &*stage {
        serving.network.update_gauges();
        write_serving(serving, out)?;
    }
    let roles = node.config.node.process_roles;
    if roles.is_broker() {
        kafka_names::write(kafka_names::OF_BROKERS, &node.metrics, out)?;
        write_labelled(&node.metrics, out)?;
    }
    if roles.is_controller() {
        kafka_names::write(kafka_names::OF_CONTROLLERS, &node.metrics, out)?;
    }
    Requests::of(&node.metrics.request_times, recent).write_few(out)?;
    node.metrics.write(out)?;
    process::write(out)
}

fn write_all(families: &[Single<'_>], out: &mut Exposition<'_>) -> fmt::Result {
    families
        .iter()
        .try_for_each(|(name, kind, help, value)| out.single(name, *kind, help, *value))
}

/// What the node is, and how far; these are there from the beginning.
fn write_node(
    node: &Node,
    stage: &Stage,
    recent: &Recent,
    out: &mut Exposition<'_>,
) -> fmt::Result {
    let id = node.config.node.node_id.to_string();
    let cluster = match stage {
        Stage::Serving(serving) => serving.parts.cluster_id.as_str(),
        Stage::Starting | Stage::Stopping => "",
    };
    let roles = node.config.node.process_roles.to_string();
    let version = env!("CARGO_PKG_VERSION");
    let labels = [
        ("cluster_id", cluster),
        ("node_id", id.as_str()),
        ("roles", roles.as_str()),
        ("version", version),
    ];
    out.family("broker_info", Gauge, "What this node is")?
        .sample(&labels, 1u64)?;
    // Kafka's numbers.
    let state: u64 = match stage {
        Stage::Starting => 1,
        Stage::Serving(_) => 3,
        Stage::Stopping => 6,
    };
    let help = "1 starts, 3 runs, 6 hands its partitions over";
    out.single("kafka_server_kafkaserver_brokerstate", Gauge, help, state)?;
    // The same threads read requests and serve them, so it is one number.
    if let Some(idle) = recent.idle() {
        let help = "The part of the time in which the worker threads have nothing to do";
        let handlers = "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent";
        out.single(handlers, Gauge, help, idle)?;
        let processors = "kafka_network_socketserver_networkprocessoravgidle_percent";
        out.single(processors, Gauge, help, idle)?;
    }
    Ok(())
}

/// What is read of a node's parts.
fn write_serving(serving: &Serving, out: &mut Exposition<'_>) -> fmt::Result {
    write_quorum(&serving.parts, out)?;
    write_connections(serving, out)?;
    if let Some(broker) = &serving.parts.broker {
        write_fetch_sessions(broker, out)?;
        write_brokers(&serving.parts, out)?;
    }
    Ok(())
}

/// The metadata quorum, as this node knows it.
#[rustfmt::skip]
fn write_quorum(parts: &Parts, out: &mut Exposition<'_>) -> fmt::Result {
    let quorum = parts.raft.info();
    let role = quorum.role.to_ascii_lowercase();
    let name = "kafka_server_raftmetrics_current_state";
    out.family(name, Gauge, "The role of this node in the metadata quorum")?
        .sample(&[("current_state", role.as_str())], 1u64)?;
    let leader = quorum.leader.map_or(-1, |id| i64::from(id.0));
    let high_watermark = quorum.high_watermark.map_or(-1, |it| it.0);
    let acted_on = parts.metadata.offset().borrow().0;
    let families: [Single<'_>; 5] = [
        ("kafka_server_raftmetrics_current_leader", Gauge, "The id of the active controller, or -1", leader.into()),
        ("kafka_server_raftmetrics_current_epoch", Gauge, "The epoch of the metadata quorum", i64::from(quorum.epoch.0).into()),
        ("kafka_server_raftmetrics_high_watermark", Gauge, "The offset below which the metadata log is committed, or -1", high_watermark.into()),
        ("kafka_server_raftmetrics_log_end_offset", Gauge, "The end of the metadata log here", quorum.log_end_offset.0.into()),
        ("kafka_server_brokermetadatametrics_last_applied_record_offset", Gauge, "The last record of the metadata log that was acted on", acted_on.into()),
    ];
    write_all(&families, out)
}

fn write_connections(serving: &Serving, out: &mut Exposition<'_>) -> fmt::Result {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for connection in serving.network.connections().list() {
        let listener = connection.listener_name().to_owned();
        *counts.entry(listener).or_default() += 1;
    }
    let name = "kafka_server_socket_server_metrics_connection_count";
    let mut samples = out.family(name, Gauge, "Connections held now")?;
    counts
        .iter()
        .try_for_each(|(listener, count)| samples.sample(&[("listener", listener)], *count))
}

#[rustfmt::skip]
fn write_fetch_sessions(broker: &BrokerParts, out: &mut Exposition<'_>) -> fmt::Result {
    let (sessions, partitions, evicted) = broker.replicas.fetch_session_counts();
    let families: [Single<'_>; 3] = [
        ("kafka_server_fetchsessioncache_numincrementalfetchsessions", Gauge, "Fetch sessions", (sessions as u64).into()),
        ("kafka_server_fetchsessioncache_numincrementalfetchpartitionscached", Gauge, "Partitions of all fetch sessions", (partitions as u64).into()),
        ("kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total", Counter, "Fetch sessions that made room for others", evicted.into()),
    ];
    write_all(&families, out)
}

/// The brokers of the cluster, as kafka_exporter tells of them: each broker tells of itself.
fn write_brokers(parts: &Parts, out: &mut Exposition<'_>) -> fmt::Result {
    let image = parts.metadata.image();
    let up = image
        .brokers()
        .iter()
        .filter(|broker| !broker.fenced)
        .count();
    let help = "Brokers of the cluster that are not fenced, as this one knows it";
    out.single("kafka_brokers", Gauge, help, up as u64)?;
    let id = parts.config.node.node_id;
    let Some(own) = image.brokers().get(id) else {
        return Ok(());
    };
    let endpoint = own.endpoints.first();
    let address = endpoint.map_or_else(String::new, |it| format!("{}:{}", it.host, it.port));
    let id = id.to_string();
    out.family(
        "kafka_broker_info",
        Gauge,
        "This broker, at its first listener",
    )?
    .sample(&[("address", address.as_str()), ("id", id.as_str())], 1u64)
}

/// The families of a broker that have labels in Kafka.
fn write_labelled(metrics: &Metrics, out: &mut Exposition<'_>) -> fmt::Result {
    let replication = &metrics.replication;
    let client = [("clientId", "Replica")];
    let name = "kafka_server_replicafetchermanager_maxlag";
    let help = "The most committed records of a leader that a replica here lacks";
    out.family(name, Gauge, help)?
        .sample(&client, replication.max_lag.get())?;
    let name = "kafka_server_replicafetchermanager_failedpartitionscount";
    let help = "Partitions followed here whose fetcher does not run";
    out.family(name, Gauge, help)?
        .sample(&client, replication.unfetched_partitions.get())?;
    let name = "kafka_server_delayedoperationpurgatory_purgatorysize";
    let mut samples = out.family(
        name,
        Gauge,
        "Requests that wait for replicas or for records",
    )?;
    samples.sample(
        &[("delayedOperation", "Produce")],
        metrics.traffic.waiting_produces.now(),
    )?;
    samples.sample(
        &[("delayedOperation", "Fetch")],
        metrics.traffic.waiting_fetches.now(),
    )
}
