//! Which replicas partitions shall have: proposed, written as lines that people may change, and what it costs.
//!
//! PURE: chance is an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::super::{Fault, Form};
use crate::client::PartitionKey;
use crate::metadata::controller::{Entropy, place_on};
use crate::metadata::image::{MetadataImage, PartitionImage, TopicImage};
use crate::model::BrokerId;
use crate::protocol::Str;
use crate::web::pages::frame::listed;
use crate::web::pages::view::Known;

/// Replicas by partition, the preferred leader first.
pub(super) type Plan = BTreeMap<PartitionKey, Vec<i32>>;

/// What is to be spread, and where to.
pub(super) struct Wish {
    /// The topic; all that are not internal, if it is empty.
    pub(super) topic: String,
    pub(super) brokers: BTreeSet<i32>,
    /// How many replicas each partition shall have; as many as it has, if nothing is said.
    pub(super) factor: Option<i16>,
    /// Whether replicas stay where they are if they may.
    pub(super) stays: bool,
}

/// A partition that moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Move {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) now: Vec<i32>,
    pub(super) then: Vec<i32>,
    /// Bytes that are copied; `None` if nobody has told of its log.
    pub(super) bytes: Option<u64>,
}

impl Wish {
    /// Reads what was typed.
    pub(super) fn of(form: &Form) -> Result<Self, Fault> {
        let factor = match form.number("replication_factor")? {
            Some(..1) => {
                return Err(Fault::wrong(
                    "replication_factor",
                    "This has to be 1 or more.",
                ));
            }
            factor => factor,
        };
        let brokers = ids(form.text("brokers"));
        let brokers =
            brokers.ok_or_else(|| Fault::wrong("brokers", "These are no numbers with commas."))?;
        let brokers: BTreeSet<i32> = brokers.into_iter().collect();
        if brokers.is_empty() {
            return Err(Fault::wrong("brokers", "At least one is needed."));
        }
        Ok(Self {
            topic: form.text("topic").to_owned(),
            brokers,
            factor,
            stays: form.text("how") != super::ANEW,
        })
    }
}

/// `1, 2, 3`
fn ids(text: &str) -> Option<Vec<i32>> {
    let ids = text.split([',', ' ']).filter(|part| !part.is_empty());
    ids.map(|id| id.parse().ok()).collect()
}

/// Reads `topic-0: 1, 2, 3` lines.
pub(super) fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Plan, Fault> {
    let mut plan = Plan::new();
    for line in lines {
        let read = || {
            let (key, replicas) = line.rsplit_once([':', '='])?;
            let (topic, partition) = key.trim().rsplit_once('-')?;
            let replicas = ids(replicas).filter(|it| !it.is_empty())?;
            Some(((Str::copy_from(topic), partition.parse().ok()?), replicas))
        };
        let Some((key, replicas)) = read() else {
            let text = format!("{line:?} is not as in orders-0: 1, 2, 3.");
            return Err(Fault::wrong("plan", text));
        };
        if plan.insert(key, replicas).is_some() {
            return Err(Fault::wrong(
                "plan",
                format!("{line:?} names a partition twice."),
            ));
        }
    }
    Ok(plan)
}

/// The lines of a plan.
pub(super) fn text(plan: &Plan) -> String {
    let lines = plan.iter().map(|((topic, partition), replicas)| {
        format!("{topic}-{partition}: {}\n", listed(replicas))
    });
    lines.collect()
}

/// The replicas that a partition has, without those that it is only getting.
fn current(partition: &PartitionImage) -> Vec<i32> {
    let stay = partition
        .replicas
        .iter()
        .filter(|id| !partition.adding.contains(id));
    stay.map(|id| id.0).collect()
}

/// Proposes replicas, each topic spread over the racks as a new one.
pub(super) fn propose(
    image: &MetadataImage,
    wish: &Wish,
    entropy: Entropy<'_>,
) -> Result<Plan, Fault> {
    let topics: Vec<&Arc<TopicImage>> = if wish.topic.is_empty() {
        image
            .topics()
            .iter()
            .filter(|it| !it.name.starts_with("__"))
            .collect()
    } else {
        image.topics().by_name(&wish.topic).into_iter().collect()
    };
    if topics.is_empty() {
        return Err(Fault::wrong("topic", "There is no such topic."));
    }
    let living: Vec<(BrokerId, Option<Arc<str>>)> = (image.brokers().iter())
        .filter(|it| wish.brokers.contains(&it.id.0) && !it.fenced)
        .map(|it| (it.id, it.rack.as_deref().map(Arc::from)))
        .collect();
    if living.len() < wish.brokers.len() {
        return Err(Fault::wrong(
            "brokers",
            "One of these is not there, or is fenced.",
        ));
    }
    let mut plan = Plan::new();
    for topic in topics {
        let now: BTreeMap<i32, Vec<i32>> = topic
            .partitions
            .iter()
            .map(|(index, it)| (*index, current(it)))
            .collect();
        let most = now.values().map(Vec::len).max().unwrap_or(1);
        let factor = wish
            .factor
            .unwrap_or(i16::try_from(most).unwrap_or(i16::MAX));
        let placed = place_on(living.iter().cloned(), now.len(), factor, entropy);
        let placed = placed.map_err(|refusal| Fault::Refused {
            code: refusal.code,
            text: refusal
                .message
                .unwrap_or_else(|| refusal.code.message().to_owned()),
        })?;
        for ((index, now), placed) in now.into_iter().zip(placed) {
            let placed: Vec<i32> = placed.into_iter().map(|id| id.0).collect();
            let then = if wish.stays {
                kept(&now, &placed, &wish.brokers)
            } else {
                placed
            };
            plan.insert((Str::from(&topic.name), index), then);
        }
    }
    Ok(plan)
}

/// As many replicas as were placed: those that are there and may stay, then those that were placed.
fn kept(now: &[i32], placed: &[i32], allowed: &BTreeSet<i32>) -> Vec<i32> {
    let stay = now.iter().filter(|id| allowed.contains(id));
    let mut then: Vec<i32> = stay.copied().take(placed.len()).collect();
    for id in placed {
        if then.len() < placed.len() && !then.contains(id) {
            then.push(*id);
        }
    }
    then
}

/// What a plan changes, with what it costs.
pub(super) fn moves(known: &Known, plan: &Plan) -> Result<Vec<Move>, Fault> {
    let mut moves = Vec::new();
    for ((topic, partition), then) in plan {
        let found = known.image.topics().by_name(topic);
        let found = found.and_then(|it| it.partitions.get(partition));
        let Some(it) = found else {
            return Err(Fault::wrong(
                "plan",
                format!("There is no {topic}-{partition}."),
            ));
        };
        let now = current(it);
        if now == *then && it.adding.is_empty() && it.removing.is_empty() {
            continue;
        }
        let log = known.survey.brokers.get(&it.leader.0);
        let log = log.and_then(|told| told.logs.get(&**topic)?.get(partition));
        let copies = then.iter().filter(|id| !now.contains(id)).count() as u64;
        moves.push(Move {
            topic: topic.to_string(),
            partition: *partition,
            now,
            then: then.clone(),
            bytes: log.map(|log| log.size * copies),
        });
    }
    Ok(moves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_what_its_lines_say() {
        let lines = "a-b-0: 1, 2\na-b-1: 3\n";

        let plan = parse(lines.lines()).unwrap();

        assert_eq!(text(&plan), lines);
        assert_eq!(parse("a-b-0=1 2\na-b-1: 3".lines()), Ok(plan));
    }

    #[test]
    fn what_is_no_plan_is_refused_with_its_line() {
        for wrong in ["a-0", "a: 1", "a-x: 1", "a-0:", "a-0: x", "a-0: 1\na-0: 2"] {
            let fault = parse(wrong.lines()).unwrap_err();
            assert_eq!(fault.field(), Some("plan"), "{wrong}");
        }
    }

    #[test]
    fn replicas_stay_where_they_may() {
        let allowed = BTreeSet::from([1, 2, 4]);

        assert_eq!(kept(&[3, 1], &[4, 2], &allowed), [1, 4]);
        assert_eq!(kept(&[2, 1], &[4, 2], &allowed), [2, 1], "nothing moves");
        assert_eq!(kept(&[2, 1], &[4], &allowed), [2], "one replica less");
        assert_eq!(kept(&[1], &[1, 2, 4], &allowed), [1, 2, 4], "two more");
    }
}
