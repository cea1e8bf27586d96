//! Groups that this broker coordinates: members, committed offsets, and the lag behind the ends of partitions,
//! whoever leads these. The names are those of kafka_exporter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::bounds::{LONGEST_NAME, Told};
use super::end_offsets::EndOffsets;
use crate::api::{BrokerParts, Parts};
use crate::coordinator::group::GroupGlance;
use crate::metadata::image::MetadataImage;
use crate::model::{TopicIdPartition, Uuid};
use crate::protocol::Str;
use crate::telemetry::{Exposition, MetricKind::Gauge};

/// How many groups and offsets are read behind one lock of a shard.
const AT_A_TIME: usize = 2_000;

/// What there is to write.
pub(super) struct Groups {
    groups: Vec<Group>,
    /// Groups and offsets that there was no room for.
    pub(super) left_out: usize,
}

struct Group {
    id: Str,
    members: usize,
    offsets: Vec<Position>,
}

/// Where a group stands in a partition.
struct Position {
    topic: Str,
    partition: i32,
    offset: i64,
    /// The end of the partition, if it is known.
    end: Option<i64>,
}

impl Position {
    /// How many committed records the group has yet to read. The end may have been asked for before the group
    /// went beyond it.
    fn lag(&self) -> Option<i64> {
        self.end.map(|end| (end - self.offset).max(0))
    }
}

/// Collects groups within the bounds.
struct Gathering<'a> {
    image: &'a MetadataImage,
    seen: Vec<GroupGlance>,
    weights: Vec<(Str, usize)>,
    left_out: usize,
}

impl Gathering<'_> {
    /// Takes a part of a shard. Offsets of topics that are gone are not told.
    fn take(&mut self, page: Vec<GroupGlance>) {
        for mut group in page {
            group.offsets.retain(|it| {
                let id = self.image.topics().id_of(&it.topic);
                id.is_some_and(|id| it.topic_id == Uuid::ZERO || it.topic_id == id)
            });
            let weight = group.offsets.len() + 1;
            if group.id.len() > LONGEST_NAME {
                self.left_out += weight;
            } else {
                self.weights.push((group.id.clone(), weight));
                self.seen.push(group);
            }
        }
    }
}

impl Groups {
    /// The groups of all shards that run here, of which as many are told as have `most` members of this list:
    /// groups and committed offsets.
    pub(super) fn gather(
        broker: &BrokerParts,
        image: &MetadataImage,
        (told, most): (&Told<Str>, usize),
    ) -> Self {
        let mut gathering = Gathering {
            image,
            seen: Vec::new(),
            weights: Vec::new(),
            left_out: 0,
        };
        for shard in broker.groups.partitions() {
            let mut after: Option<Str> = None;
            loop {
                let page = broker.groups.glance(shard, after.as_ref(), AT_A_TIME);
                let Some(last) = page.last() else {
                    break;
                };
                after = Some(last.id.clone());
                gathering.take(page);
            }
        }
        let admitted = told.admit(&gathering.weights, most);
        let seen = gathering.seen.into_iter();
        let shown = seen.filter(|group| admitted.keys.contains(&group.id));
        Self {
            groups: shown.map(Group::of).collect(),
            left_out: gathering.left_out + admitted.left_out,
        }
    }

    /// Finds the ends of the partitions: those that are led here, and by asking the leaders of others.
    pub(super) fn find_ends(&mut self, parts: &Parts, broker: &BrokerParts, ends: &EndOffsets) {
        let image = parts.metadata.image();
        let local = parts.config.node.node_id;
        let mut elsewhere = BTreeSet::new();
        for position in self.groups.iter_mut().flat_map(|it| &mut it.offsets) {
            let (topic, partition) = (&position.topic, position.partition);
            let topic_image = image.topics().by_name(topic);
            // Nobody knows the end of a partition without a leader.
            let state = topic_image.and_then(|topic| topic.partition(partition));
            let (Some(topic_image), Some(state)) = (topic_image, state) else {
                continue;
            };
            if state.leader == local {
                let id = TopicIdPartition {
                    topic_id: topic_image.id,
                    partition,
                };
                let log = broker.replicas.partition(&id).ok();
                position.end = log.map(|log| log.high_watermark().0);
            } else if state.has_leader() {
                elsewhere.insert((topic.clone(), partition));
            }
        }
        if elsewhere.is_empty() {
            return;
        }
        let found = ends.of(&elsewhere);
        for position in self.groups.iter_mut().flat_map(|it| &mut it.offsets) {
            let key = (position.topic.clone(), position.partition);
            position.end = position.end.or_else(|| found.get(&key).copied());
        }
    }

    /// How far each group is behind, in all partitions whose end is known. One that has committed nothing is
    /// not told.
    pub(super) fn lags(&self) -> Vec<(String, i64)> {
        let groups = self.groups.iter().filter_map(|group| {
            let mut lags = group.offsets.iter().filter_map(Position::lag).peekable();
            lags.peek()?;
            Some((group.id.to_string(), lags.fold(0, i64::saturating_add)))
        });
        groups.collect()
    }

    /// Writes all families.
    pub(super) fn write(&self, out: &mut Exposition<'_>) -> fmt::Result {
        let mut members =
            out.family("kafka_consumergroup_members", Gauge, "Members of the group")?;
        for group in &self.groups {
            members.sample(&[("consumergroup", &*group.id)], group.members as u64)?;
        }
        let of_partition = |position: &Position| Some(position.offset);
        let name = "kafka_consumergroup_current_offset";
        self.write_each(
            out,
            (name, "The offset that the group has committed"),
            of_partition,
        )?;
        let name = "kafka_consumergroup_lag";
        self.write_each(
            out,
            (name, "Records that the group has yet to read"),
            Position::lag,
        )?;
        let name = "kafka_consumergroup_current_offset_sum";
        self.write_sums(
            out,
            (name, "The offsets of all partitions of the topic"),
            of_partition,
        )?;
        let name = "kafka_consumergroup_lag_sum";
        self.write_sums(
            out,
            (name, "Records of the topic that the group has yet to read"),
            Position::lag,
        )
    }

    fn write_each(
        &self,
        out: &mut Exposition<'_>,
        (name, help): (&str, &str),
        read: impl Fn(&Position) -> Option<i64>,
    ) -> fmt::Result {
        let mut samples = out.family(name, Gauge, help)?;
        for group in &self.groups {
            for position in &group.offsets {
                if let Some(value) = read(position) {
                    let partition = position.partition.to_string();
                    let labels = [
                        ("consumergroup", &*group.id),
                        ("topic", &*position.topic),
                        ("partition", partition.as_str()),
                    ];
                    samples.sample(&labels, value)?;
                }
            }
        }
        Ok(())
    }

    /// Writes sums over the partitions of each topic; a topic of which a value is missing has none.
    fn write_sums(
        &self,
        out: &mut Exposition<'_>,
        (name, help): (&str, &str),
        read: impl Fn(&Position) -> Option<i64>,
    ) -> fmt::Result {
        let mut samples = out.family(name, Gauge, help)?;
        for group in &self.groups {
            let mut sums: BTreeMap<&str, Option<i64>> = BTreeMap::new();
            for position in &group.offsets {
                let sum = sums.entry(&position.topic).or_insert(Some(0));
                *sum = sum
                    .zip(read(position))
                    .map(|(sum, value)| sum.saturating_add(value));
            }
            for (topic, sum) in sums {
                if let Some(sum) = sum {
                    samples.sample(&[("consumergroup", &*group.id), ("topic", topic)], sum)?;
                }
            }
        }
        Ok(())
    }
}

impl Group {
    fn of(glance: GroupGlance) -> Self {
        let offsets = glance.offsets.into_iter().map(|it| Position {
            topic: it.topic,
            partition: it.partition,
            offset: it.offset,
            end: None,
        });
        Self {
            id: glance.id,
            members: glance.members,
            offsets: offsets.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(partition: i32, offset: i64, end: Option<i64>) -> Position {
        Position {
            topic: "t".into(),
            partition,
            offset,
            end,
        }
    }

    fn written(offsets: Vec<Position>) -> String {
        let groups = Groups {
            groups: vec![Group {
                id: "a\"b\\c\nd".into(),
                members: 2,
                offsets,
            }],
            left_out: 0,
        };
        let mut text = String::new();
        groups.write(&mut Exposition::new(&mut text)).unwrap();
        text
    }

    #[test]
    fn lag_is_what_lies_between_offset_and_end_and_never_below_zero() {
        let text = written(vec![position(0, 3, Some(10)), position(1, 5, Some(4))]);

        let group = r#"consumergroup="a\"b\\c\nd""#;
        for line in [
            format!("kafka_consumergroup_members{{{group}}} 2"),
            format!("kafka_consumergroup_current_offset{{{group},topic=\"t\",partition=\"0\"}} 3"),
            format!("kafka_consumergroup_lag{{{group},topic=\"t\",partition=\"0\"}} 7"),
            format!("kafka_consumergroup_lag{{{group},topic=\"t\",partition=\"1\"}} 0"),
            format!("kafka_consumergroup_current_offset_sum{{{group},topic=\"t\"}} 8"),
            format!("kafka_consumergroup_lag_sum{{{group},topic=\"t\"}} 7"),
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
    }

    #[test]
    fn an_end_that_is_not_known_is_no_lag_of_zero() {
        let text = written(vec![position(0, 3, Some(10)), position(1, 5, None)]);

        assert!(text.contains("kafka_consumergroup_lag{"));
        assert!(!text.contains("partition=\"1\"} 0"), "{text}");
        assert!(!text.contains("kafka_consumergroup_lag_sum{"), "{text}");
        assert!(text.contains("kafka_consumergroup_current_offset_sum{"));
    }
}
