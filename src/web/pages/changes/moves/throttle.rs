//! The limits of moves: configs of the brokers that send and take, and of the topics, which name the replicas.

use std::collections::{BTreeMap, BTreeSet};

use super::super::asking::{BROKER, TOPIC, alter_configs, config};
use super::super::{Fault, Outcome, Task};
use super::plan::Move;
use crate::metadata::image::{PartitionImage, ResourceKind};

const RATES: [&str; 2] = [
    "leader.replication.throttled.rate",
    "follower.replication.throttled.rate",
];
const LEADERS: &str = "leader.replication.throttled.replicas";
const FOLLOWERS: &str = "follower.replication.throttled.replicas";

/// Replicas that are held back, as `partition:broker`, and their brokers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Limited {
    leaders: BTreeSet<String>,
    followers: BTreeSet<String>,
    brokers: BTreeSet<i32>,
}

impl Limited {
    fn add(&mut self, partition: i32, from: &[i32], to: &[i32]) {
        let named = |id: &i32| format!("{partition}:{id}");
        self.leaders.extend(from.iter().map(named));
        let new = to.iter().filter(|id| !from.contains(id));
        self.followers.extend(new.clone().map(named));
        self.brokers.extend(from.iter().chain(new));
    }

    /// What is under way already goes on with the limit.
    fn add_moving(&mut self, partition: i32, it: &PartitionImage) {
        if !it.adding.is_empty() {
            let stay = it.replicas.iter().filter(|id| !it.adding.contains(id));
            let from: Vec<i32> = stay.map(|id| id.0).collect();
            let to: Vec<i32> = it.adding.iter().map(|id| id.0).collect();
            self.add(partition, &from, &to);
        }
    }
}

/// Limits what these moves take to so many bytes a second.
pub(super) async fn set(task: &mut Task, moves: &[Move], rate: i64) -> Result<(), Fault> {
    let mut topics: BTreeMap<&str, Limited> = BTreeMap::new();
    for it in moves {
        let limited = topics.entry(&it.topic).or_default();
        limited.add(it.partition, &it.now, &it.then);
    }
    let mut brokers = BTreeSet::new();
    for (name, mut limited) in topics {
        let topic = task.known.image.topics().by_name(name);
        for (index, it) in topic.into_iter().flat_map(|it| it.partitions.iter()) {
            limited.add_moving(*index, it);
        }
        let joined = |all: BTreeSet<String>| all.into_iter().collect::<Vec<_>>().join(",");
        let configs = vec![
            config(LEADERS, Some(&joined(limited.leaders))),
            config(FOLLOWERS, Some(&joined(limited.followers))),
        ];
        alter_configs(&mut task.cluster, (TOPIC, name), configs).await?;
        brokers.extend(limited.brokers);
    }
    let rate = rate.to_string();
    for id in brokers {
        let configs = RATES.map(|name| config(name, Some(&rate)));
        alter_configs(
            &mut task.cluster,
            (BROKER, &id.to_string()),
            configs.to_vec(),
        )
        .await?;
    }
    Ok(())
}

/// Ends all limits that somebody has set.
pub(super) async fn end(mut task: Task) -> Result<Outcome, Fault> {
    let image = &task.known.image;
    let configs = image.configs();
    let limited = |kind, name: &str, keys: [&'static str; 2]| {
        let set = keys
            .into_iter()
            .filter(|key| configs.get(kind, name, key).is_some());
        set.map(|key| config(key, None)).collect::<Vec<_>>()
    };
    let brokers = image.brokers().iter().map(|it| it.id.0.to_string());
    let brokers = brokers.map(|id| (BROKER, limited(ResourceKind::Broker, &id, RATES), id));
    let topics = image.topics().iter().map(|it| it.name.to_string());
    let topics = topics.map(|name| {
        let set = limited(ResourceKind::Topic, &name, [LEADERS, FOLLOWERS]);
        (TOPIC, set, name)
    });
    let all = brokers.chain(topics).filter(|(_, set, _)| !set.is_empty());
    let all: Vec<_> = all.collect();
    let count = all.len();
    for (kind, set, name) in all {
        alter_configs(&mut task.cluster, (kind, &name), set).await?;
    }
    let sentence = match count {
        0 => "There were no limits.",
        _ => "The limits of moves are ended.",
    };
    Ok(Outcome::done(sentence.to_owned(), super::PLACE.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_have_it_are_limited_as_leaders_and_those_that_get_it_as_followers() {
        let mut limited = Limited::default();
        limited.add(0, &[1, 2], &[2, 4]);
        limited.add(11, &[3, 1], &[1, 3]);

        let texts = |all: &[&str]| {
            all.iter()
                .map(|it| (*it).to_owned())
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(limited.leaders, texts(&["0:1", "0:2", "11:1", "11:3"]));
        assert_eq!(limited.followers, texts(&["0:4"]));
        assert_eq!(limited.brokers, BTreeSet::from([1, 2, 3, 4]));
    }
}
