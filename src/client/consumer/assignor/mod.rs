//! How the members of a group share partitions out: Kafka's range, round robin and cooperative sticky. The leader
//! of a group computes, for members that may be of any client.
//!
//! PURE.

mod cooperative_sticky;
mod range;
mod round_robin;

use std::collections::{BTreeMap, BTreeSet};

use super::PartitionKey;
use crate::protocol::Str;

/// A member, as it has introduced itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    /// The id that the coordinator has given it.
    pub(super) id: Str,
    /// The id that it has kept over restarts.
    pub(super) instance: Option<Str>,
    /// What it wants to read.
    pub(super) topics: BTreeSet<Str>,
    /// What it reads, as far as it tells.
    pub(super) owned: BTreeSet<PartitionKey>,
    /// The generation in which it got that; -1 if it does not tell.
    pub(super) generation: i32,
}

/// Which member reads what, by its id.
pub(super) type Assignment = BTreeMap<Str, BTreeSet<PartitionKey>>;

/// How many partitions each topic has.
pub(super) type Counts = BTreeMap<Str, i32>;

/// A way to share partitions out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// Each topic in ranges of partitions.
    Range,
    /// All partitions in turn.
    RoundRobin,
    /// Evenly, with as little change as possible; what changes hands is given up first.
    CooperativeSticky,
}

impl Assignor {
    /// The assignor that a class or a name of Kafka's stands for.
    pub fn of(name: &str) -> Option<Self> {
        let class = name.trim().rsplit('.').next()?;
        match class {
            "range" | "RangeAssignor" => Some(Self::Range),
            "roundrobin" | "RoundRobinAssignor" => Some(Self::RoundRobin),
            "cooperative-sticky" | "CooperativeStickyAssignor" => Some(Self::CooperativeSticky),
            _ => None,
        }
    }

    /// The protocol's name, by which members agree.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// Shares all partitions of the topics in `counts` out.
    pub(super) fn assign(self, members: &[Member], counts: &Counts) -> Assignment {
        let mut members = members.to_vec();
        // Kafka's order: static members by their lasting ids, before all others.
        members.sort_by(|one, other| order(one).cmp(&order(other)));
        let empty = members.iter().map(|it| (it.id.clone(), BTreeSet::new()));
        let empty: Assignment = empty.collect();
        match self {
            Self::Range => range::assign(&members, counts, empty),
            Self::RoundRobin => round_robin::assign(&members, counts, empty),
            Self::CooperativeSticky => cooperative_sticky::assign(&members, counts, empty),
        }
    }
}

fn order(member: &Member) -> (bool, &Str) {
    match &member.instance {
        Some(instance) => (false, instance),
        None => (true, &member.id),
    }
}

/// Gives a member a partition.
fn give(assignment: &mut Assignment, member: &Str, key: PartitionKey) {
    assignment.entry(member.clone()).or_default().insert(key);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Members `a`, `b`, ... that all want these topics.
    pub(super) fn members(count: usize, topics: &[&'static str]) -> Vec<Member> {
        let ids = ["a", "b", "c", "d"];
        let member = |id: &&'static str| Member {
            id: Str::from_static(id),
            topics: topics.iter().map(|topic| Str::from_static(topic)).collect(),
            generation: -1,
            ..Member::default()
        };
        ids[..count].iter().map(member).collect()
    }

    pub(super) fn counts(topics: &[(&'static str, i32)]) -> Counts {
        let topics = topics.iter();
        topics
            .map(|(name, count)| (Str::from_static(name), *count))
            .collect()
    }

    /// What each member reads, as `t0`.
    pub(super) fn shares(assignment: &Assignment) -> Vec<Vec<String>> {
        let share = |keys: &BTreeSet<PartitionKey>| {
            keys.iter()
                .map(|(topic, index)| format!("{topic}{index}"))
                .collect()
        };
        assignment.values().map(share).collect()
    }

    #[test]
    fn static_members_come_first_in_the_order_of_their_lasting_ids() {
        let mut two = members(3, &["t"]);
        two[2].instance = Some(Str::from_static("z"));

        let assignment = Assignor::Range.assign(&two, &counts(&[("t", 1)]));

        assert_eq!(shares(&assignment), [vec![], vec![], vec!["t0".to_owned()]]);
    }

    #[test]
    fn an_assignor_goes_by_the_name_of_its_class() {
        let class = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";

        assert_eq!(Assignor::of(class), Some(Assignor::CooperativeSticky));
        assert_eq!(Assignor::of("range"), Some(Assignor::Range));
        assert_eq!(Assignor::of("mine"), None);
    }
}
