//! `--generate`: proposes replicas for all partitions of some topics on some brokers, as a controller places those
//! of a new topic.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::sync::Arc;

use super::failure::Failure;
use super::placed;
use super::wanted::{Directories, Replicas, as_json, check_version};
use crate::cli::tools::java_order::{in_java_order, repeated};
use crate::cli::tools::partitions_file::PartitionsFile;
use crate::client::Cluster;
use crate::metadata::controller::{Entropy, place_on};
use crate::model::BrokerId;
use crate::protocol::Str;
use crate::protocol::messages::metadata::MetadataResponseBroker;

/// Brokers with their racks, sorted.
type Brokers = BTreeMap<BrokerId, Option<Arc<str>>>;

/// Prints the replicas that there are, and a proposal.
pub(super) async fn generate(
    cluster: &mut Cluster,
    text: &str,
    broker_list: &str,
    is_rack_aware: bool,
) -> Result<(), Failure> {
    let wanted = brokers(broker_list)?;
    let topics = topics(text)?;
    let there = placed::brokers(cluster).await?;
    let current = placed::of_topics(cluster, &topics).await?;
    let directories = placed::current_directories(cluster, &current).await?;
    let usable = usable(&there, &wanted, is_rack_aware)?;
    let proposed = propose(&current, &usable, &mut |bytes| {
        getrandom::fill(bytes).expect("the operating system has random bytes");
    })?;
    writeln!(
        io::stdout(),
        "Current partition replica assignment\n{}\n\nProposed partition reassignment configuration\n{}",
        as_json(&current, &directories),
        as_json(&proposed, &Directories::new())
    )?;
    Ok(())
}

/// The ids in a list, where empty ones at its end do not count.
fn brokers(list: &str) -> Result<BTreeSet<i32>, Failure> {
    let ids = match list.trim_end_matches(',') {
        "" if !list.is_empty() => Vec::new(),
        list => list.split(',').map(id).collect::<Result<_, _>>()?,
    };
    let twice = repeated(ids.iter().copied());
    if twice.is_empty() {
        return Ok(ids.into_iter().collect());
    }
    Err(Failure::Error(format!(
        "Broker list contains duplicate entries: {twice:?}"
    )))
}

fn id(text: &str) -> Result<i32, Failure> {
    let number = text.parse();
    number.map_err(|_| Failure::Error(format!("For input string: \"{text}\"")))
}

/// The topics that a file names.
fn topics(text: &str) -> Result<Vec<Str>, Failure> {
    let invalid = |_| Failure::Error("The input string is not a valid JSON".to_owned());
    let file = PartitionsFile::parse(text).map_err(invalid)?;
    check_version(&file)?;
    let entries = file.list("topics")?.unwrap_or_default();
    let names = entries.iter().map(|entry| entry.text("topic"));
    let names = names.map(|name| name.map(Str::copy_from));
    let names: Vec<Str> = names.collect::<Result<_, _>>()?;
    let twice = repeated(names.iter());
    if twice.is_empty() {
        return Ok(super::wanted::distinct(names.into_iter()));
    }
    let twice: Vec<&str> = twice.into_iter().map(|name| &**name).collect();
    Err(Failure::Error(format!(
        "List of topics to reassign contains duplicate entries: [{}]",
        twice.join(", ")
    )))
}

/// Those of the wanted brokers that are there.
fn usable(
    there: &[MetadataResponseBroker],
    wanted: &BTreeSet<i32>,
    is_rack_aware: bool,
) -> Result<Brokers, Failure> {
    let usable = there.iter().filter(|it| wanted.contains(&it.node_id));
    let usable = usable.map(|it| {
        let rack = it.rack.as_ref().filter(|_| is_rack_aware);
        (BrokerId(it.node_id), rack.map(Arc::from))
    });
    let usable: Brokers = usable.collect();
    let rackless = usable.values().filter(|rack| rack.is_none()).count();
    if is_rack_aware && rackless != 0 && rackless != usable.len() {
        return Err(Failure::Error(
            "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica \
             assignment without rack information."
                .to_owned(),
        ));
    }
    Ok(usable)
}

/// Replicas on these brokers, for as many partitions of each topic as there are. Where these have more or fewer
/// replicas than others, one of them counts: the first in the order of Java's hash maps.
fn propose(
    current: &Replicas,
    usable: &Brokers,
    entropy: Entropy<'_>,
) -> Result<Replicas, Failure> {
    let mut topics: BTreeMap<&Str, (usize, usize)> = BTreeMap::new();
    for key in in_java_order(current.keys()) {
        let factor = current[key].len();
        let (partitions, _) = topics.entry(&key.0).or_insert((0, factor));
        *partitions += 1;
    }
    let mut proposed = Replicas::new();
    for (topic, (partitions, factor)) in topics {
        let factor = i16::try_from(factor).unwrap_or(i16::MAX);
        let brokers = usable.iter().map(|(id, rack)| (*id, rack.clone()));
        let placed = place_on(brokers, partitions, factor, entropy);
        let placed = placed.map_err(|refusal| {
            let code = refusal.code;
            Failure::Error(refusal.message.unwrap_or_else(|| code.message().to_owned()))
        })?;
        for (partition, replicas) in (0..).zip(placed) {
            let ids = replicas.into_iter().map(|id| id.0).collect();
            proposed.insert((topic.clone(), partition), ids);
        }
    }
    Ok(proposed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused<T: std::fmt::Debug>(outcome: Result<T, Failure>) -> String {
        match outcome {
            Err(Failure::Error(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    /// Random bytes from a seed.
    fn dice(mut seed: u64) -> impl FnMut(&mut [u8]) {
        move |bytes| {
            for byte in bytes {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *byte = (seed >> 56) as u8;
            }
        }
    }

    /// As many brokers in each rack, with ids from 1 on; one number stands for brokers without racks.
    fn racks(sizes: &[usize]) -> Brokers {
        let mut brokers = Brokers::new();
        for (rack, size) in sizes.iter().enumerate() {
            let name = (sizes.len() > 1).then(|| Arc::from(format!("rack {rack}")));
            for _ in 0..*size {
                let id = i32::try_from(brokers.len() + 1).expect("few brokers");
                brokers.insert(BrokerId(id), name.clone());
            }
        }
        brokers
    }

    fn topic(partitions: i32, factor: i32) -> Replicas {
        let replicas: Vec<i32> = (100..100 + factor).collect();
        let partitions = (0..partitions).map(|it| ((Str::from_static("t"), it), replicas.clone()));
        partitions.collect()
    }

    /// By how many the most frequent of these values comes more often than the least frequent.
    fn spread<T: Ord>(all: impl Iterator<Item = T>, values: impl Iterator<Item = T>) -> usize {
        let mut counts: BTreeMap<T, usize> = all.map(|value| (value, 0)).collect();
        for value in values {
            *counts.entry(value).or_default() += 1;
        }
        let most = counts.values().max().copied().unwrap_or_default();
        most - counts.values().min().copied().unwrap_or_default()
    }

    proptest! {
        #[test]
        fn a_proposal_has_all_partitions_each_on_distinct_brokers_of_the_list(
            sizes in proptest::collection::vec(1usize..5, 1..5),
            partitions in 1i32..40,
            factor in 1i32..6,
            seed: u64,
        ) {
            let usable = racks(&sizes);
            let current = topic(partitions, factor);
            let proposed = propose(&current, &usable, &mut dice(seed));
            if usize::try_from(factor).expect("positive") > usable.len() {
                let expected = format!(
                    "The target replication factor of {factor} cannot be reached because only {} broker(s) are \
                     registered or some brokers have all their log directories cordoned.",
                    usable.len()
                );
                prop_assert_eq!(refused(proposed), expected);
                return Ok(());
            }
            let proposed = proposed.expect("there are brokers enough");
            prop_assert!(proposed.keys().eq(current.keys()));
            for ids in proposed.values() {
                let distinct: BTreeSet<&i32> = ids.iter().collect();
                prop_assert_eq!(distinct.len(), usize::try_from(factor).expect("positive"));
                prop_assert!(ids.iter().all(|id| usable.contains_key(&BrokerId(*id))));
            }
        }

        #[test]
        fn the_replicas_of_a_partition_are_in_as_many_racks_as_there_can_be(
            sizes in proptest::collection::vec(1usize..5, 2..5),
            partitions in 1i32..40,
            factor in 1i32..6,
            seed: u64,
        ) {
            let usable = racks(&sizes);
            prop_assume!(usize::try_from(factor).expect("positive") <= usable.len());
            let proposed = propose(&topic(partitions, factor), &usable, &mut dice(seed));
            for ids in proposed.expect("there are brokers enough").values() {
                let racks: BTreeSet<&Option<Arc<str>>> =
                    ids.iter().map(|id| &usable[&BrokerId(*id)]).collect();
                let most = sizes.len().min(ids.len());
                prop_assert_eq!(racks.len(), most, "{:?}", ids);
            }
        }

        #[test]
        fn leaders_and_replicas_are_even_over_brokers(
            count in 1usize..8,
            rounds in 1usize..4,
            factor in 1i32..5,
            seed: u64,
        ) {
            let usable = racks(&[count]);
            prop_assume!(usize::try_from(factor).expect("positive") <= count);
            let partitions = i32::try_from(count * rounds).expect("few");
            let proposed = propose(&topic(partitions, factor), &usable, &mut dice(seed));
            let proposed = proposed.expect("there are brokers enough");
            let all = || usable.keys().map(|id| id.0);
            prop_assert_eq!(spread(all(), proposed.values().map(|ids| ids[0])), 0);
            prop_assert_eq!(spread(all(), proposed.values().flatten().copied()), 0);
        }

        // Once each broker has led, racks and brokers are shuffled, and a rack may be passed over.
        #[test]
        fn leaders_and_replicas_are_even_over_racks_of_one_size_until_each_broker_has_led(
            rack_count in 2usize..5,
            size in 1usize..4,
            factor in 1i32..5,
            seed: u64,
        ) {
            let usable = racks(&vec![size; rack_count]);
            prop_assume!(usize::try_from(factor).expect("positive") <= usable.len());
            let partitions = i32::try_from(usable.len()).expect("few");
            let proposed = propose(&topic(partitions, factor), &usable, &mut dice(seed));
            let proposed = proposed.expect("there are brokers enough");
            let rack = |id: &i32| &usable[&BrokerId(*id)];
            let leaders = proposed.values().map(|ids| rack(&ids[0]));
            prop_assert_eq!(spread(usable.values(), leaders), 0);
            let replicas = proposed.values().flatten().map(rack);
            prop_assert_eq!(spread(usable.values(), replicas), 0);
        }
    }

    #[test]
    fn topics_keep_their_own_numbers_of_replicas() {
        let mut current = topic(3, 1);
        current.insert((Str::from_static("other"), 0), vec![7, 8]);

        let proposed = propose(&current, &racks(&[4]), &mut dice(1)).expect("there are four");

        let counts: Vec<usize> = proposed.values().map(Vec::len).collect();
        assert_eq!(counts, [2, 1, 1, 1]);
    }

    #[test]
    fn a_list_of_brokers_has_numbers_each_once() {
        let list = |text: &str| brokers(text).map(|ids| ids.into_iter().collect::<Vec<i32>>());

        assert_eq!(list("3,1,,").expect("numbers"), [1, 3]);
        assert!(list(",").expect("none").is_empty());
        assert_eq!(refused(list("")), "For input string: \"\"");
        assert_eq!(refused(list("1,,2")), "For input string: \"\"");
        assert_eq!(refused(list("1, 2")), "For input string: \" 2\"");
        assert_eq!(
            refused(list("2,1,2,1,3")),
            "Broker list contains duplicate entries: [1, 2]"
        );
    }

    #[test]
    fn a_file_names_topics_each_once() {
        let file = r#"{"topics": [{"topic": "foo"}, {"topic": "a"}], "version": 1}"#;

        assert_eq!(topics(file).expect("topics"), ["a", "foo"]);
        assert_eq!(
            refused(topics(r#"{"topics": [{"topic": "a"}, {"topic": "a"}]}"#)),
            "List of topics to reassign contains duplicate entries: [a]"
        );
        assert_eq!(refused(topics("x")), "The input string is not a valid JSON");
        assert!(topics("{}").expect("none").is_empty());
    }

    #[test]
    fn racks_count_only_where_all_brokers_have_one() {
        let broker = |node_id, rack: Option<&'static str>| MetadataResponseBroker {
            node_id,
            rack: rack.map(Str::from_static),
            ..MetadataResponseBroker::default()
        };
        let there = [broker(1, Some("a")), broker(2, None), broker(3, Some("b"))];

        let all = BTreeSet::from([1, 2, 3]);
        assert!(refused(usable(&there, &all, true)).starts_with("Not all brokers have rack"));
        let without = usable(&there, &all, false).expect("racks don't count");
        assert!(without.values().all(Option::is_none));
        let some = BTreeSet::from([3, 1, 9]);
        let some = usable(&there, &some, true).expect("both have one");
        assert_eq!(some.len(), 2);
    }
}
