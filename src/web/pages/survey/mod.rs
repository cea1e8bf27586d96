//! What the brokers of the cluster tell of themselves: their disks, groups, and the ends of what they lead. All are
//! asked at the same time, only while somebody looks, once however many look, and none may take long. Who does
//! not answer is told as such.

mod ask;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

pub(super) use ask::{
    Config, ConfigSource, Directory, Ends, Group, Member, Quorum, Told, Voter, configs, quorum,
    starts,
};

use crate::metadata::image::MetadataImage;
use crate::protocol::Str;

/// How old a survey may be that is shown as it is.
const FRESH: Duration = Duration::from_millis(1_500);
/// How old one may be that is shown while the next is made.
const STALE: Duration = Duration::from_secs(30);
/// How long a page waits where there is none: a broker has less to answer.
const LONGEST_WAIT: Duration = Duration::from_millis(2_500);
/// How many times as long as a survey takes it rests at least: brokers have other things to do.
const REST: u32 = 5;

/// Where a broker listens.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) id: i32,
    /// `host:port`, or why there is none.
    pub(super) address: Result<String, String>,
}

/// What all brokers have told.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// By the broker's id. A broker that is not here was not asked.
    pub(super) brokers: BTreeMap<i32, Told>,
    /// The metadata quorum.
    pub(super) quorum: Option<Result<Quorum, String>>,
    /// How often in a row it has not answered.
    pub(super) quorum_silences: u32,
    /// The ends of partitions, as their leaders have them.
    pub(super) ends: Ends,
    /// Records a second that were written to each topic lately, where that is known.
    pub(super) rates: BTreeMap<Str, f64>,
}

/// Makes surveys when they are wanted.
#[derive(Default)]
pub(super) struct Surveyor {
    last: ArcSwapOption<Made>,
    making: Mutex<()>,
}

struct Made {
    survey: Arc<Survey>,
    at: Instant,
    took: Duration,
}

impl Surveyor {
    /// What is known; a moment old, or from the last time that somebody looked while that is no long ago.
    pub(super) async fn latest(
        self: &Arc<Self>,
        image: &Arc<MetadataImage>,
        peers: Vec<Peer>,
    ) -> Arc<Survey> {
        let last = self.last.load_full();
        let age = last.as_ref().map(|last| last.at.elapsed());
        let rest = last.as_ref().map_or(FRESH, |it| FRESH.max(it.took * REST));
        if let (Some(last), Some(age)) = (&last, age)
            && age < rest
        {
            return Arc::clone(&last.survey);
        }
        let (this, image) = (Arc::clone(self), Arc::clone(image));
        // It goes on if who wanted it is gone: the next finds it.
        let make = async move { this.make(&image, peers).await };
        if let (Some(last), Some(age)) = (&last, age)
            && age < STALE
        {
            // However many look meanwhile, they start no more than one.
            if self.making.try_lock().is_ok() {
                tokio::spawn(make);
            }
            return Arc::clone(&last.survey);
        }
        let making = tokio::spawn(make);
        let _ = tokio::time::timeout(LONGEST_WAIT, making).await;
        let made = self.last.load_full();
        made.map_or_else(Arc::default, |made| Arc::clone(&made.survey))
    }

    async fn make(&self, image: &Arc<MetadataImage>, peers: Vec<Peer>) {
        let wanted = Instant::now();
        let _alone = self.making.lock().await;
        let last = self.last.load_full();
        if last.as_ref().is_some_and(|last| last.at >= wanted) {
            return;
        }
        let began = Instant::now();
        let mut survey = ask_all(image, peers).await;
        let before = last.as_ref().map_or(0, |it| it.survey.quorum_silences);
        survey.quorum_silences = silences(before, &survey);
        if let Some(last) = last {
            survey.rates = rates(&last.survey.ends, &survey.ends, last.at.elapsed());
        }
        self.last.store(Some(Arc::new(Made {
            survey: Arc::new(survey),
            at: Instant::now(),
            took: began.elapsed(),
        })));
    }
}

async fn ask_all(image: &Arc<MetadataImage>, peers: Vec<Peer>) -> Survey {
    let mut asked = JoinSet::new();
    let mut survey = Survey::default();
    let first = peers.iter().find_map(|peer| peer.address.clone().ok());
    for peer in peers {
        let image = Arc::clone(image);
        asked.spawn(async move { (peer.id, ask::broker(&image, &peer).await) });
    }
    let quorum = async {
        match first {
            Some(address) => Some(quorum(&address).await),
            None => None,
        }
    };
    survey.quorum = quorum.await;
    while let Some(joined) = asked.join_next().await {
        if let Ok((id, mut told)) = joined {
            for (topic, ends) in std::mem::take(&mut told.ends) {
                survey.ends.entry(topic).or_default().extend(ends);
            }
            survey.brokers.insert(id, told);
        }
    }
    survey
}

/// How often in a row the quorum has not answered, of which `before` were before this survey.
fn silences(before: u32, survey: &Survey) -> u32 {
    match &survey.quorum {
        Some(Err(_)) => before.saturating_add(1),
        _ => 0,
    }
}

/// How many records a second came between two looks, of partitions that are in both.
fn rates(before: &Ends, now: &Ends, passed: Duration) -> BTreeMap<Str, f64> {
    let mut rates = BTreeMap::new();
    for (topic, ends) in now {
        let Some(before) = before.get(topic) else {
            continue;
        };
        let grown = ends.iter().filter_map(|(partition, end)| {
            let grown = end - before.get(partition)?;
            Some(grown.max(0))
        });
        let grown: i64 = grown.sum();
        rates.insert(
            topic.clone(),
            grown as f64 / passed.as_secs_f64().max(0.001),
        );
    }
    rates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silences_in_a_row_count() {
        let survey = |quorum| Survey {
            quorum,
            ..Survey::default()
        };
        let silent = survey(Some(Err("no answer".to_owned())));

        assert_eq!(silences(0, &silent), 1);
        assert_eq!(silences(1, &silent), 2);
        assert_eq!(silences(2, &survey(Some(Ok(Quorum::default())))), 0);
        assert_eq!(silences(2, &survey(None)), 0);
    }

    #[test]
    fn a_rate_counts_partitions_that_were_seen_twice_and_none_that_shrank() {
        let ends = |pairs: &[(i32, i64)]| {
            let of_topic = pairs.iter().copied().collect();
            Ends::from([(Str::from("t"), of_topic)])
        };
        let (before, now) = (
            ends(&[(0, 10), (1, 50), (2, 5)]),
            ends(&[(0, 30), (1, 20), (3, 900)]),
        );

        let rates = rates(&before, &now, Duration::from_secs(2));

        assert_eq!(rates.get("t"), Some(&10.0));
    }
}
