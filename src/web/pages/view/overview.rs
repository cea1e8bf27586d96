//! The cluster at a glance.

use serde::Serialize;

use super::Known;
use super::partitions::PartitionCounts;
use super::verdict::{Facts, QuorumFacts, Verdict};
use crate::web::pages::survey::{Directory, Quorum};

/// A voter that was not heard of for so long does not follow, in milliseconds.
const SILENCE_MS: i64 = 10_000;

/// The quorum counts as silent when it has not answered so many times in a row.
const SILENCES: u32 = 2;

/// The cluster at a glance.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct Overview {
    pub(in crate::web::pages) verdict: Verdict,
    pub(in crate::web::pages) cluster_id: String,
    pub(in crate::web::pages) brokers: usize,
    pub(in crate::web::pages) brokers_serving: usize,
    /// The active controller.
    pub(in crate::web::pages) controller: Option<i32>,
    pub(in crate::web::pages) metadata_version: String,
    pub(in crate::web::pages) topics: usize,
    #[serde(flatten)]
    pub(in crate::web::pages) partitions: PartitionCounts,
    pub(in crate::web::pages) groups: usize,
    /// Records that all groups together have yet to read.
    pub(in crate::web::pages) lag: i64,
    /// Records a second that are written to all topics.
    pub(in crate::web::pages) records_per_second: Option<f64>,
    /// Bytes of all logs of brokers that have answered.
    pub(in crate::web::pages) bytes: u64,
}

impl Overview {
    /// Of what is known.
    pub(in crate::web::pages) fn of(known: &Known) -> Self {
        let facts = facts(known);
        let survey = &known.survey;
        let quorum = survey.quorum.as_ref().and_then(|it| it.as_ref().ok());
        let directories = survey.brokers.values().flat_map(|it| &it.directories);
        let groups = || survey.brokers.values().flat_map(|it| &it.groups);
        let committed = groups().flat_map(|group| &group.committed);
        let lags = committed.filter_map(|(key, it)| known.lag(key, it.offset));
        let left_out: usize = survey.brokers.values().map(|it| it.groups_left_out).sum();
        let has_rates = !survey.rates.is_empty();
        Self {
            verdict: facts.judge(),
            cluster_id: known.cluster_id.clone(),
            brokers: known.image.brokers().len(),
            brokers_serving: facts.serving,
            controller: quorum.and_then(|it| it.leader),
            metadata_version: known.image.metadata_version().to_string(),
            topics: known.image.topics().len(),
            partitions: facts.partitions,
            groups: groups().count() + left_out,
            lag: lags.sum(),
            records_per_second: has_rates.then(|| survey.rates.values().sum()),
            bytes: directories.map(|it| it.logs).sum(),
        }
    }
}

fn facts(known: &Known) -> Facts {
    let mut facts = Facts::default();
    for topic in known.image.topics().iter() {
        let min_isr = known.min_isr(topic);
        for (_, partition) in topic.partitions.iter() {
            facts.partitions += PartitionCounts::of(partition, min_isr);
        }
    }
    for broker in known.image.brokers().iter() {
        let id = broker.id.0;
        let told = known.survey.brokers.get(&id);
        if broker.fenced {
            facts.fenced.push(id);
            continue;
        }
        facts.serving += 1;
        if known.is_drained(id) {
            facts.draining.push(id);
        }
        if told.is_some_and(|told| told.trouble.is_some()) {
            facts.silent.push(id);
        }
        for directory in told.into_iter().flat_map(|told| &told.directories) {
            let place = (id, directory.path.clone());
            if directory.error.is_some() {
                facts.failed_directories.push(place);
            } else if is_full(directory) {
                facts.full_disks.push(place);
            }
        }
    }
    facts.quorum = match &known.survey.quorum {
        None => QuorumFacts::Unknown,
        // Once it may have been busy.
        Some(Err(_)) if known.survey.quorum_silences < SILENCES => QuorumFacts::Unknown,
        Some(Err(why)) => QuorumFacts::Silent(why.clone()),
        Some(Ok(quorum)) if quorum.leader.is_none() => QuorumFacts::Leaderless,
        Some(Ok(quorum)) => QuorumFacts::Led {
            lagging: lagging(quorum, known.now_ms),
            voters: quorum.voters.len(),
        },
    };
    let groups = known.survey.brokers.values().flat_map(|it| &it.groups);
    facts.dead_groups = groups.filter(|it| &*it.state == "Dead").count();
    facts
}

fn is_full(directory: &Directory) -> bool {
    let (total, free) = (directory.total, directory.free);
    total
        .zip(free)
        .is_some_and(|(total, free)| free < total / 10)
}

/// The voters that the leader has not heard of for a while.
pub(in crate::web::pages) fn lagging(quorum: &Quorum, now_ms: i64) -> Vec<i32> {
    let is_silent = |last_ms: i64| now_ms - last_ms > SILENCE_MS;
    let others = quorum.voters.iter();
    let others = others.filter(|it| Some(it.id) != quorum.leader);
    others
        .filter(|it| is_silent(it.last_fetch_ms))
        .map(|it| it.id)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::pages::survey::Voter;

    #[test]
    fn a_voter_that_was_not_heard_of_for_long_lags_and_the_leader_never_does() {
        let voter = |id, last_fetch_ms| Voter {
            id,
            end: 1,
            last_fetch_ms,
            last_caught_up_ms: last_fetch_ms,
        };
        let now = 100_000;
        let quorum = Quorum {
            leader: Some(1),
            voters: vec![voter(1, -1), voter(2, now - 500), voter(3, -1)],
            ..Quorum::default()
        };

        assert_eq!(lagging(&quorum, now), [3]);
    }
}
