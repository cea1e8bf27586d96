//! Partitions that are on their way to other brokers, and how far they are.

use serde::Serialize;

use super::Known;
use crate::metadata::image::PartitionImage;
use crate::model::BrokerId;

/// The moves that are under way.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct Moves {
    pub(in crate::web::pages) moves: Vec<MoveRow>,
    /// How many there are; the list has the first 1,000.
    pub(in crate::web::pages) moving: usize,
}

/// A partition that moves.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct MoveRow {
    pub(in crate::web::pages) topic: String,
    pub(in crate::web::pages) partition: i32,
    pub(in crate::web::pages) replicas: Vec<i32>,
    pub(in crate::web::pages) adding: Vec<i32>,
    pub(in crate::web::pages) removing: Vec<i32>,
    /// Bytes that the new replicas have, and that they will have: as many as the leader each.
    pub(in crate::web::pages) copied_bytes: Option<u64>,
    pub(in crate::web::pages) wanted_bytes: Option<u64>,
}

/// The most moves that are told of.
const MOST: usize = 1_000;

impl Moves {
    /// Those that the metadata names.
    pub(in crate::web::pages) fn of(known: &Known) -> Self {
        let mut moving = 0;
        let mut moves = Vec::new();
        for topic in known.image.topics().iter() {
            for (index, it) in topic.partitions.iter() {
                if it.adding.is_empty() && it.removing.is_empty() {
                    continue;
                }
                moving += 1;
                if moves.len() < MOST {
                    moves.push(row(known, (&topic.name, *index), it));
                }
            }
        }
        Self { moves, moving }
    }
}

fn row(known: &Known, (topic, index): (&str, i32), it: &PartitionImage) -> MoveRow {
    let ids = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect::<Vec<i32>>();
    let size = |id: &BrokerId| {
        let told = known.survey.brokers.get(&id.0)?;
        let log = told.logs.get(topic).and_then(|logs| logs.get(&index));
        // A broker that has told of its logs and not of this one has nothing of it yet.
        Some(log.map_or(0, |log| log.size))
    };
    let leader = size(&it.leader);
    let copied: Option<u64> = it
        .adding
        .iter()
        .map(|id| Some(size(id)?.min(leader?)))
        .sum();
    MoveRow {
        topic: topic.to_owned(),
        partition: index,
        replicas: ids(&it.replicas),
        adding: ids(&it.adding),
        removing: ids(&it.removing),
        copied_bytes: copied,
        wanted_bytes: leader.map(|size| size * it.adding.len() as u64),
    }
}
