//! Voters that say that they belong to another cluster than this node.
//!
//! One of them is wrong about itself, and no reason to stop. Where so many are that the others make no
//! majority, this node will never be part of one: it is this node whose cluster id is wrong. But once a voter
//! has answered it as one of its cluster, the id is right, whoever has that voter's address later.

use std::collections::BTreeSet;

use crate::model::BrokerId;

/// The voters of another cluster, as their last answers have it.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    of_others: BTreeSet<BrokerId>,
    /// Whether any voter has ever answered as one of this cluster.
    has_met_ours: bool,
}

impl Strangers {
    /// Notes what a voter answered. Returns why this node cannot go on, if it can't: `cluster_id` is what it
    /// takes for its cluster, which has so many `voters`.
    pub(super) fn note(
        &mut self,
        voter: BrokerId,
        is_stranger: bool,
        cluster_id: &str,
        voters: usize,
    ) -> Option<String> {
        if !is_stranger {
            self.of_others.remove(&voter);
            self.has_met_ours = true;
            return None;
        }
        self.of_others.insert(voter);
        let majority = voters / 2 + 1;
        let others = voters.saturating_sub(self.of_others.len());
        (others < majority && !self.has_met_ours).then(|| self.sentence(cluster_id))
    }

    fn sentence(&self, cluster_id: &str) -> String {
        let ids: Vec<String> = self.of_others.iter().map(ToString::to_string).collect();
        format!(
            "this node's cluster.id is {cluster_id}, but the voters {} of controller.quorum.voters belong \
             to another cluster. Set cluster.id to theirs; if the log directories were empty when the node \
             was started with this one, empty them again, as they remember it",
            ids.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(voters: usize, answers: &[(i32, bool)]) -> Vec<bool> {
        let mut strangers = Strangers::default();
        let note = |(id, is_stranger): &(i32, bool)| {
            let reason = strangers.note(BrokerId(*id), *is_stranger, "ours", voters);
            reason.is_some_and(|reason| reason.contains("cluster.id is ours"))
        };
        answers.iter().map(note).collect()
    }

    #[test]
    fn one_stranger_among_three_is_no_reason_to_stop() {
        assert_eq!(notes(3, &[(2, true), (2, true), (3, false)]), [false; 3]);
    }

    #[test]
    fn a_node_whose_voters_are_strangers_cannot_go_on() {
        assert_eq!(notes(3, &[(2, true), (3, true)]), [false, true]);
        assert_eq!(notes(2, &[(2, true)]), [true]);
        assert_eq!(
            notes(1, &[(1, true)]),
            [true],
            "a broker beside one controller"
        );
    }

    #[test]
    fn a_node_that_was_answered_once_goes_on_whoever_answers_later() {
        let answers = [(2, true), (2, false), (3, true), (2, true)];

        assert_eq!(notes(3, &answers), [false; 4]);
        assert_eq!(notes(1, &[(1, false), (1, true)]), [false; 2]);
    }
}
