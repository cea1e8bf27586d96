//! The metadata quorum.

use serde::Serialize;

use super::Known;
use super::overview::lagging;
use crate::web::pages::survey::Voter;

/// The metadata quorum.
#[derive(Debug, Default, Serialize)]
pub(in crate::web::pages) struct QuorumView {
    pub(in crate::web::pages) leader: Option<i32>,
    pub(in crate::web::pages) epoch: Option<i32>,
    pub(in crate::web::pages) high_watermark: Option<i64>,
    pub(in crate::web::pages) replicas: Vec<QuorumRow>,
    /// Why nothing is known.
    pub(in crate::web::pages) trouble: Option<String>,
}

/// A replica of the metadata log.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct QuorumRow {
    pub(in crate::web::pages) id: i32,
    pub(in crate::web::pages) is_voter: bool,
    pub(in crate::web::pages) is_leader: bool,
    /// Whether the leader has heard of it lately.
    pub(in crate::web::pages) follows: bool,
    /// The end of its log, where the leader knows it.
    pub(in crate::web::pages) end: Option<i64>,
    /// Records that it lacks.
    pub(in crate::web::pages) lag: Option<i64>,
    /// Milliseconds since the leader has last heard of it, and since it had everything.
    pub(in crate::web::pages) last_fetch_ms_ago: Option<i64>,
    pub(in crate::web::pages) last_caught_up_ms_ago: Option<i64>,
}

impl QuorumView {
    /// Of what is known.
    pub(in crate::web::pages) fn of(known: &Known) -> Self {
        let quorum = match &known.survey.quorum {
            Some(Ok(quorum)) => quorum,
            other => {
                let why = match other {
                    Some(Err(why)) => why.clone(),
                    _ => "no broker has answered".to_owned(),
                };
                return Self {
                    trouble: Some(why),
                    ..Self::default()
                };
            }
        };
        let all = || quorum.voters.iter().chain(&quorum.observers);
        let leader = quorum.leader;
        let of_leader = all().find(|it| Some(it.id) == leader);
        let end = of_leader.map_or(quorum.high_watermark, |it| it.end);
        let behind = lagging(quorum, known.now_ms);
        let ago = |at: i64| (at >= 0).then(|| (known.now_ms - at).max(0));
        let row = |it: &Voter, is_voter: bool| QuorumRow {
            id: it.id,
            is_voter,
            is_leader: Some(it.id) == leader,
            follows: !behind.contains(&it.id),
            end: Some(it.end).filter(|end| *end >= 0),
            lag: (it.end >= 0).then(|| (end - it.end).max(0)),
            last_fetch_ms_ago: ago(it.last_fetch_ms),
            last_caught_up_ms_ago: ago(it.last_caught_up_ms),
        };
        let voters = quorum.voters.iter().map(|it| row(it, true));
        let observers = quorum.observers.iter().map(|it| row(it, false));
        Self {
            leader,
            epoch: Some(quorum.epoch),
            high_watermark: Some(quorum.high_watermark),
            replicas: voters.chain(observers).collect(),
            trouble: None,
        }
    }
}
