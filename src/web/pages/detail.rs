//! What is asked for the page of one broker or topic alone: its configs, and where partitions begin. One question
//! is asked once at a time, and its answer serves whoever asks the same within a moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use super::answer::Asked;
use super::survey::{Peer, configs, starts};
use super::view::Details;
use crate::metadata::image::MetadataImage;
use crate::protocol::Str;

/// How old an answer may be.
const FRESH: Duration = Duration::from_secs(2);
/// How many answers are kept.
const KEPT: usize = 64;
/// Kafka's numbers of resources that have configs.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// What a page asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detail {
    Topic(String),
    Broker(i32),
}

impl Detail {
    /// What the page needs that was asked for, of what there is.
    pub(super) fn of(asked: &Asked, image: &MetadataImage) -> Option<Self> {
        if asked.path.starts_with("/topics/") {
            image.topics().by_name(&asked.name)?;
            Some(Self::Topic(asked.name.clone()))
        } else if asked.path.starts_with("/brokers/") {
            Some(Self::Broker(asked.name.parse().ok()?))
        } else {
            None
        }
    }
}

type Answer = Arc<OnceCell<Arc<Details>>>;

/// Asks, and keeps answers for a moment.
#[derive(Default)]
pub(super) struct Detailer {
    answers: Mutex<BTreeMap<Detail, (Instant, Answer)>>,
}

impl Detailer {
    /// The answer to a question.
    pub(super) async fn ask(
        &self,
        detail: Detail,
        image: &MetadataImage,
        peers: &[Peer],
    ) -> Arc<Details> {
        let answer = self.place(&detail);
        let detail = &detail;
        let asking = || async move { Arc::new(ask(detail, image, peers).await) };
        Arc::clone(answer.get_or_init(asking).await)
    }

    /// Where the answer is, or will be.
    fn place(&self, detail: &Detail) -> Answer {
        let mut answers = self.answers.lock();
        answers.retain(|_, (since, _)| since.elapsed() < FRESH);
        while answers.len() >= KEPT {
            answers.pop_first();
        }
        let new = || (Instant::now(), Answer::default());
        let (_, answer) = answers.entry(detail.clone()).or_insert_with(new);
        Arc::clone(answer)
    }
}

async fn ask(detail: &Detail, image: &MetadataImage, peers: &[Peer]) -> Details {
    match detail {
        Detail::Broker(id) => Details {
            configs: match peers.iter().find(|peer| peer.id == *id) {
                Some(peer) => of_peer(peer, BROKER, &id.to_string()).await,
                None => Err("there is no such broker".to_owned()),
            },
            starts: BTreeMap::new(),
        },
        Detail::Topic(name) => {
            let any = peers.iter().find(|peer| peer.address.is_ok());
            let configs = async {
                match any {
                    Some(peer) => of_peer(peer, TOPIC, name).await,
                    None => Err("there is no broker to ask".to_owned()),
                }
            };
            let (configs, starts) = tokio::join!(configs, all_starts(name, image, peers));
            Details { configs, starts }
        }
    }
}

async fn of_peer(
    peer: &Peer,
    resource: i8,
    name: &str,
) -> Result<Vec<super::survey::Config>, String> {
    let address = peer.address.as_ref().map_err(Clone::clone)?;
    configs(address, resource, name).await
}

/// The first offsets of a topic's partitions, of those whose leaders answer.
async fn all_starts(name: &str, image: &MetadataImage, peers: &[Peer]) -> BTreeMap<i32, i64> {
    let Some(topic) = image.topics().by_name(name) else {
        return BTreeMap::new();
    };
    let mut asked = JoinSet::new();
    for peer in peers {
        let led = topic
            .partitions
            .iter()
            .filter(|it| it.1.leader.0 == peer.id);
        let led: Vec<i32> = led.map(|(index, _)| *index).collect();
        if let Ok(address) = &peer.address
            && !led.is_empty()
        {
            let (address, topic) = (address.clone(), Str::from(&topic.name));
            asked.spawn(async move { starts(&address, &topic, led).await });
        }
    }
    let mut found = BTreeMap::new();
    while let Some(joined) = asked.join_next().await {
        if let Ok(Ok(starts)) = joined {
            found.extend(starts);
        }
    }
    found
}
