//! Round robin: all partitions, topic by topic, go to the members in turn; who does not want a topic is passed
//! over.

use super::{Assignment, Counts, Member, give};

pub(super) fn assign(
    members: &[Member],
    counts: &Counts,
    mut assignment: Assignment,
) -> Assignment {
    let mut turn = members.iter().cycle();
    for (topic, count) in counts {
        if !members.iter().any(|it| it.topics.contains(topic)) {
            continue;
        }
        for partition in 0..*count {
            let reader = turn.find(|it| it.topics.contains(topic));
            let reader = reader.expect("somebody wants the topic, and the turn never ends");
            give(&mut assignment, &reader.id, (topic.clone(), partition));
        }
    }
    assignment
}

#[cfg(test)]
mod tests {
    use super::super::tests::{counts, members, shares};
    use super::*;

    #[test]
    fn partitions_go_to_members_in_turn_across_topics() {
        let counts = counts(&[("t", 3), ("u", 3)]);
        let empty = Assignment::new();

        let assignment = assign(&members(2, &["t", "u"]), &counts, empty);

        let expected = [vec!["t0", "t2", "u1"], vec!["t1", "u0", "u2"]];
        assert_eq!(shares(&assignment), expected);
    }

    #[test]
    fn who_does_not_want_a_topic_is_passed_over() {
        let mut two = members(2, &["t"]);
        two[1].topics.clear();

        let assignment = assign(&two, &counts(&[("t", 2)]), Assignment::new());

        assert_eq!(shares(&assignment), [vec!["t0", "t1"]]);
    }
}
