//! Topics and partitions: those that this broker leads under the names of kafka_exporter and of Kafka's own
//! metrics, those that it follows with their lag, the logs of both.
//!
//! It waits for no partition: one whose lock is held shows what was seen of it last.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::bounds::Told;
use crate::api::{BrokerParts, Parts};
use crate::metadata::image::{MetadataImage, PartitionImage, ResourceKind};
use crate::model::{BrokerId, TopicId, TopicIdPartition};
use crate::replication::partition::Partition;
use crate::telemetry::MetricKind::{Counter, Gauge};
use crate::telemetry::{Exposition, SampleValue, TopicTraffic, TrafficCounts};

const MIN_ISR: &str = "min.insync.replicas";

/// A partition that has a replica here.
struct Row<'a> {
    topic: &'a str,
    index: String,
    state: &'a PartitionImage,
    min_isr: usize,
    is_led: bool,
    /// Its log, if that is open.
    log: Option<Log>,
}

struct Log {
    partition: Arc<Partition>,
    size: u64,
    segments: u64,
}

/// A topic that has replicas here.
struct TopicRow<'a> {
    name: &'a str,
    partitions: usize,
    /// Whether this broker tells of the topic as a whole: it leads the first partition.
    is_told: bool,
    traffic: Option<TrafficCounts>,
}

/// A family with a sample for each partition that it has a value of.
struct Family {
    name: &'static str,
    read: fn(&Row<'_>) -> Option<SampleValue>,
    help: &'static str,
}

/// What there is to write.
pub(super) struct Partitions<'a> {
    topics: Vec<TopicRow<'a>>,
    rows: Vec<Row<'a>>,
    /// Partitions that there was no room for.
    pub(super) left_out: usize,
}

impl<'a> Partitions<'a> {
    /// The partitions that have a replica here, of as many topics as have `most` partitions.
    pub(super) fn gather(
        parts: &Parts,
        broker: &BrokerParts,
        image: &'a MetadataImage,
        (told, most): (&Told<TopicId>, usize),
    ) -> Self {
        let local = parts.config.node.node_id;
        let here = |partition: &PartitionImage| partition.replicas.contains(&local);
        let mut counts = Vec::new();
        for topic in image.topics().iter() {
            let count = topic.partitions.iter().filter(|(_, it)| here(it)).count();
            if count > 0 {
                counts.push((topic.id, count));
            }
        }
        let admitted = told.admit(&counts, most);
        let mut gathered = Self {
            topics: Vec::with_capacity(admitted.keys.len()),
            rows: Vec::new(),
            left_out: admitted.left_out,
        };
        let default = default_min_isr(parts, image);
        gathered.add_topics(broker, image, &admitted.keys, (local, default));
        gathered
    }

    fn add_topics(
        &mut self,
        broker: &BrokerParts,
        image: &'a MetadataImage,
        admitted: &BTreeSet<TopicId>,
        (local, default_min_isr): (BrokerId, usize),
    ) {
        for topic in image.topics().iter().filter(|it| admitted.contains(&it.id)) {
            let min_isr = image
                .configs()
                .get(ResourceKind::Topic, &topic.name, MIN_ISR);
            let min_isr = min_isr.and_then(|value| value.parse().ok());
            let mut traffic: Option<Arc<TopicTraffic>> = None;
            for (index, state) in topic.partitions.iter() {
                if !state.replicas.contains(&local) {
                    continue;
                }
                let id = TopicIdPartition {
                    topic_id: topic.id,
                    partition: *index,
                };
                let log = broker.replicas.partition(&id).ok().map(|partition| {
                    let (size, segments) = partition.size_without_waiting();
                    Log {
                        partition,
                        size,
                        segments,
                    }
                });
                if let Some(log) = &log {
                    traffic = traffic.or_else(|| log.partition.traffic().cloned());
                }
                self.rows.push(Row {
                    topic: &topic.name,
                    index: index.to_string(),
                    state,
                    min_isr: min_isr.unwrap_or(default_min_isr),
                    is_led: state.leader == local,
                    log,
                });
            }
            let first = topic.partition(0);
            self.topics.push(TopicRow {
                name: &topic.name,
                partitions: topic.partitions.len(),
                is_told: first.is_some_and(|first| first.leader == local),
                traffic: traffic.map(|traffic| traffic.counts()),
            });
        }
    }

    /// Writes all families.
    pub(super) fn write(&self, out: &mut Exposition<'_>) -> fmt::Result {
        for (name, read, help) in TRAFFIC {
            let mut samples = out.family(name, Counter, help)?;
            for topic in &self.topics {
                if let Some(traffic) = &topic.traffic {
                    samples.sample(&[("topic", topic.name)], read(traffic))?;
                }
            }
        }
        let mut samples = out.family("kafka_topic_partitions", Gauge, "Partitions of the topic")?;
        for topic in self.topics.iter().filter(|topic| topic.is_told) {
            samples.sample(&[("topic", topic.name)], topic.partitions as u64)?;
        }
        for family in FAMILIES {
            self.write_family(family, out)?;
        }
        self.write_lags(out)
    }

    fn write_family(&self, family: &Family, out: &mut Exposition<'_>) -> fmt::Result {
        let mut samples = out.family(family.name, Gauge, family.help)?;
        for row in &self.rows {
            if let Some(value) = (family.read)(row) {
                let labels = [("topic", row.topic), ("partition", row.index.as_str())];
                samples.sample(&labels, value)?;
            }
        }
        Ok(())
    }

    fn write_lags(&self, out: &mut Exposition<'_>) -> fmt::Result {
        let name = "kafka_server_fetcherlagmetrics_consumerlag";
        let help = "Committed records of the leader that the replica here lacks";
        let mut samples = out.family(name, Gauge, help)?;
        for row in self
            .rows
            .iter()
            .filter(|row| !row.is_led && row.state.has_leader())
        {
            if let Some(log) = &row.log {
                let leader = row.state.leader.to_string();
                let labels = [
                    ("leader", leader.as_str()),
                    ("topic", row.topic),
                    ("partition", row.index.as_str()),
                ];
                samples.sample(&labels, log.partition.lag())?;
            }
        }
        Ok(())
    }
}

/// `min.insync.replicas` of topics that have none of their own.
fn default_min_isr(parts: &Parts, image: &MetadataImage) -> usize {
    let of_file = parts.config.topic_defaults.min_insync_replicas;
    let own = parts.config.node.node_id.to_string();
    let of_cluster = [own.as_str(), ""].into_iter().find_map(|name| {
        let set = image.configs().get(ResourceKind::Broker, name, MIN_ISR)?;
        set.parse().ok()
    });
    of_cluster.unwrap_or_else(|| usize::try_from(of_file).unwrap_or(1))
}

impl Row<'_> {
    fn led(&self) -> Option<&Self> {
        self.is_led.then_some(self)
    }

    fn led_log(&self) -> Option<&Log> {
        self.log.as_ref().filter(|_| self.is_led)
    }

    /// The smallest number of replicas that takes acks=all.
    fn needed(&self) -> usize {
        self.min_isr.min(self.state.replicas.len())
    }

    fn is_under_replicated(&self) -> bool {
        // Those that a reassignment adds do not count, as in Kafka.
        let wanted = self
            .state
            .replicas
            .len()
            .saturating_sub(self.state.adding.len());
        self.state.isr.len() < wanted
    }
}

type OfTopic = (&'static str, fn(&TrafficCounts) -> u64, &'static str);

#[rustfmt::skip]
const TRAFFIC: [OfTopic; 8] = [
    ("kafka_server_brokertopicmetrics_messagesin_total", |it| it.records_in, "Records appended"),
    ("kafka_server_brokertopicmetrics_bytesin_total", |it| it.bytes_in, "Bytes appended"),
    ("kafka_server_brokertopicmetrics_bytesout_total", |it| it.bytes_out, "Bytes of records sent to consumers"),
    ("kafka_server_brokertopicmetrics_bytesrejected_total", |it| it.bytes_rejected, "Bytes of batches that are too large"),
    ("kafka_server_brokertopicmetrics_totalproducerequests_total", |it| it.produces, "Batches that were to be appended"),
    ("kafka_server_brokertopicmetrics_failedproducerequests_total", |it| it.failed_produces, "Batches refused"),
    ("kafka_server_brokertopicmetrics_totalfetchrequests_total", |it| it.fetches, "Reads of partitions, by consumers and followers"),
    ("kafka_server_brokertopicmetrics_failedfetchrequests_total", |it| it.failed_fetches, "Reads of partitions refused"),
];

#[rustfmt::skip]
const FAMILIES: &[Family] = &[
    Family { name: "kafka_topic_partition_current_offset", read: |it| it.led_log().map(|log| log.partition.high_watermark().0.into()), help: "The offset below which all is committed" },
    Family { name: "kafka_topic_partition_oldest_offset", read: |it| it.led_log().map(|log| log.partition.log_start_offset().0.into()), help: "The first offset" },
    Family { name: "kafka_topic_partition_leader", read: |it| it.led().map(|it| i64::from(it.state.leader.0).into()), help: "The id of the leader" },
    Family { name: "kafka_topic_partition_leader_is_preferred", read: |it| it.led().map(|it| (it.state.leader == it.state.preferred_leader()).into()), help: "1 if the preferred replica leads" },
    Family { name: "kafka_topic_partition_replicas", read: |it| it.led().map(|it| (it.state.replicas.len() as u64).into()), help: "Replicas" },
    Family { name: "kafka_topic_partition_in_sync_replica", read: |it| it.led().map(|it| (it.state.isr.len() as u64).into()), help: "Replicas in sync" },
    Family { name: "kafka_topic_partition_under_replicated_partition", read: |it| it.led().map(|it| it.is_under_replicated().into()), help: "1 if replicas are not in sync" },
    Family { name: "kafka_cluster_partition_underreplicated", read: |it| it.led().map(|it| it.is_under_replicated().into()), help: "1 if replicas are not in sync" },
    Family { name: "kafka_cluster_partition_replicascount", read: |it| it.led().map(|it| (it.state.replicas.len() as u64).into()), help: "Replicas" },
    Family { name: "kafka_cluster_partition_insyncreplicascount", read: |it| it.led().map(|it| (it.state.isr.len() as u64).into()), help: "Replicas in sync" },
    Family { name: "kafka_cluster_partition_underminisr", read: |it| it.led().map(|it| (it.state.isr.len() < it.needed()).into()), help: "1 if too few replicas are in sync for acks=all" },
    Family { name: "kafka_cluster_partition_atminisr", read: |it| it.led().map(|it| (it.state.isr.len() == it.needed()).into()), help: "1 if just enough replicas are in sync for acks=all" },
    Family { name: "kafka_cluster_partition_laststableoffsetlag", read: |it| it.led_log().map(|log| log.partition.unstable_records().into()), help: "Committed records that wait for a transaction" },
    Family { name: "kafka_log_log_logstartoffset", read: |it| it.log.as_ref().map(|log| log.partition.log_start_offset().0.into()), help: "The first offset of the log here" },
    Family { name: "kafka_log_log_logendoffset", read: |it| it.log.as_ref().map(|log| log.partition.end_offset().0.into()), help: "The end of the log here" },
    Family { name: "kafka_log_log_numlogsegments", read: |it| it.log.as_ref().map(|log| log.segments.into()), help: "Segments of the log here" },
    Family { name: "kafka_log_log_size", read: |it| it.log.as_ref().map(|log| log.size.into()), help: "Bytes of the log here" },
];

/// Writes how much was left out for want of room, by what it is.
pub(super) fn write_left_out(left_out: &[(&str, usize)], out: &mut Exposition<'_>) -> fmt::Result {
    let help =
        "Partitions and offsets of groups that are not told, see admin.metrics.partitions.max";
    let mut samples = out.family("broker_metrics_left_out", Gauge, help)?;
    for (what, count) in left_out {
        samples.sample(&[("what", what)], *count as u64)?;
    }
    Ok(())
}
