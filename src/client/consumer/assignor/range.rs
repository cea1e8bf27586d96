//! Range: of each topic the members that want it get one range of partitions each, the first ones one more if it
//! does not come out even.

use super::{Assignment, Counts, Member, give};

pub(super) fn assign(
    members: &[Member],
    counts: &Counts,
    mut assignment: Assignment,
) -> Assignment {
    for (topic, count) in counts {
        let readers = members.iter().filter(|it| it.topics.contains(topic));
        let readers: Vec<&Member> = readers.collect();
        let Ok(reader_count) = i32::try_from(readers.len()) else {
            continue;
        };
        let mut next = 0;
        for (index, reader) in (0..).zip(readers) {
            let extra = i32::from(index < count % reader_count);
            let end = next + count / reader_count + extra;
            for partition in next..end {
                give(&mut assignment, &reader.id, (topic.clone(), partition));
            }
            next = end;
        }
    }
    assignment
}

#[cfg(test)]
mod tests {
    use super::super::tests::{counts, members, shares};
    use super::*;

    #[test]
    fn each_topic_is_cut_into_ranges() {
        let counts = counts(&[("t", 3), ("u", 2)]);
        let empty = Assignment::new();

        let assignment = assign(&members(2, &["t", "u"]), &counts, empty);

        assert_eq!(
            shares(&assignment),
            [vec!["t0", "t1", "u0"], vec!["t2", "u1"]]
        );
    }
}
