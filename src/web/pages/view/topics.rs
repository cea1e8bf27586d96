//! Topics, and one topic with its partitions.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Known;
use super::partitions::PartitionCounts;
use crate::metadata::image::{PartitionImage, TopicImage};
use crate::model::BrokerId;
use crate::protocol::Str;
use crate::web::pages::query::{Part, Query};
use crate::web::pages::survey::Config;

/// Topics, searched and sorted.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct Topics {
    #[serde(flatten)]
    pub(in crate::web::pages) part: Part<TopicRow>,
    /// How many topics there are, whatever was searched for.
    pub(in crate::web::pages) topics: usize,
    /// How many of them are internal, and are shown only on request.
    pub(in crate::web::pages) internal_topics: usize,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in crate::web::pages) struct TopicRow {
    pub(in crate::web::pages) name: String,
    pub(in crate::web::pages) is_internal: bool,
    #[serde(flatten)]
    pub(in crate::web::pages) counts: PartitionCounts,
    pub(in crate::web::pages) replication_factor: usize,
    /// Records that could be read if none were compacted away or expired: the sum of the ends.
    pub(in crate::web::pages) ends: Option<i64>,
    pub(in crate::web::pages) records_per_second: Option<f64>,
    /// Bytes of all replicas, if somebody has told.
    pub(in crate::web::pages) bytes: Option<u64>,
    /// Records that all groups together have yet to read.
    pub(in crate::web::pages) lag: Option<i64>,
}

/// One topic.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct OneTopic {
    pub(in crate::web::pages) id: String,
    #[serde(flatten)]
    pub(in crate::web::pages) topic: TopicRow,
    pub(in crate::web::pages) min_isr: usize,
    pub(in crate::web::pages) partition_part: Part<PartitionRow>,
    pub(in crate::web::pages) groups: Vec<GroupOfTopic>,
    pub(in crate::web::pages) configs: Vec<Config>,
    /// Why they are not known.
    pub(in crate::web::pages) configs_trouble: Option<String>,
}

/// A partition.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct PartitionRow {
    pub(in crate::web::pages) partition: i32,
    pub(in crate::web::pages) leader: Option<i32>,
    pub(in crate::web::pages) leader_epoch: i32,
    pub(in crate::web::pages) replicas: Vec<i32>,
    pub(in crate::web::pages) isr: Vec<i32>,
    /// Replicas that may lead without loss although they are not in sync.
    pub(in crate::web::pages) elr: Vec<i32>,
    pub(in crate::web::pages) adding: Vec<i32>,
    pub(in crate::web::pages) removing: Vec<i32>,
    pub(in crate::web::pages) start: Option<i64>,
    pub(in crate::web::pages) end: Option<i64>,
    /// Bytes of the leader's log.
    pub(in crate::web::pages) bytes: Option<u64>,
    #[serde(flatten)]
    pub(in crate::web::pages) counts: PartitionCounts,
}

/// A group that has committed offsets of a topic.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct GroupOfTopic {
    pub(in crate::web::pages) id: String,
    pub(in crate::web::pages) state: String,
    /// Members that read it.
    pub(in crate::web::pages) readers: usize,
    pub(in crate::web::pages) lag: Option<i64>,
}

/// Lags of groups, by topic.
fn lags(known: &Known) -> BTreeMap<Str, i64> {
    let mut lags: BTreeMap<Str, i64> = BTreeMap::new();
    let told = known.survey.brokers.values();
    for group in told.flat_map(|told| &told.groups) {
        for (key, committed) in &group.committed {
            if let Some(lag) = known.lag(key, committed.offset) {
                *lags.entry(key.0.clone()).or_default() += lag;
            }
        }
    }
    lags
}

/// Bytes of all replicas, by topic.
fn sizes(known: &Known) -> BTreeMap<Str, u64> {
    let mut sizes: BTreeMap<Str, u64> = BTreeMap::new();
    for told in known.survey.brokers.values() {
        for (topic, logs) in &told.logs {
            let size: u64 = logs.values().map(|log| log.size).sum();
            *sizes.entry(topic.clone()).or_default() += size;
        }
    }
    sizes
}

struct Sums {
    lags: BTreeMap<Str, i64>,
    sizes: BTreeMap<Str, u64>,
}

impl Sums {
    fn of(known: &Known) -> Self {
        Self {
            lags: lags(known),
            sizes: sizes(known),
        }
    }

    fn row(&self, known: &Known, topic: &TopicImage) -> TopicRow {
        let name: &str = &topic.name;
        let min_isr = known.min_isr(topic);
        let mut counts = PartitionCounts::default();
        let mut replication_factor = 0;
        for (_, partition) in topic.partitions.iter() {
            counts += PartitionCounts::of(partition, min_isr);
            replication_factor = replication_factor.max(partition.replicas.len());
        }
        let ends = known.survey.ends.get(name);
        TopicRow {
            name: name.to_owned(),
            is_internal: is_internal(name),
            counts,
            replication_factor,
            ends: ends.map(|ends| ends.values().sum()),
            records_per_second: known.survey.rates.get(name).copied(),
            bytes: self.sizes.get(name).copied(),
            lag: self.lags.get(name).copied(),
        }
    }
}

/// Whether a topic is the cluster's own.
fn is_internal(name: &str) -> bool {
    name.starts_with("__")
}

impl Topics {
    /// What was asked for.
    pub(in crate::web::pages) fn of(known: &Known, query: &Query) -> Self {
        let topics = known.image.topics();
        let sums = Sums::of(known);
        let found = topics.iter().filter(|topic| {
            query.finds(&topic.name) && (query.internal || !is_internal(&topic.name))
        });
        let rows: Vec<TopicRow> = found.map(|topic| sums.row(known, topic)).collect();
        let internal = topics.iter().filter(|it| is_internal(&it.name));
        Self {
            part: query.part(rows, |a, b| order(&query.sort, a, b)),
            topics: topics.len(),
            internal_topics: internal.count(),
        }
    }
}

/// The order of a column. Rows of which it is not known come first; the same are in order of their names.
fn order(column: &str, a: &TopicRow, b: &TopicRow) -> std::cmp::Ordering {
    match column {
        "partitions" => a.counts.partitions.cmp(&b.counts.partitions),
        "replicas" => a.replication_factor.cmp(&b.replication_factor),
        "state" => a.counts.badness().cmp(&b.counts.badness()),
        "records" => a.ends.cmp(&b.ends),
        "rate" => {
            let rate = |row: &TopicRow| row.records_per_second.unwrap_or(-1.0);
            rate(a).total_cmp(&rate(b))
        }
        "size" => a.bytes.cmp(&b.bytes),
        "lag" => a.lag.cmp(&b.lag),
        _ => a.name.cmp(&b.name),
    }
}

impl OneTopic {
    /// The topic with this name, if there is one.
    pub(in crate::web::pages) fn of(known: &Known, name: &str, query: &Query) -> Option<Self> {
        let topic = known.image.topics().by_name(name)?;
        let min_isr = known.min_isr(topic);
        let partitions = topic.partitions.iter();
        let rows = partitions.map(|(index, it)| partition(known, (name, *index), it, min_isr));
        let rows: Vec<PartitionRow> = rows.collect();
        let (configs, configs_trouble) = known.configs();
        Some(Self {
            id: topic.id.to_string(),
            topic: Sums::of(known).row(known, topic),
            min_isr,
            partition_part: query.part(rows, |a, b| order_of_partitions(&query.sort, a, b)),
            groups: groups_of(known, name),
            configs,
            configs_trouble,
        })
    }
}

fn order_of_partitions(column: &str, a: &PartitionRow, b: &PartitionRow) -> std::cmp::Ordering {
    match column {
        "leader" => a.leader.cmp(&b.leader),
        "state" => a.counts.badness().cmp(&b.counts.badness()),
        "start" => a.start.cmp(&b.start),
        "end" => a.end.cmp(&b.end),
        "size" => a.bytes.cmp(&b.bytes),
        _ => a.partition.cmp(&b.partition),
    }
}

fn partition(
    known: &Known,
    (topic, index): (&str, i32),
    partition: &PartitionImage,
    min_isr: usize,
) -> PartitionRow {
    let ids = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect::<Vec<i32>>();
    let leader = Some(partition.leader.0).filter(|_| partition.leader != BrokerId::NONE);
    let told = leader.and_then(|leader| known.survey.brokers.get(&leader));
    let log = told.and_then(|told| told.logs.get(topic)?.get(&index));
    let details = known.details.as_ref();
    PartitionRow {
        partition: index,
        leader,
        leader_epoch: partition.leader_epoch.0,
        replicas: ids(&partition.replicas),
        isr: ids(&partition.isr),
        elr: ids(&partition.elr),
        adding: ids(&partition.adding),
        removing: ids(&partition.removing),
        start: details.and_then(|it| it.starts.get(&index).copied()),
        end: known.end(topic, index),
        bytes: log.map(|log| log.size),
        counts: PartitionCounts::of(partition, min_isr),
    }
}

fn groups_of(known: &Known, topic: &str) -> Vec<GroupOfTopic> {
    let mut found = Vec::new();
    let told = known.survey.brokers.values();
    for group in told.flat_map(|told| &told.groups) {
        let committed = group.committed.iter().filter(|(key, _)| *key.0 == *topic);
        let mut lag: Option<i64> = None;
        let mut has_committed = false;
        for (key, committed) in committed {
            has_committed = true;
            if let Some(more) = known.lag(key, committed.offset) {
                lag = Some(lag.unwrap_or(0) + more);
            }
        }
        let reads = |assigned: &(Str, i32)| *assigned.0 == *topic;
        let members = group.members.iter();
        let readers = members.filter(|it| it.assigned.iter().any(reads)).count();
        if has_committed || readers > 0 {
            found.push(GroupOfTopic {
                id: group.id.to_string(),
                state: group.state.to_string(),
                readers,
                lag,
            });
        }
    }
    found.sort_by(|a, b| b.lag.cmp(&a.lag).then_with(|| a.id.cmp(&b.id)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, bytes: Option<u64>, lag: Option<i64>, offline: usize) -> TopicRow {
        TopicRow {
            name: name.to_owned(),
            is_internal: false,
            counts: PartitionCounts {
                partitions: 1,
                offline,
                ..PartitionCounts::default()
            },
            replication_factor: 1,
            ends: None,
            records_per_second: None,
            bytes,
            lag,
        }
    }

    fn sorted(query: &str) -> Vec<String> {
        let query = Query::of(query);
        let rows = vec![
            row("b", Some(5), None, 1),
            row("a", None, Some(9), 0),
            row("c", Some(700), Some(2), 0),
        ];
        let part = query.part(rows, |a, b| order(&query.sort, a, b));
        part.rows.into_iter().map(|row| row.name).collect()
    }

    #[test]
    fn topics_are_sorted_by_name_unless_a_column_is_named() {
        assert_eq!(sorted(""), ["a", "b", "c"]);
        assert_eq!(sorted("sort=nonsense&order=desc"), ["c", "b", "a"]);
        assert_eq!(sorted("sort=size&order=desc"), ["c", "b", "a"]);
        assert_eq!(sorted("sort=lag&order=desc"), ["a", "c", "b"]);
    }

    #[test]
    fn what_is_worst_comes_first_by_state() {
        assert_eq!(sorted("sort=state&order=desc")[0], "b");
    }
}
