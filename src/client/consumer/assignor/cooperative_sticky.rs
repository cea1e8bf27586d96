//! Cooperative sticky: members keep what they read as far as that is even. A partition that changes hands goes
//! to nobody until its reader has given it up, which takes a second round (KIP-429).

use std::collections::BTreeMap;

use super::{Assignment, Counts, Member, PartitionKey, give};
use crate::protocol::Str;

/// Who reads which partition now, by what the members tell.
type Owners<'a> = BTreeMap<PartitionKey, &'a Member>;

pub(super) fn assign(
    members: &[Member],
    counts: &Counts,
    mut assignment: Assignment,
) -> Assignment {
    let owners = owners(members);
    let all = counts.iter().flat_map(|(topic, count)| {
        let partitions = 0..*count;
        partitions.map(|partition| (topic.clone(), partition))
    });
    let (kept, free): (Vec<_>, Vec<_>) = all.partition(|key| owners.contains_key(key));
    // First what is kept: it says who reads the least.
    for key in kept {
        let owner = owners[&key].id.clone();
        give(&mut assignment, &owner, key);
    }
    for key in free {
        if let Some(reader) = least_busy(members, &key.0, &assignment) {
            give(&mut assignment, &reader.clone(), key);
        }
    }
    balance(members, &mut assignment);
    withhold(&owners, &mut assignment);
    assignment
}

/// Of two who claim a partition, the one of the later generation reads it; of the same generation neither does.
fn owners(members: &[Member]) -> Owners<'_> {
    let mut claims: BTreeMap<PartitionKey, Vec<&Member>> = BTreeMap::new();
    for member in members {
        for key in member
            .owned
            .iter()
            .filter(|key| member.topics.contains(&key.0))
        {
            claims.entry(key.clone()).or_default().push(member);
        }
    }
    let owners = claims.into_iter().filter_map(|(key, claimants)| {
        let latest = claimants.iter().map(|it| it.generation).max()?;
        let mut latest = claimants.into_iter().filter(|it| it.generation == latest);
        match (latest.next(), latest.next()) {
            (Some(owner), None) => Some((key, owner)),
            _ => None,
        }
    });
    owners.collect()
}

fn load(assignment: &Assignment, member: &Str) -> usize {
    assignment.get(member).map_or(0, |keys| keys.len())
}

/// Who reads the least of those who want a topic.
fn least_busy<'a>(members: &'a [Member], topic: &Str, assignment: &Assignment) -> Option<&'a Str> {
    let readers = members.iter().filter(|it| it.topics.contains(topic));
    readers
        .map(|it| &it.id)
        .min_by_key(|id| load(assignment, id))
}

/// Moves partitions from who reads more to who reads less, until no move makes it more even.
fn balance(members: &[Member], assignment: &mut Assignment) {
    while let Some((from, to, key)) = next_move(members, assignment) {
        if let Some(keys) = assignment.get_mut(&from) {
            keys.remove(&key);
        }
        give(assignment, &to, key);
    }
}

/// A move from the member with the most partitions for which there is one.
fn next_move(members: &[Member], assignment: &Assignment) -> Option<(Str, Str, PartitionKey)> {
    let mut busiest: Vec<&Member> = members.iter().collect();
    busiest.sort_by_key(|it| std::cmp::Reverse(load(assignment, &it.id)));
    busiest.into_iter().find_map(|from| {
        let most = load(assignment, &from.id);
        let keys = assignment.get(&from.id)?;
        // The last partitions go first: what is kept are the first ones, as in a range.
        keys.iter().rev().find_map(|key| {
            let to = least_busy(members, &key.0, assignment)?;
            let is_better = load(assignment, to) + 1 < most;
            is_better.then(|| (from.id.clone(), to.clone(), key.clone()))
        })
    })
}

/// Takes what another member still reads out of an assignment.
fn withhold(owners: &Owners<'_>, assignment: &mut Assignment) {
    for (member, keys) in assignment.iter_mut() {
        keys.retain(|key| owners.get(key).is_none_or(|owner| owner.id == *member));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{counts, members, shares};
    use super::*;

    fn own(member: &mut Member, generation: i32, partitions: &[i32]) {
        member.generation = generation;
        let owned = partitions
            .iter()
            .map(|index| (Str::from_static("t"), *index));
        member.owned = owned.collect();
    }

    fn assigned(members: &[Member], partitions: i32) -> Vec<Vec<String>> {
        let empty = members.iter().map(|it| (it.id.clone(), Default::default()));
        shares(&assign(
            members,
            &counts(&[("t", partitions)]),
            empty.collect(),
        ))
    }

    #[test]
    fn what_changes_hands_is_withheld_for_a_round() {
        let mut two = members(2, &["t"]);
        own(&mut two[0], 1, &[0, 1, 2, 3]);

        assert_eq!(assigned(&two, 4), [vec!["t0", "t1"], vec![]]);

        own(&mut two[0], 2, &[0, 1]);
        own(&mut two[1], 2, &[]);
        assert_eq!(assigned(&two, 4), [vec!["t0", "t1"], vec!["t2", "t3"]]);
    }

    #[test]
    fn members_keep_what_they_read_when_another_leaves() {
        let mut two = members(2, &["t"]);
        own(&mut two[0], 3, &[1]);
        own(&mut two[1], 3, &[4, 5]);

        let shares = assigned(&two, 6);

        assert!(shares[0].contains(&"t1".to_owned()) && shares[0].len() == 3);
        assert_eq!(shares[1][1..], ["t4", "t5"]);
    }

    #[test]
    fn a_claim_of_an_earlier_generation_counts_for_nothing() {
        let mut two = members(2, &["t"]);
        own(&mut two[0], 1, &[0]);
        own(&mut two[1], 2, &[0]);

        assert_eq!(assigned(&two, 1), [vec![], vec!["t0".to_owned()]]);
    }

    #[test]
    fn who_wants_no_topic_gets_none() {
        let mut two = members(2, &["t"]);
        two[0].topics.clear();

        assert_eq!(assigned(&two, 2), [vec![], vec!["t0", "t1"]]);
    }
}
