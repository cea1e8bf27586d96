//! Metrics of replication, of the cluster and of its quorum. Each names the metric of Kafka's that it stands
//! for.

use prometheus_client::metrics::gauge::Gauge;

use super::metrics::{bytes, count, gauge};
use super::registry::Registry;
use super::striped::Count;

/// Replicas that this broker leads and follows.
#[derive(Debug)]
pub struct ReplicationMetrics {
    /// Partitions that this broker leads (`LeaderCount`).
    pub led_partitions: Gauge,
    /// Of those, partitions with replicas that are not in sync (`UnderReplicatedPartitions`).
    pub under_replicated_partitions: Gauge,
    /// Of those, partitions with too few in-sync replicas for acks=all (`UnderMinIsrPartitionCount`).
    pub under_min_isr_partitions: Gauge,
    /// Of those, partitions with just enough of them (`AtMinIsrPartitionCount`).
    pub at_min_isr_partitions: Gauge,
    /// Of those, partitions that are reassigned (`ReassigningPartitions`).
    pub reassigning_partitions: Gauge,
    /// In-sync sets of partitions led here that lost replicas (`IsrShrinksPerSec`).
    pub isr_shrinks: Count,
    /// In-sync sets of partitions led here that gained replicas (`IsrExpandsPerSec`).
    pub isr_expands: Count,
    /// Bytes of records that were fetched from leaders (`ReplicationBytesInPerSec`).
    pub received_bytes: Count,
    /// Bytes of records that followers fetched (`ReplicationBytesOutPerSec`).
    pub sent_bytes: Count,
    /// Logs that were cut because their leader's differs.
    pub truncations: Count,
    /// Of those, logs that lost what this broker knew to be committed: an unclean election did that.
    pub high_watermark_cuts: Count,
    /// The most committed records of a leader that one of the replicas here lacks (`MaxLag` of the
    /// ReplicaFetcherManager), looked at every five seconds.
    pub max_lag: Gauge,
    /// Threads that fetch from leaders and were ended by a panic: each is a bug.
    pub fetcher_panics: Count,
    /// What was done for a partition on a thread that all share, and was ended by a panic: each is a bug.
    pub upkeep_panics: Count,
    /// Partitions followed here whose thread does not run (`FailedPartitionsCount`).
    pub unfetched_partitions: Gauge,
}

/// The cluster, as this node has read its metadata.
#[derive(Debug)]
pub struct ClusterMetrics {
    /// Topics (`GlobalTopicCount`).
    pub topics: Gauge,
    /// Partitions (`GlobalPartitionCount`).
    pub partitions: Gauge,
    /// Partitions without a leader (`OfflinePartitionsCount`).
    pub leaderless_partitions: Gauge,
    /// Partitions that their preferred replica does not lead (`PreferredReplicaImbalanceCount`).
    pub not_preferred_partitions: Gauge,
    /// Brokers that are not fenced (`ActiveBrokerCount`).
    pub active_brokers: Gauge,
    /// Brokers that are fenced (`FencedBrokerCount`).
    pub fenced_brokers: Gauge,
    /// Partitions that got another leader (`LeaderElectionRateAndTimeMs`).
    pub elections: Count,
    /// Of those, leaders that may lack what was committed (`UncleanLeaderElectionsPerSec`).
    pub unclean_elections: Count,
}

/// The metadata quorum, as this node knows it.
#[derive(Debug)]
pub struct QuorumMetrics {
    /// 1 if this node is the active controller (`ActiveControllerCount`).
    pub active_controller: Gauge,
    /// The leader's id, -1 if none is known (`current-leader`).
    pub leader: Gauge,
    /// The epoch (`current-epoch`).
    pub epoch: Gauge,
    /// The offset below which all is committed, -1 if unknown (`high-watermark`).
    pub high_watermark: Gauge,
    /// Committed records of the metadata log that this node has not acted on yet (`LastAppliedRecordLag`).
    pub lag: Gauge,
    /// Requests that wait for the controller's thread (`EventQueueSize`).
    pub waiting_requests: Gauge,
}

impl ReplicationMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let mut led = |name, help| gauge(registry, name, help);
        Self {
            led_partitions: led("led_partitions", "Partitions led here"),
            under_replicated_partitions: led(
                "under_replicated_partitions",
                "Partitions led here with replicas that are not in sync",
            ),
            under_min_isr_partitions: led(
                "under_min_isr_partitions",
                "Partitions led here with too few in-sync replicas for acks=all",
            ),
            at_min_isr_partitions: led(
                "at_min_isr_partitions",
                "Partitions led here with just enough in-sync replicas for acks=all",
            ),
            reassigning_partitions: led(
                "reassigning_partitions",
                "Partitions led here that are reassigned",
            ),
            isr_shrinks: count(registry, "isr_shrinks", "In-sync sets that lost replicas"),
            isr_expands: count(registry, "isr_expands", "In-sync sets that gained replicas"),
            received_bytes: bytes(
                registry,
                "replication_received",
                "Bytes of records fetched from leaders",
            ),
            sent_bytes: bytes(
                registry,
                "replication_sent",
                "Bytes of records that followers fetched",
            ),
            truncations: count(
                registry,
                "replica_truncations",
                "Logs cut because their leader's differs",
            ),
            high_watermark_cuts: count(
                registry,
                "replica_high_watermark_cuts",
                "Logs cut that lost what was committed",
            ),
            max_lag: gauge(
                registry,
                "replica_max_lag_records",
                "The most committed records of a leader that a replica here lacks",
            ),
            fetcher_panics: count(registry, "fetcher_panics", "Fetchers ended by a panic"),
            upkeep_panics: count(
                registry,
                "upkeep_panics",
                "Pieces of upkeep ended by a panic",
            ),
            unfetched_partitions: gauge(
                registry,
                "unfetched_partitions",
                "Partitions followed here whose fetcher does not run",
            ),
        }
    }
}

impl ClusterMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let mut of_cluster = |name, help| gauge(registry, name, help);
        Self {
            topics: of_cluster("cluster_topics", "Topics of the cluster"),
            partitions: of_cluster("cluster_partitions", "Partitions of the cluster"),
            leaderless_partitions: of_cluster(
                "cluster_leaderless_partitions",
                "Partitions of the cluster without a leader",
            ),
            not_preferred_partitions: of_cluster(
                "cluster_not_preferred_partitions",
                "Partitions of the cluster that their preferred replica does not lead",
            ),
            active_brokers: of_cluster("cluster_active_brokers", "Brokers that are not fenced"),
            fenced_brokers: of_cluster("cluster_fenced_brokers", "Brokers that are fenced"),
            elections: count(
                registry,
                "cluster_elections",
                "Partitions that got another leader",
            ),
            unclean_elections: count(
                registry,
                "cluster_unclean_elections",
                "Leaders that may lack what was committed",
            ),
        }
    }
}

impl QuorumMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let mut of_quorum = |name, help| gauge(registry, name, help);
        Self {
            active_controller: of_quorum(
                "active_controller",
                "1 if this node is the active controller",
            ),
            leader: of_quorum("quorum_leader", "The id of the active controller, or -1"),
            epoch: of_quorum("quorum_epoch", "The epoch of the metadata quorum"),
            high_watermark: of_quorum(
                "quorum_high_watermark",
                "The offset below which the metadata log is committed, or -1",
            ),
            lag: of_quorum(
                "metadata_lag_records",
                "Committed records of the metadata log not acted on yet",
            ),
            waiting_requests: of_quorum(
                "controller_waiting_requests",
                "Requests that wait for the controller's thread",
            ),
        }
    }
}
